//! What a server must be, and what an operator should hear about it at the start.

use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Cmd, FromRedisValue, Value};

use super::connect::Conn;
use super::failure::Failure;

/// Scripts that set a TTL, SCAN by type and ACLs as we use them are in Redis 6.
const MAJOR_MIN: u32 = 6;
/// Why a cache should not outlive its server: what comes back was right when it was saved.
const KEEPS: &str =
    "redis keeps lists over a restart, which then come back older than the truth, erased users included";

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisReport {
    /// Of the oldest node.
    pub version: String,
    /// What should be changed, each with what to do.
    pub warnings: Vec<String>,
}

/// Asks the server, or each primary of a cluster.
pub(super) async fn check(conn: &mut Conn) -> Result<RedisReport, Failure> {
    let texts = everyone(conn, redis::cmd("INFO")).await?.into_iter();
    let texts: Vec<String> = texts.map(text).collect::<Result<_, _>>()?;
    let mut report = report(texts.iter().map(String::as_str), matches!(conn, Conn::Cluster(_)))?;
    // An ACL may well refuse this; then nothing is known, and nothing said.
    let mut saves = redis::cmd("CONFIG");
    saves.arg("GET").arg("save");
    let mut saves = everyone(conn, saves).await.unwrap_or_default().into_iter();
    let snapshots = |save: Value| {
        Vec::<String>::from_redis_value(save)
            .is_ok_and(|pair| pair.get(1).is_some_and(|save| !save.is_empty()))
    };
    if saves.any(snapshots) {
        report.warnings.push(format!("{KEEPS}: set save \"\""));
    }
    Ok(report)
}

/// The answers of the server, or of each primary of a cluster.
async fn everyone(conn: &mut Conn, question: Cmd) -> Result<Vec<Value>, Failure> {
    let Conn::Cluster(cluster) = conn else { return Ok(vec![question.query_async(conn).await?]) };
    let primaries = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    match cluster.route_command(question, primaries).await? {
        Value::Map(nodes) => Ok(nodes.into_iter().map(|(_, answer)| answer).collect()),
        one => Ok(vec![one]),
    }
}

fn text(answer: Value) -> Result<String, Failure> {
    String::from_redis_value(answer).map_err(|_| no_info())
}

fn no_info() -> Failure {
    Failure::Unusable("it does not say what it is: INFO has no text".to_owned())
}

fn report<'a>(nodes: impl Iterator<Item = &'a str>, cluster: bool) -> Result<RedisReport, Failure> {
    let mut oldest: Option<((u32, u32), &str)> = None;
    let mut warnings = Vec::new();
    for info in nodes {
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let version = field("redis_version").unwrap_or_default();
        let numbers = version_of(version).ok_or_else(no_info)?;
        if numbers.0 < MAJOR_MIN {
            return Err(Failure::Unusable(format!("it is Redis {version}, expected {MAJOR_MIN} or newer")));
        }
        if !cluster && field("redis_mode") == Some("cluster") {
            return Err(Failure::Unusable("it is a node of a cluster: set cluster = true".to_owned()));
        }
        if oldest.is_none_or(|(least, _)| numbers < least) {
            oldest = Some((numbers, version));
        }
        let bytes: u64 = field("maxmemory").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        if bytes != 0 && field("maxmemory_policy") == Some("noeviction") {
            warnings.push(format!(
                "redis with maxmemory {bytes} and maxmemory-policy noeviction takes no more lists when it is full: set \
                 maxmemory-policy allkeys-lru"
            ));
        }
        if field("aof_enabled") == Some("1") {
            warnings.push(format!("{KEEPS}: set appendonly no"));
        }
    }
    warnings.sort();
    warnings.dedup();
    let version = oldest.map(|(_, version)| version.to_owned()).ok_or_else(no_info)?;
    Ok(RedisReport { version, warnings })
}

fn version_of(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn info(version: &str, maxmemory: u64, policy: &str) -> String {
        format!(
            "# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n\r\n# Memory\r\nmaxmemory:{maxmemory}\r\n\
             maxmemory_human:0B\r\nmaxmemory_policy:{policy}\r\n"
        )
    }

    fn of(nodes: &[String]) -> Result<RedisReport, Failure> {
        report(nodes.iter().map(String::as_str), false)
    }

    #[test]
    fn a_server_that_stops_taking_lists_is_warned_of() {
        let quiet = of(&[info("7.0.15", 0, "noeviction"), info("6.2.1", 9, "allkeys-lru")]).unwrap();
        assert_eq!(quiet, RedisReport { version: "6.2.1".into(), warnings: Vec::new() });
        let loud = of(&[info("10.0", 9, "noeviction"), info("9.1", 9, "noeviction")]).unwrap();
        assert_eq!((loud.version.as_str(), loud.warnings.len()), ("9.1", 1));
        assert!(loud.warnings.iter().all(|text| text.contains("set maxmemory-policy allkeys-lru")));
    }

    #[test]
    fn a_server_that_keeps_lists_over_a_restart_is_warned_of() {
        let kept =
            of(&[info("7.0.15", 0, "") + "aof_enabled:1\r\n", info("7.0.15", 0, "") + "aof_enabled:0\r\n"]);
        assert!(kept.unwrap().warnings.iter().all(|text| text.ends_with("set appendonly no")));
    }

    #[test]
    fn what_cannot_serve_is_refused() {
        for (text, says) in [
            (info("5.0.14", 0, ""), "it is Redis 5.0.14, expected 6 or newer"),
            (info("", 0, ""), "does not say what it is"),
            (info("7.0.1", 0, "").replace("standalone", "cluster"), "set cluster = true"),
        ] {
            assert!(of(&[text]).unwrap_err().reason().contains(says), "{says}");
        }
        assert!(of(&[]).is_err());
    }
}
