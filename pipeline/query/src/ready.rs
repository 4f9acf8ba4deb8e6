//! Questions that shops ask, ready to be asked: the files of `jobs/sql`.

/// A ready question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    pub name: &'static str,
    pub sql: &'static str,
}

macro_rules! ready {
    ($($name:literal),* $(,)?) => {
        /// All of them, by name.
        pub const READY: &[Ready] =
            &[$(Ready { name: $name, sql: include_str!(concat!("../../../jobs/sql/", $name, ".sql")) },)*];
    };
}

ready!("basket_pairs", "dead_letters_by_reason", "funnel", "retention", "top_movers");

impl Ready {
    pub fn named(name: &str) -> Option<Ready> {
        READY.iter().copied().find(|ready| ready.name == name)
    }

    /// What it tells: the comment at its beginning.
    pub fn meaning(&self) -> String {
        let lines = self.sql.lines().map_while(|line| line.strip_prefix("--"));
        lines.map(str::trim).collect::<Vec<_>>().join(" ")
    }
}
