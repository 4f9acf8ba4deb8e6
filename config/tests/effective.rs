//! What is in force: defaults, layers, `show`, and the number of the rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod common;

use common::{load, pairs, private};
use shoptide_config::{Config, CorsOrigins, DEFAULT_TOML, check};
use shoptide_models::state::Act;
use shoptide_schemas::{EventType, Topic};
use tempfile::TempDir;

/// (key, value as written) of `default.toml`, in its order.
fn default_keys() -> Vec<(String, String)> {
    let mut table = "";
    let mut keys = Vec::new();
    for line in DEFAULT_TOML.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']');
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            keys.push((format!("{table}.{key}"), value.to_owned()));
        }
    }
    keys
}

fn variable(key: &str) -> String {
    format!("SHOPTIDE_{}", key.replace('.', "__").to_uppercase())
}

/// Another value of the same type, near enough to be in range.
fn changed(key: &str, value: &str) -> String {
    match value {
        "[]" if key == "redis.nodes" => "cache.example:6379".to_owned(),
        "0" if key == "segments.k" => "2".to_owned(),
        "0" if key == "sql.memory_mib" => "64".to_owned(),
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        "[]" => "https://shop.example".to_owned(),
        texts if texts.starts_with('[') => "hit_rate".to_owned(),
        text if text.starts_with('"') => "/nonsense".to_owned(),
        float if float.contains('.') => (float.parse::<f64>().unwrap() * 0.875 + 0.01).to_string(),
        whole => (whole.parse::<i64>().unwrap() + 1).to_string(),
    }
}

#[test]
fn every_default_has_a_comment_and_is_read() {
    let keys = default_keys();
    let defaults = load(None, &[]).unwrap();
    assert_eq!(defaults.show().lines().filter(|line| line.contains(" = ")).count(), keys.len());
    let mut said_before = "";
    for line in DEFAULT_TOML.lines() {
        let is_key = !line.starts_with(['#', '[']) && !line.is_empty();
        assert!(!is_key || said_before.starts_with('#'), "{line} has no comment of its own");
        said_before = line;
    }
    for (key, value) in keys {
        let other = changed(&key, &value);
        match load(None, &[(&variable(&key), &other)]) {
            Ok(config) => assert!(config != defaults, "{key} = {other} changes nothing"),
            Err(error) => {
                assert!(error.to_string().contains(&key), "{key} = {other} gave {error}");
                // Whatever is not a text has a neighbour that is as good.
                assert!(value.starts_with('"'), "{key} = {other} gave {error}");
            }
        }
    }
}

#[test]
fn every_act_has_a_weight() {
    let keys = default_keys();
    let weights: Vec<&str> = keys.iter().filter_map(|(key, _)| key.strip_prefix("weights.")).collect();
    for act in Act::all() {
        // The four answers stand for it.
        let expected = act.0 != EventType::RecommendationFeedback as u8;
        assert_eq!(weights.contains(&act.name()), expected, "{}", act.name());
    }
}

#[test]
fn the_file_is_over_the_defaults_and_the_environment_over_the_file() {
    let dir = TempDir::new().unwrap();
    let text = "# mine\n[serve]\nport = 1\nhost = \"::1\"\n\n[weights]\npurchase = 9\nview_item = 0x2\n";
    let file = private(&dir, "shop.toml", text);
    let env = [
        ("SHOPTIDE_SERVE__PORT", "2"),
        ("SHOPTIDE_SERVE__CORS_ORIGINS", "https://a.example, https://b.example"),
        ("SHOPTIDE_LOG__FSYNC", "false"),
        ("SHOPTIDE_TRAIN__FULL_EVERY_S", "7200"),
    ];
    let config = load(Some(&file), &env).unwrap();
    assert_eq!(config.serve.address().to_string(), "[::1]:2");
    let origins = vec!["https://a.example".to_owned(), "https://b.example".to_owned()];
    assert_eq!(config.serve.cors_origins, CorsOrigins::Only(origins));
    assert_eq!((config.tastes.weight(Act::PURCHASE), config.tastes.weight(Act::VIEW)), (9.0, 2.0));
    assert_eq!(config.tastes.half_life_days(Topic::Order), 180.0);
    assert_eq!(config.train.full_every.as_secs(), 7200);
    assert!(!config.log.fsync);

    let shown = config.show();
    let path = file.display();
    for line in [
        "port = 2 # environment variable SHOPTIDE_SERVE__PORT",
        &format!("host = \"::1\" # {path} line 4"),
        &format!("purchase = 9.0 # {path} line 7"),
        "search = 0.5 # default",
        "cors_origins = [\"https://a.example\", \"https://b.example\"] # environment variable SHOPTIDE_SERVE__CORS_ORIGINS",
    ] {
        assert!(shown.lines().any(|l| l == line), "{line} is not in\n{shown}");
    }
    let said = check(Some(&file), pairs(&env)).unwrap();
    assert!(said.contains("of them 3 from the file and 4 from the environment"), "{said}");
    assert!(said.contains("warning: log.fsync"), "{said}");
}

