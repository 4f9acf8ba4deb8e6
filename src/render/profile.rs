//! A profile for people: who, when, how much, then what the user likes, spends and does, in that order.

use serde_json::Value;

use super::{shown, table, visible};

/// A list of the profile: its field, and which fields of a row are shown under which heading.
type Section = (&'static str, &'static [(&'static str, &'static str)]);

const SECTIONS: [Section; 6] = [
    ("tastes", &[("item_id", "item"), ("strength", "strength"), ("hidden", "hidden"), ("title", "title")]),
    ("categories", &[("name", "category"), ("strength", "strength")]),
    ("brands", &[("name", "brand"), ("strength", "strength")]),
    ("spending", &[("month", "month"), ("amount", "amount"), ("currency", "currency")]),
    ("recent", &[("at", "at"), ("act", "act"), ("item_id", "item"), ("title", "title")]),
    ("queries", &[("at", "at"), ("text", "text")]),
];
/// Shown above the sections.
const HEAD: [&str; 5] = ["user_id", "forwarded_to", "last_event_at", "segment", "counts"];

/// The whole page. A field that is not known here is shown at the end as it is.
pub fn profile_text(profile: &Value) -> String {
    let Some(fields) = profile.as_object() else { return format!("{}\n", shown(Some(profile))) };
    let text = |name: &str| visible(&shown(fields.get(name)));
    let mut page = format!("user        {}\n", text("user_id"));
    if fields.contains_key("forwarded_to") {
        page += &format!("known as    {}; the rest is that user's\n", text("forwarded_to"));
    }
    page += &format!("last event  {}\n", text("last_event_at"));
    if let Some(name) = fields.get("segment").and_then(|segment| segment.get("name")) {
        page += &format!("segment     {}\n", visible(&shown(Some(name))));
    }
    let counts = fields.get("counts").and_then(Value::as_object).into_iter().flatten();
    let mut counts: Vec<(&String, u64)> = counts.map(|(name, n)| (name, n.as_u64().unwrap_or(0))).collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    if !counts.is_empty() {
        let counts: Vec<String> = counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
        page += &format!("did         {}\n", counts.join(", "));
    }
    for (name, columns) in SECTIONS {
        let rows = fields.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if rows.is_empty() {
            continue;
        }
        let cells = rows.iter().map(|row| columns.iter().map(|(field, _)| cell(row.get(field))).collect());
        let headings: Vec<&str> = columns.iter().map(|(_, heading)| *heading).collect();
        page += &format!("\n{name}\n{}", table(&headings, &cells.collect::<Vec<Vec<String>>>()));
    }
    let known = |name: &str| HEAD.contains(&name) || SECTIONS.iter().any(|(section, _)| *section == name);
    for (name, value) in fields.iter().filter(|(name, _)| !known(name)) {
        page += &format!("\n{name}: {}\n", visible(&shown(Some(value))));
    }
    page
}

fn cell(value: Option<&Value>) -> String {
    match value {
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        other => shown(other),
    }
}
