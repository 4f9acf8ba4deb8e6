//! Passwords, ACLs and TLS: what is wrong is said with what to do, and no secret is ever printed.

use std::path::Path;
use std::process::Command;

use shoptide_store::{Cache, CacheState, RedisCache, RedisCacheOptions, RedisPassword, StoreError};

use crate::server::{Server, patient};
use crate::{entry, holds, user};

const SECRET: &str = "canary-7f3a";

/// What `check` says of these options, which must not repeat the secret.
async fn said(options: &RedisCacheOptions) -> String {
    let cache = RedisCache::new(options).unwrap();
    let error = cache.check().await.unwrap_err();
    assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    let read = cache.get(0, &user("a")).await.unwrap_err();
    let health = cache.health();
    assert_eq!(health.state, CacheState::Refused, "{:?}", cache.state());
    assert_eq!(health.failed.unusable + health.failed.unavailable, 1, "{health:?}");
    let said = format!("{error}");
    for text in [&said, &format!("{error:?} {read:?} {options:?} {cache:?} {:?}", cache.state())] {
        assert!(!text.contains(SECRET), "{text}");
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_says_what_to_do() {
    let Some(server) = Server::start(&["--requirepass", SECRET]) else { return };
    let password = |text: &str| Some(RedisPassword::new(text));
    let wrong = RedisCacheOptions { password: password("canary-7f3a-not"), ..server.options() };
    assert!(said(&wrong).await.contains("refuses the password, or has none set"));
    assert!(said(&server.options()).await.contains("asks for a password: set password"));
    let nobody =
        RedisCacheOptions { username: Some("nobody".into()), password: password(SECRET), ..server.options() };
    assert!(said(&nobody).await.contains("check username and password"));
    let inside = format!("redis://:{SECRET}@127.0.0.1:{}", server.port);
    for right in [
        RedisCacheOptions { password: password(SECRET), ..server.options() },
        patient(RedisCacheOptions::new(&inside)),
    ] {
        let cache = RedisCache::new(&right).unwrap();
        cache.check().await.unwrap();
        cache.set_if_newer(vec![entry("a", 1)]).await.unwrap();
        assert!(holds(&cache, "a", 1).await && !format!("{right:?}").contains(SECRET));
    }
    let Some(open) = Server::start(&[]) else { return };
    let needless = RedisCacheOptions { password: password(SECRET), ..open.options() };
    assert!(said(&needless).await.contains("has none set and expects none: check username and password"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_just_the_commands_we_name_is_enough() {
    let Some(server) = Server::start(&[]) else { return };
    let named = "+get +getrange +strlen +set +del +unlink +pexpire +evalsha +eval +scan +ping +info";
    let acl = |name: &str, rules: &str| {
        let password = format!(">{SECRET}");
        let mut command = vec!["ACL", "SETUSER", name, "on", &password, "~shoptide:*"];
        command.extend(rules.split(' '));
        assert_eq!(server.cli(&command), "OK");
    };
    acl("enough", named);
    acl("little", "+ping +info");
    let of = |name: &str| RedisCacheOptions {
        username: Some(name.into()),
        password: Some(RedisPassword::new(SECRET)),
        ..server.options()
    };
    let cache = RedisCache::new(&of("enough")).unwrap();
    cache.check().await.unwrap();
    cache.set_if_newer(vec![entry("a", 1), entry("b", 1)]).await.unwrap();
    cache.set_if_newer(vec![entry("a", 1)]).await.unwrap();
    cache.remove(0, &user("b")).await.unwrap();
    assert!(holds(&cache, "a", 1).await);
    // Without CLIENT nothing is held near, and all else goes on.
    let near = RedisCacheOptions { near_bytes_max: 1 << 20, ..of("enough") };
    assert!(holds(&RedisCache::new(&near).unwrap(), "a", 1).await);
    cache.clear().await.unwrap();
    assert_eq!(cache.get(0, &user("a")).await.unwrap(), None);
    assert!(said(&of("little")).await.contains(&format!("allow the user ~PREFIX:* {named}")));
}

fn openssl(dir: &Path, args: &str) {
    let run = Command::new("openssl").current_dir(dir).args(args.split(' ')).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

/// An authority, and certificates that it signed for the server and for a client.
fn certificates(dir: &Path) {
    openssl(dir, "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.crt");
    std::fs::write(dir.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    for name in ["server", "client"] {
        openssl(
            dir,
            &format!("req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"),
        );
        openssl(
            dir,
            &format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out {name}.crt"
            ),
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_certificates_of_our_own() {
    if !crate::server::installed() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let args = [
        "--tls-port",
        "PORT",
        "--port",
        "0",
        "--tls-cert-file",
        "server.crt",
        "--tls-key-file",
        "server.key",
        "--tls-ca-cert-file",
        "ca.crt",
        "--requirepass",
        SECRET,
    ];
    let server = Server::with(dir, &args);
    let file = |name: &str| Some(server.dir.path().join(name));
    // A hand shake in a test build on a busy machine takes longer than a reader would wait.
    let full = RedisCacheOptions {
        password: Some(RedisPassword::new(SECRET)),
        tls_ca_file: file("ca.crt"),
        tls_cert_file: file("client.crt"),
        tls_key_file: file("client.key"),
        ..patient(RedisCacheOptions::new(format!("rediss://localhost:{}", server.port)))
    };
    let cache = RedisCache::new(&full).unwrap();
    cache.check().await.unwrap();
    crate::back_within(&cache, std::time::Duration::from_secs(5)).await;
    cache.set_if_newer(vec![entry("a", 1)]).await.unwrap();
    assert!(holds(&cache, "a", 1).await);
    // Without the authority the server is not believed, without our certificate it does not believe us; plain text is nothing.
    for (wrong, says) in [
        (RedisCacheOptions { tls_ca_file: None, ..full.clone() }, "certificate"),
        (RedisCacheOptions { tls_cert_file: None, tls_key_file: None, ..full.clone() }, ""),
    ] {
        let error = RedisCache::new(&wrong).unwrap().check().await.unwrap_err().to_string();
        assert!(error.to_lowercase().contains(says) && !error.contains(SECRET), "{error}");
    }
    for (wrong, field) in [
        (RedisCacheOptions { tls_ca_file: file("missing"), ..full.clone() }, "tls_ca_file"),
        (RedisCacheOptions { tls_ca_file: file("names"), ..full.clone() }, "tls_ca_file"),
        (RedisCacheOptions { tls_key_file: None, ..full.clone() }, "tls_key_file"),
        (RedisCacheOptions { tls_cert_file: None, ..full.clone() }, "tls_cert_file"),
        (RedisCacheOptions { urls: vec!["redis://localhost".into()], ..full.clone() }, "tls_ca_file"),
    ] {
        let error = RedisCache::new(&wrong).unwrap_err().to_string();
        assert!(error.starts_with(&format!("redis cache: {field} ")), "{error}");
    }
}

#[test]
fn wrong_options_name_their_field_and_no_secret() {
    let good = || RedisCacheOptions::new("redis://127.0.0.1");
    let urls =
        |urls: &[&str]| RedisCacheOptions { urls: urls.iter().map(ToString::to_string).collect(), ..good() };
    let cluster = |names: &[&str]| RedisCacheOptions { cluster: true, ..urls(names) };
    let password = Some(RedisPassword::new(SECRET));
    let inside = format!("redis://u:{SECRET}@h");
    for (options, field) in [
        (urls(&[]), "urls"),
        (urls(&["redis://a", "redis://b"]), "urls"),
        (urls(&["canary-7f3a"]), "urls[0]"),
        (urls(&["http://u:canary-7f3a@h"]), "urls[0]"),
        (urls(&["redis://u:canary-7f3a@h:port"]), "urls[0]"),
        (urls(&["redis://u:canary-7f3a@h/x"]), "urls[0]"),
        (urls(&["rediss://h#insecure"]), "urls[0]"),
        (urls(&["redis://h?protocol=resp3"]), "urls[0]"),
        (cluster(&["redis://a", "redis://b/3"]), "urls[1]"),
        (cluster(&["redis://a", "rediss://b"]), "urls"),
        (cluster(&[&inside, "redis://u:other@b"]), "urls"),
        (RedisCacheOptions { password: password.clone(), ..urls(&[&inside]) }, "urls[0]"),
        (RedisCacheOptions { username: Some("u".into()), ..good() }, "password"),
        (RedisCacheOptions { prefix: String::new(), ..good() }, "prefix"),
        (RedisCacheOptions { prefix: "{a}".into(), ..good() }, "prefix"),
        (RedisCacheOptions { prefix: "x".repeat(33), ..good() }, "prefix"),
        (RedisCacheOptions { ttl_ms: 0, ..good() }, "ttl_ms"),
        (RedisCacheOptions { ttl_ms: i64::MAX, ..good() }, "ttl_ms"),
        (RedisCacheOptions { tombstone_ms: -1, ..good() }, "tombstone_ms"),
        (RedisCacheOptions { read_timeout_ms: 0, ..good() }, "read_timeout_ms"),
        (RedisCacheOptions { write_timeout_ms: 10_001, ..good() }, "write_timeout_ms"),
        (RedisCacheOptions { near_bytes_max: u64::MAX, ..good() }, "near_bytes_max"),
        (RedisCacheOptions { connect_timeout_ms: 0, ..good() }, "connect_timeout_ms"),
    ] {
        let error = RedisCache::new(&options).unwrap_err();
        assert!(error.to_string().starts_with(&format!("redis cache: {field} ")), "{error}");
        for text in [format!("{error:?}"), format!("{options:?}")] {
            let shown = text.replace("\"(malformed)\"", "");
            assert!(!shown.contains(SECRET) && !shown.contains("other@"), "{text}");
        }
    }
    assert!(
        RedisCache::new(&good()).is_ok() && RedisCache::new(&cluster(&["redis://a", "redis://b"])).is_ok()
    );
}