#[test]
fn what_is_shown_says_the_same_when_it_is_loaded() {
    let dir = TempDir::new().unwrap();
    let env =
        [("SHOPTIDE_SERVE__PORT", "2"), ("SHOPTIDE_ALS__ALPHA", "1e-7"), ("SHOPTIDE_WEIGHTS__SEARCH", "1e2")];
    let config = load(None, &env).unwrap();
    let again = load(Some(&private(&dir, "again.toml", &config.show())), &[]).unwrap();
    assert_eq!(again, config);
    assert_eq!(again.rules_version(), config.rules_version());
    let order =
        |text: &str| text.lines().filter(|l| l.starts_with('[')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(order(&config.show()), order(DEFAULT_TOML));
}

#[test]
fn an_open_door_is_said() {
    let open = [("SHOPTIDE_SERVE__HOST", "0.0.0.0"), ("SHOPTIDE_SERVE__CORS_ORIGINS", "*")];
    let said = check(None, pairs(&open)).unwrap();
    assert!(said.contains("warning: serve.host") && said.contains("warning: serve.cors_origins"), "{said}");
    let closed = [open.as_slice(), &[("SHOPTIDE_SERVE__WRITE_KEY", "0123456789abcdef")]].concat();
    assert!(!check(None, pairs(&closed)).unwrap().contains("warning"));
    assert!(!check(None, pairs(&[])).unwrap().contains("warning"));
}

#[test]
fn equal_rules_have_equal_numbers_and_others_have_others() {
    let dir = TempDir::new().unwrap();
    let version = |config: Config| config.rules_version();
    let defaults = version(load(None, &[]).unwrap());
    // The same, written otherwise, in another layer.
    let file =
        private(&dir, "same.toml", "[weights]\npurchase = 8\nview_item_list = -0.0\n[als]\nrank = 0x40\n");
    assert_eq!(version(load(Some(&file), &[("SHOPTIDE_BLEND__FACTORS", "1")]).unwrap()), defaults);

    let shapes_lists =
        ["weights", "half_lives_days", "als", "item_item", "popularity", "blend", "mmr", "list"];
    let mut seen = std::collections::HashSet::from([defaults]);
    for (key, value) in default_keys() {
        let Ok(config) = load(None, &[(&variable(&key), &changed(&key, &value))]) else { continue };
        let table = key.split('.').next().unwrap();
        if shapes_lists.contains(&table) && key != "list.shown_default" {
            assert!(seen.insert(version(config)), "{key} does not change the number, or as another key does");
        } else {
            assert_eq!(version(config), defaults, "{key} changes the number");
        }
    }
    let euro = load(None, &[("SHOPTIDE_SHOP__CURRENCY", "EUR")]).unwrap();
    assert!(seen.insert(version(euro)));
}

#[test]
fn the_solver_of_the_factors_is_chosen_by_name() {
    use shoptide_models::als::Solver;
    let of = |rows: &[(&str, &str)]| load(None, rows).unwrap().als.solver();
    assert_eq!(of(&[]), Solver::Exact);
    assert_eq!(of(&[("SHOPTIDE_ALS__SOLVER", "cholesky")]), Solver::Cholesky);
    assert_eq!(of(&[("SHOPTIDE_ALS__SOLVER", "cg")]), Solver::ConjugateGradient { steps: 3 });
    assert_eq!(of(&[("SHOPTIDE_ALS__SOLVER", "subspace")]), Solver::Subspace { width: 32 });
}

#[test]
fn schedules_come_from_every_layer_and_are_shown_where_they_belong() {
    use shoptide_config::Missed;
    let dir = TempDir::new().unwrap();
    let text = "[schedule.nightly]\njob = \"train\"\ncron = \"30 3 * * *\"\nmissed = \"skip\"\n\n[jobs]\nretries = 5\n";
    let file = private(&dir, "shop.toml", text);
    let env = [
        ("SHOPTIDE_SCHEDULE__NIGHTLY__TIMEOUT_S", "60"),
        ("SHOPTIDE_SCHEDULE__VERIFY__CRON", "@weekly"),
        ("SHOPTIDE_SCHEDULE__BY_MONTH__CRON", "0 0 L * *"),
        ("SHOPTIDE_SCHEDULE__BY_MONTH__JOB", "evaluate"),
    ];
    let config = load(Some(&file), &env).unwrap();
    let of = |name: &str| config.schedules.iter().find(|s| s.name == name).unwrap();
    let nightly = of("nightly");
    assert_eq!((nightly.rules.timeout.as_secs(), nightly.rules.missed), (60, Missed::Skip));
    assert_eq!(
        (nightly.rules.retries, of("by_month").rules.retries),
        (5, 5),
        "what is not said is as in [jobs]"
    );
    assert_eq!(of("verify").cron.as_ref().unwrap().as_str(), "@weekly");
    assert!(of("train").cron.is_none());
    assert!(config != load(Some(&file), &env[1..]).unwrap());

    let shown = config.show();
    let nightly = shown.split("[schedule.nightly]\n").nth(1).unwrap().split("\n\n").next().unwrap();
    assert_eq!(nightly.lines().count(), 4, "{shown}");
    assert_eq!(shown.matches("[schedule.verify]").count(), 1);
    let again = private(&dir, "again.toml", &shown);
    assert!(load(Some(&again), &[]).unwrap() == config);
    for wrong in
        ["SHOPTIDE_SCHEDULE__NIGHTLY__CORN", "SHOPTIDE_SCHEDULE__NIGHTLY", "SHOPTIDE_SCHEDULE__nightly__CRON"]
    {
        let said = load(None, &[(wrong, "1")]).unwrap_err().to_string();
        assert!(said.contains(wrong) && said.contains("names no key"), "{said}");
    }
}
