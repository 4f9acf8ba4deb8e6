//! What `/metrics` says of the stream.

use std::time::{Duration, Instant};

use anyhow::Context;

use crate::http::Connection;

/// The sums that a producer looks at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gauges {
    /// Records in the log that are not folded.
    pub lag: f64,
    /// Records folded, however they ended.
    pub records: f64,
    pub dead: f64,
    /// Events that the collector took.
    pub collected: f64,
    /// Lists made because of events, at once or put off.
    pub lists: f64,
    pub model_version: f64,
}

impl Gauges {
    /// # Errors
    /// If the server does not answer.
    pub async fn read(connection: &mut Connection) -> anyhow::Result<Self> {
        let (status, body) = connection.get("/metrics").await?;
        anyhow::ensure!(status == 200, "/metrics answered {status}");
        let text = std::str::from_utf8(body).context("/metrics")?;
        let mut gauges = Gauges::default();
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let value: f64 = value.parse().unwrap_or(0.0);
            if name.starts_with("shoptide_lag_records") {
                gauges.lag += value;
            } else if name.starts_with("shoptide_records_total") && !name.contains("shop.catalogue") {
                gauges.records += value;
                gauges.dead += if name.contains("\"dead\"") { value } else { 0.0 };
            } else if name.starts_with("shoptide_lists_made_total")
                && (name.contains("\"event\"") || name.contains("\"late\""))
            {
                gauges.lists += value;
            } else if name.starts_with("shoptide_collected_events_total") && name.contains("\"accepted\"") {
                gauges.collected += value;
            } else if name.starts_with("shoptide_model_version") {
                gauges.model_version = value;
            }
        }
        Ok(gauges)
    }
}

/// Looks in a row that must show nothing moving.
const STILL: u32 = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const GIVE_UP: Duration = Duration::from_secs(120);

/// Waits until everything is folded and a model is there.
///
/// # Errors
/// If that does not happen.
pub async fn settled(connection: &mut Connection) -> anyhow::Result<()> {
    let (began, mut still, mut before) = (Instant::now(), 0, Gauges::default());
    while still < STILL {
        anyhow::ensure!(began.elapsed() < GIVE_UP, "the server does not settle");
        tokio::time::sleep(LOOK_AGAIN).await;
        let now = Gauges::read(connection).await?;
        let quiet = now.lag == 0.0 && now.records == before.records && 0.0 < now.model_version;
        still = if quiet { still + 1 } else { 0 };
        before = now;
    }
    Ok(())
}
