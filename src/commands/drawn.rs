//! How far a job by hand is, drawn on a terminal.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use shoptide_jobs::schedule::Progress;
use tokio::task::JoinHandle;

/// Between two looks at how far a job is.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// A bar on a terminal, nothing elsewhere: a log wants the end, not the way.
pub struct Drawn(JoinHandle<()>);

impl Drawn {
    /// The bar, and what a job tells it. `quiet`: none.
    pub fn start(name: &str, quiet: bool) -> (Progress, Self) {
        let progress = Progress::default();
        let drawn = tokio::spawn(draw(name.to_owned(), progress.clone(), quiet));
        (progress, Self(drawn))
    }

    /// Takes the bar away, so that what is printed next stands alone.
    pub async fn end(self) {
        self.0.abort();
        // It takes its bar away when it is dropped.
        let _ = self.0.await;
    }
}

async fn draw(name: String, progress: Progress, quiet: bool) {
    if quiet || !std::io::stderr().is_terminal() {
        return;
    }
    let bar = Shown(ProgressBar::new_spinner());
    bar.0.set_prefix(name);
    let style =
        |text: &str| ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar());
    let known = style("{prefix:>12} [{bar:30}] {human_pos}/{human_len} {per_sec} {elapsed} {msg}");
    let unknown = style("{prefix:>12} {spinner} {elapsed} {msg}");
    let mut of_known = None;
    loop {
        let look = progress.look();
        if of_known != Some(look.total != 0) {
            of_known = Some(look.total != 0);
            bar.0.set_style(if look.total == 0 { unknown.clone() } else { known.clone() });
        }
        bar.0.set_length(look.total);
        bar.0.set_position(look.done);
        bar.0.set_message(look.phase);
        bar.0.tick();
        tokio::time::sleep(DRAW_EVERY).await;
    }
}

/// Leaves no half bar behind.
struct Shown(ProgressBar);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
