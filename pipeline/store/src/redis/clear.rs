//! Takes away every list under the prefix, and nothing else, in steps that never hold a server up.

use std::collections::VecDeque;

use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, FromRedisValue, Value};

use super::connect::Conn;
use super::failure::Failure;

/// Keys a server looks at in one step: about a millisecond of its time.
pub(super) const SCAN_COUNT: usize = 500;

/// Where a walk stands: a node (none for a single server) and its cursor.
pub(super) struct Walk {
    left: VecDeque<(Option<(String, u16)>, u64)>,
}

impl Walk {
    /// At the first key of every node.
    pub async fn start(conn: &mut Conn) -> Result<Self, Failure> {
        let Conn::Cluster(cluster) = conn else {
            return Ok(Self { left: VecDeque::from([(None, 0)]) });
        };
        let everyone = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let Value::Map(nodes) = cluster.route_command(redis::cmd("PING"), everyone).await? else {
            return Err(Failure::NotNow("the cluster names no nodes".to_owned()));
        };
        let start = |(name, _): (Value, Value)| {
            let name = String::from_redis_value(name).ok()?;
            let (host, port) = name.rsplit_once(':')?;
            Some((Some((host.to_owned(), port.parse().ok()?)), 0))
        };
        let left: Option<VecDeque<_>> = nodes.into_iter().map(start).collect();
        left.map(|left| Self { left })
            .ok_or_else(|| Failure::NotNow("the cluster names a node without an address".to_owned()))
    }

    /// The next keys, perhaps none; nothing when all nodes were walked through.
    pub async fn next(&mut self, conn: &mut Conn, pattern: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Failure> {
        let Some((node, cursor)) = self.left.front().cloned() else { return Ok(None) };
        let scan = scan(cursor, pattern);
        let reply = match (&mut *conn, &node) {
            (Conn::Cluster(cluster), Some((host, port))) => {
                let at = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                cluster.route_command(scan, RoutingInfo::SingleNode(at)).await?
            }
            _ => scan.query_async(conn).await?,
        };
        let (cursor, keys): (u64, Vec<Vec<u8>>) =
            FromRedisValue::from_redis_value(reply).map_err(|error| Failure::NotNow(error.to_string()))?;
        self.left.pop_front();
        if cursor != 0 {
            self.left.push_front((node, cursor));
        }
        Ok(Some(keys))
    }
}

fn scan(cursor: u64, pattern: &[u8]) -> Cmd {
    let mut scan = redis::cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_COUNT).arg("TYPE").arg("string");
    scan
}

/// What SCAN calls the keys of a prefix, whose own stars and brackets mean themselves.
pub(super) fn pattern(prefix: &str) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 2);
    for byte in prefix.bytes() {
        if b"*?[]^\\-".contains(&byte) {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.extend_from_slice(b":*");
    pattern
}
