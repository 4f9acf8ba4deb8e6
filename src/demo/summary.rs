//! The demo's summary: one line of JSON for machines, a page for people.

use serde_json::{Value, json};
use shoptide_jobs::train::HeldOut;
use shoptide_models::evaluate::Quality;
use shoptide_store::Tally;

use super::freshness::Freshness;
use crate::commands::ask::list_table;
use crate::render::profile::profile_text;
use crate::render::shown;
use crate::render::table;
use crate::{out, outln};

/// All that the summary says.
pub struct Summary {
    pub sent: u64,
    pub rejected: u64,
    pub tally: Tally,
    pub events_per_s: f64,
    pub freshness: Freshness,
    pub first_list_s: f64,
    pub train_s: f64,
    pub total_s: f64,
    pub model_version: u64,
    pub held_out: HeldOut,
    /// Prequential, live: events predicted, hits of the lists, hits of popularity, all at 20.
    pub live: [i64; 3],
    pub user: String,
    pub profile: Value,
    pub list: Value,
    pub base: String,
    pub data_dir: String,
    /// The data stays when the demo ends.
    pub kept: bool,
}

impl Summary {
    /// Everything that was sent is accounted for: logged or refused at the border, and each logged record has one end.
    pub fn adds_up(&self) -> bool {
        self.tally.adds_up() && i64::try_from(self.sent - self.rejected).is_ok_and(|n| n == self.tally.logged)
    }

    pub fn json(&self) -> Value {
        let q = |q: &Quality| json!({ "recall_20": q.recall, "ndcg_20": q.ndcg });
        let [predicted, hits, popular] = self.live;
        let share = |n: i64| if predicted == 0 { 0.0 } else { n as f64 / predicted as f64 };
        json!({
            "sent": self.sent, "rejected": self.rejected, "logged": self.tally.logged,
            "applied": self.tally.applied, "duplicate": self.tally.duplicate, "late": self.tally.late,
            "erased": self.tally.erased, "dead_lettered": self.tally.dead, "adds_up": self.adds_up(),
            "events_per_s": self.events_per_s,
            "freshness_ms": { "p50": self.freshness.p50_ms, "p99": self.freshness.p99_ms, "events": self.freshness.sent },
            "first_list_s": self.first_list_s, "train_s": self.train_s, "total_s": self.total_s,
            "model_version": self.model_version, "peak_rss_mb": peak_rss_mb(),
            "quality": {
                "users": self.held_out.users, "served": q(&self.held_out.blend), "popularity": q(&self.held_out.popularity),
                "item_item": q(&self.held_out.item_item), "factors": q(&self.held_out.factors),
                "live": { "predicted": predicted, "hit_rate_20": share(hits), "popular_hit_rate_20": share(popular) },
            },
            "url": self.base, "data_dir": self.data_dir,
        })
    }

    /// # Errors
    /// If standard output cannot be written.
    pub fn print(&self) -> anyhow::Result<()> {
        let t = &self.tally;
        outln!("\nevents")?;
        outln!(
            "  sent {} = refused {} + logged {};  logged = applied {} + duplicate {} + late {} + erased {} + dead-lettered {}  ({})",
            self.sent,
            self.rejected,
            t.logged,
            t.applied,
            t.duplicate,
            t.late,
            t.erased,
            t.dead,
            if self.adds_up() { "adds up" } else { "DOES NOT ADD UP" }
        )?;
        outln!("  {:.0} events/s from the first request to the last list", self.events_per_s)?;
        outln!(
            "  fresh after {:.1} ms (p50), {:.1} ms (p99): from the collector's 2xx to the list that contains the event, {} events",
            self.freshness.p50_ms,
            self.freshness.p99_ms,
            self.freshness.sent
        )?;
        outln!(
            "  first personal list {:.1} s after the start, this summary after {:.1} s, peak memory {:.0} MB",
            self.first_list_s,
            self.total_s,
            peak_rss_mb()
        )?;
        outln!(
            "\nmodel {} trained in {:.2} s; held-out quality, full ranking, {} users",
            self.model_version,
            self.train_s,
            self.held_out.users
        )?;
        let row = |name: &str, q: &Quality| {
            vec![name.to_owned(), format!("{:.3}", q.recall), format!("{:.3}", q.ndcg)]
        };
        let h = &self.held_out;
        let rows = [
            row("served blend", &h.blend),
            row("popularity alone", &h.popularity),
            row("item-item alone", &h.item_item),
            row("factors alone", &h.factors),
        ];
        out!("{}", table(&["", "recall@20", "NDCG@20"], &rows))?;
        out!("\n{}", profile_text(&self.profile))?;
        outln!("\nlist of {} ({})", self.user, shown(self.list.get("made_from")))?;
        out!("{}", list_table(&self.list))?;
        let base = &self.base;
        outln!("\nopen  {base}/docs                                   every endpoint, to try")?;
        outln!("      {base}/v1/users/{}/recommendations?explain=true", self.user)?;
        outln!("      {base}/v1/users/{}/profile", self.user)?;
        outln!("      {base}/v1/trending        {base}/metrics")?;
        outln!(
            "data  {}{}",
            self.data_dir,
            if self.kept { "" } else { ", gone when this ends; --data-dir keeps it" }
        )
    }
}

/// Most memory this process ever had, in MB; 0 where the system does not say.
pub fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib: f64 = line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0.0);
    kib * 1_024.0 / 1e6
}
