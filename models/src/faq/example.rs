//! The example that ships with the generated shop.

use shoptide_schemas::{FaqEntry, Reject};

static LINES: &str = include_str!("../../data/faq/example.jsonl");

/// 40 entries of a shop that does not exist, in both languages: delivery, returns, invoice, warranty, payment, membership.
///
/// # Errors
/// None, says a test.
pub fn example() -> Result<Vec<FaqEntry>, Reject> {
    LINES.lines().map(|line| FaqEntry::parse(line.as_bytes())).collect()
}
