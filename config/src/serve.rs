//! `[serve]`: address, patience and keys of the HTTP side. Keys come inline or from a file of their own, never both.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::bounds::{ms, quoted, text, whole};
use crate::error::{ConfigError, Problem};
use crate::layers::Effective;
use crate::raw::RawServe;
use crate::secret::{KEY_BYTES_MIN, Secret};
use crate::secret_source::secret;

/// Enough for a shop's domains; each request is compared with all of them.
const CORS_ORIGINS_MAX: usize = 64;

/// The longest a stop may wait for open requests: the whole program has 5 s to end, and must flush and close after them.
const DRAIN_MS_MAX: i64 = 4000;

/// What a status address looks like.
const ADDRESS: &str = "an IPv4 or IPv6 address and a port, such as \"0.0.0.0:9100\", or nothing";

/// Ten minutes: a longer patience is none.
const TIMEOUT_MS_MAX: i64 = 600_000;

/// What browsers of other origins may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    Nobody,
    Anybody,
    /// Exact origins, such as `https://shop.example`.
    Only(Vec<String>),
}

/// `[serve]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeConfig {
    pub host: IpAddr,
    /// 0 takes any free one.
    pub port: u16,
    /// Where a process without the API answers monitors, if it does.
    pub status_address: Option<SocketAddr>,
    pub connections_max: usize,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    pub request_timeout: Duration,
    pub drain: Duration,
    pub metrics: bool,
    pub cors_origins: CorsOrigins,
    pub write_key: Option<Secret>,
    pub read_key: Option<Secret>,
}

impl ServeConfig {
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    pub(crate) fn check(raw: &RawServe, effective: &Effective) -> Result<Self, ConfigError> {
        let blame = |problem| effective.blame(problem);
        let timeout = |key, value| ms(key, value, 100..=TIMEOUT_MS_MAX).map_err(blame);
        let ip = |host: &str| host.parse().ok();
        let at = |address: &str| address.parse().ok();
        let serve = Self {
            host: text("serve.host", &raw.host, "an IPv4 or IPv6 address", ip).map_err(blame)?,
            port: whole("serve.port", raw.port, 0..=65_535).map_err(blame)?,
            status_address: match raw.status_address.as_str() {
                "" => None,
                _ => Some(text("serve.status_address", &raw.status_address, ADDRESS, at).map_err(blame)?),
            },
            connections_max: whole("serve.connections_max", raw.connections_max, 1..=1_000_000)
                .map_err(blame)?,
            header_timeout: timeout("serve.header_timeout_ms", raw.header_timeout_ms)?,
            body_timeout: timeout("serve.body_timeout_ms", raw.body_timeout_ms)?,
            request_timeout: timeout("serve.request_timeout_ms", raw.request_timeout_ms)?,
            drain: ms("serve.drain_ms", raw.drain_ms, 0..=DRAIN_MS_MAX).map_err(blame)?,
            metrics: raw.metrics,
            cors_origins: cors_origins(&raw.cors_origins).map_err(blame)?,
            write_key: secret(
                effective,
                "serve.write_key",
                &raw.write_key,
                "serve.write_key_file",
                &raw.write_key_file,
                KEY_BYTES_MIN,
            )?,
            read_key: secret(
                effective,
                "serve.read_key",
                &raw.read_key,
                "serve.read_key_file",
                &raw.read_key_file,
                KEY_BYTES_MIN,
            )?,
        };
        if serve.write_key.is_some() && serve.write_key == serve.read_key {
            let used = |inline: &Secret, key, file| if inline.is_empty() { file } else { key };
            let write = used(&raw.write_key, "serve.write_key", "serve.write_key_file");
            let read = used(&raw.read_key, "serve.read_key", "serve.read_key_file");
            return Err(blame(Problem::conflict(write, read, "readers would hold the key to write")));
        }
        Ok(serve)
    }
}

fn cors_origins(origins: &[String]) -> Result<CorsOrigins, Problem> {
    const KEY: &str = "serve.cors_origins";
    if CORS_ORIGINS_MAX < origins.len() {
        let found = format!("{} origins", origins.len());
        return Err(Problem::bound(KEY, found, &format!("at most {CORS_ORIGINS_MAX}")));
    }
    match origins {
        [] => Ok(CorsOrigins::Nobody),
        [any] if any == "*" => Ok(CorsOrigins::Anybody),
        many if many.iter().any(|origin| origin == "*") => {
            Err(Problem::bound(KEY, "\"*\" beside others".to_owned(), "\"*\" alone, or origins without it"))
        }
        many => match many.iter().find(|origin| !is_origin(origin)) {
            None => Ok(CorsOrigins::Only(many.to_vec())),
            Some(bad) => {
                let expected =
                    "scheme, host and perhaps port as browsers send them, such as \"https://shop.example\"";
                Err(Problem::bound(KEY, quoted(bad), expected))
            }
        },
    }
}

/// `http(s)://host[:port]` in lower case and nothing behind, which is what an `Origin` header can equal.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b);
        !host.is_empty() && !host.starts_with(':') && host.bytes().all(allowed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        for good in
            ["https://shop.example", "http://localhost:3000", "http://[::1]:80", "https://a-b.example"]
        {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "shop.example",
            "https://",
            "https://:80",
            "https://shop.example/",
            "https://Shop.example",
            "null",
            "*",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
