//! Secrets come from one place, from files that only their owner may read, and are never printed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use common::{CANARY, assert_hides, load, private, with_mode};
use shoptide_config::{Config, ConfigError, check, show};
use tempfile::TempDir;

#[test]
fn a_key_comes_inline_or_from_a_file() {
    let dir = TempDir::new().unwrap();
    let key = private(&dir, "key", &format!("{CANARY}\n"));
    let key_path = key.to_str().unwrap();
    let inline = private(&dir, "inline.toml", &format!("[serve]\nwrite_key = \"{CANARY}\"\n"));
    // A relative path is beside the file that names it.
    let beside = private(&dir, "beside.toml", "[serve]\nwrite_key_file = \"key\"\n");
    for config in [
        load(Some(&inline), &[]),
        load(Some(&beside), &[]),
        load(None, &[("SHOPTIDE_SERVE__WRITE_KEY", CANARY)]),
        load(None, &[("SHOPTIDE_SERVE__WRITE_KEY_FILE", key_path)]),
        load(
            Some(&inline),
            &[("SHOPTIDE_SERVE__WRITE_KEY", ""), ("SHOPTIDE_SERVE__WRITE_KEY_FILE", key_path)],
        ),
    ] {
        let config = config.unwrap();
        assert!(config.serve.write_key.as_ref().unwrap().matches(CANARY.as_bytes()));
        assert_eq!(config.serve.read_key, None);
    }
}

#[test]
fn both_ways_at_once_exclude_each_other() {
    for which in ["write", "read"] {
        let dir = TempDir::new().unwrap();
        private(&dir, "key", CANARY);
        let text = format!("[serve]\n{which}_key = \"{CANARY}\"\n{which}_key_file = \"key\"\n");
        let file = private(&dir, "shop.toml", &text);
        let error = load(Some(&file), &[]).unwrap_err();
        assert_hides(&error);
        let message = error.to_string();
        for part in [
            &format!("serve.{which}_key and serve.{which}_key_file cannot"),
            "exclude",
            "shop.toml line 2",
            "line 3",
        ] {
            assert!(message.contains(part), "{message}");
        }
        // Across layers too: it is not clear which one was meant.
        let file = private(&dir, "shop.toml", &format!("[serve]\n{which}_key_file = \"key\"\n"));
        let variable = format!("SHOPTIDE_SERVE__{}_KEY", which.to_uppercase());
        let message = load(Some(&file), &[(&variable, CANARY)]).unwrap_err().to_string();
        assert!(message.contains("exclude") && message.contains(&variable), "{message}");
    }
}

#[test]
fn files_that_others_may_read_are_refused() {
    for mode in [0o644, 0o640, 0o604, 0o660, 0o622] {
        let dir = TempDir::new().unwrap();
        with_mode(&dir, "key", CANARY.as_bytes(), mode);
        let inline = format!("[serve]\nread_key = \"{CANARY}\"\n");
        for (file, exposed, key) in [
            (private(&dir, "a.toml", "[serve]\nread_key_file = \"key\"\n"), "key", "serve.read_key_file"),
            (with_mode(&dir, "b.toml", inline.as_bytes(), mode), "b.toml", "serve.read_key"),
        ] {
            let error = load(Some(&file), &[]).expect_err(exposed);
            assert_hides(&error);
            assert_eq!(error.key(), Some(key));
            let message = error.to_string();
            assert!(message.contains(dir.path().join(exposed).to_str().unwrap()), "{message}");
            assert!(message.contains(&format!("mode {mode:o}")), "{message}");
        }
        // What the environment says instead does not make the file a better place.
        let file = dir.path().join("b.toml");
        let env = [("SHOPTIDE_SERVE__READ_KEY", "another-0123456789abcdef")];
        assert!(matches!(load(Some(&file), &env), Err(ConfigError::Exposed { .. })));
    }
    // A file without a secret may be read by all.
    let dir = TempDir::new().unwrap();
    let file = with_mode(&dir, "shop.toml", b"[serve]\nport = 1\nread_key = \"\"\n", 0o644);
    assert_eq!(load(Some(&file), &[]).unwrap().serve.port, 1);
    let file =
        with_mode(&dir, "only-read.toml", format!("[serve]\nread_key = \"{CANARY}\"\n").as_bytes(), 0o400);
    assert!(load(Some(&file), &[]).is_ok());
}

#[test]
fn secret_files_that_hold_no_key_are_refused() {
    let dir = TempDir::new().unwrap();
    private(&dir, "empty", "\n");
    private(&dir, "inner", &format!("{CANARY} {CANARY}"));
    private(&dir, "long", &CANARY.repeat(20));
    private(&dir, "huge", &CANARY.repeat(1000));
    with_mode(&dir, "binary", &[0xff; 32], 0o600);
    for (name, reason) in [
        ("missing", "No such file"),
        ("..", "not a regular file"),
        ("empty", "too short"),
        ("inner", "not visible ASCII"),
        ("long", "too long"),
        ("huge", "larger than 4096 bytes"),
        ("binary", "utf-8"),
    ] {
        let file = private(&dir, "shop.toml", &format!("[serve]\nwrite_key_file = \"{name}\"\n"));
        let error = load(Some(&file), &[]).expect_err(name);
        assert_hides(&error);
        assert_eq!(error.key(), Some("serve.write_key_file"));
        let message = error.to_string();
        assert!(message.contains(reason) && message.contains("shop.toml line 2"), "{name}: {message}");
    }
}

#[test]
fn one_key_for_reading_and_writing_is_refused() {
    let dir = TempDir::new().unwrap();
    private(&dir, "key", CANARY);
    let file = private(&dir, "shop.toml", "[serve]\nread_key_file = \"key\"\n");
    let error = load(Some(&file), &[("SHOPTIDE_SERVE__WRITE_KEY", CANARY)]).unwrap_err();
    assert_hides(&error);
    assert!(error.to_string().starts_with("serve.write_key and serve.read_key_file cannot"), "{error}");
}

#[test]
fn nothing_prints_a_secret() {
    let env = [
        ("SHOPTIDE_SERVE__WRITE_KEY", CANARY),
        ("SHOPTIDE_SERVE__READ_KEY", "canary-another-0123456789"),
        ("SHOPTIDE_ASSISTANT__KEY", "canary-model-0123456789"),
    ];
    let config: Config = load(None, &env).unwrap();
    let printed = [
        config.show(),
        format!("{config:?}"),
        show(None, common::pairs(&env)).unwrap(),
        check(None, common::pairs(&env)).unwrap(),
    ];
    for text in &printed {
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(printed[0].contains("write_key = \"***\" # environment variable SHOPTIDE_SERVE__WRITE_KEY\n"));
    assert!(load(None, &[]).unwrap().show().contains("write_key = \"\" # default\n"));
}
