//! Progress: bars on a terminal, plain lines elsewhere, always on standard error.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// One step on its way.
pub struct Bar {
    bar: Option<ProgressBar>,
    name: &'static str,
    began: std::time::Instant,
    quiet: bool,
}

impl Bar {
    pub fn new(name: &'static str, total: u64, quiet: bool) -> Self {
        let style = "{prefix:>12} [{bar:30}] {human_pos}/{human_len} {per_sec} {elapsed}";
        Self::with(
            name,
            (!quiet && std::io::stderr().is_terminal()).then(|| ProgressBar::new(total)),
            style,
            quiet,
        )
    }

    /// Without a known end.
    pub fn spinner(name: &'static str, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(ProgressBar::new_spinner);
        Self::with(name, bar, "{prefix:>12} {spinner} {human_pos} {per_sec} {elapsed}", quiet)
    }

    fn with(name: &'static str, bar: Option<ProgressBar>, style: &str, quiet: bool) -> Self {
        if let Some(bar) = &bar {
            bar.set_prefix(name);
            bar.enable_steady_tick(Duration::from_millis(100));
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
        }
        Self { bar, name, began: std::time::Instant::now(), quiet }
    }

    pub fn set(&self, position: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
        }
    }

    pub fn finish(self) {
        match &self.bar {
            Some(bar) => bar.finish(),
            None if self.quiet => {}
            None => eprintln!("{}: done in {:.1} s", self.name, self.began.elapsed().as_secs_f64()),
        }
    }
}
