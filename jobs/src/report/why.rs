//! Why one user sees what he sees: what is known of him, his list with its reasons, and what lists have led him to.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use shoptide_models::list::PARTS;
use shoptide_models::report::{Credit, NO_NUMBER, Shelf, Tag, attribute, decimal};
use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::{EventMs, Feedback, UserId};

use super::gather::collect;
use super::html::Html;
use super::{File, Folder, Reading, ReportContext, ReportError};

/// Rows of each kind that a page has, the newest: one user's story, not an archive.
const ROWS_MAX: usize = 200;

/// A display, click, or purchase of the user's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    pub at: String,
    pub what: &'static str,
    pub item_id: String,
    pub title: String,
    /// Of the list: its kind, who put the item there, and the model; `unknown` where its name does not say.
    pub list: &'static str,
    pub source: &'static str,
    pub model: Option<u64>,
    /// What came of it, or what it is credited to.
    pub then: String,
}

/// All that a page about one user says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    pub user_id: String,
    pub segment: Option<String>,
    /// As `GET /v1/users/{id}/profile` answers; null if nothing is known.
    pub profile: Value,
    /// As `GET /v1/users/{id}/recommendations?explain=true` answers, with the `parts` of each place's score.
    pub list: Value,
    pub reading: Reading,
    /// The newest first.
    pub moments: Vec<Moment>,
}

/// Reads one user's events and says what belongs to what. `profile`, `list`: what the API says of him now.
///
/// # Errors
/// [`ReportError`].
pub async fn why(
    context: &ReportContext,
    user: &UserId,
    profile: Value,
    list: Value,
) -> Result<Why, ReportError> {
    let folder = context.out.as_deref().map(Folder::begin).transpose()?;
    let shelf = Arc::new(Shelf::of(context.catalogue.clone()));
    let mut reading = Reading { source: context.events.name(), ..Reading::default() };
    let (mut acts, mut erased) = (Vec::new(), false);
    let mine = |id: &[u8]| id == user.as_bytes();
    for group in context.events.groups(context.rules.reads()).await? {
        if context.events.holds(&group, user) {
            let users = collect(context, &group, &shelf, &mine, &mut reading).await?;
            for (_, kept) in users {
                erased |= kept.erased;
                acts.extend(kept.acts);
            }
        }
    }
    if erased {
        acts.clear();
        reading.erased_users = 1;
    }
    let journey = attribute(&mut acts, &context.rules);
    let segment = match &context.segments {
        Some(segments) => segments.of(std::slice::from_ref(user)).await?.pop().flatten(),
        None => None,
    };
    let period = context.rules.period();
    let mut moments = Vec::new();
    let mut tell = |at: i64, what: &'static str, number: u32, tag: Tag, then: String| {
        if period.has(at) {
            moments.push((at, named(&shelf, at, what, number, tag, then)));
        }
    };
    for shown in &journey.shown {
        tell(
            shown.at,
            "shown",
            shown.number,
            shown.tag,
            if shown.clicked { "clicked".to_owned() } else { String::new() },
        );
    }
    let clicks = context.rules.credit() == Credit::LastClick;
    for touch in journey.touches.iter().filter(|_| clicks) {
        let mut then = Vec::new();
        if !touch.seen {
            then.push("no display of it is known".to_owned());
        }
        if 0 < touch.carts {
            then.push("put into the cart".to_owned());
        }
        if 0 < touch.lines {
            then.push(if 0 < touch.kept { "bought" } else { "bought and given back" }.to_owned());
        }
        tell(touch.at, "clicked", touch.number, touch.tag, then.join(", "));
    }
    for said in &journey.opinions {
        let word = Feedback::ALL.get(usize::from(said.feedback)).map_or("", |feedback| feedback.name());
        tell(said.at, "said", said.number, said.tag, word.to_owned());
    }
    for sold in &journey.sold {
        let touch = sold.touch.and_then(|place| journey.touches.get(place));
        let price = sold.paid.map_or(String::new(), |(micros, currency)| {
            format!(" at {} {currency}", decimal(i128::from(micros)))
        });
        let back = match sold.returned {
            0 => String::new(),
            n => format!(", {n} given back"),
        };
        let credited = match touch {
            Some(touch) => format!(", credited to {}", EventMs(touch.at).to_rfc3339()),
            None => ", no list has a part in it".to_owned(),
        };
        let tag = touch.map_or(Tag::NONE, |touch| touch.tag);
        tell(sold.at, "bought", sold.number, tag, format!("{} pieces{price}{back}{credited}", sold.quantity));
    }
    moments.sort_by_key(|moment| std::cmp::Reverse(moment.0));
    moments.truncate(ROWS_MAX);
    let moments = moments.into_iter().map(|(_, moment)| moment).collect();
    let why = Why { user_id: user.to_string(), segment, profile, list, reading, moments };
    if let Some(folder) = folder {
        let json = serde_json::to_vec_pretty(&why).map_err(ReportError::text)?;
        folder.publish(&[
            File::new("index.html", page(&why, context.rules.window_ms()).into_bytes()),
            super::rows::moments(&why)?,
            File::new("report.json", json),
        ])?;
    }
    Ok(why)
}

fn named(shelf: &Shelf, at: i64, what: &'static str, number: u32, tag: Tag, then: String) -> Moment {
    let row = if number == NO_NUMBER { None } else { shelf.catalogue().row(number) };
    let (item_id, title) = row.map_or(("not in the catalogue".to_owned(), String::new()), |(id, item)| {
        (id.to_string(), item.title.clone())
    });
    let (list, source, model) = (tag.list(), tag.source(), tag.model);
    Moment { at: EventMs(at).to_rfc3339(), what, item_id, title, list, source, model, then }
}

/// The page.
pub fn page(why: &Why, window_ms: i64) -> String {
    let mut html = Html::new(&format!("Why {} sees this list", why.user_id));
    let text = |value: &Value, key: &str| shown(value.get(key));
    if let Some(segment) = &why.segment {
        html.text(&format!("Segment: {segment}"));
    }
    html.heading("His list now");
    html.note(&format!(
        "List {}, {}, model {}.",
        text(&why.list, "list_id"),
        text(&why.list, "made_from"),
        text(&why.list, "model_version"),
    ));
    let places = rows(&why.list, "items").map(|place| {
        let reason = place.get("reason").map(|reason| text(reason, "text")).unwrap_or_default();
        let parts = place.get("parts").unwrap_or(&Value::Null);
        let own = ["rank", "item_id", "title", "price", "source", "score"].map(|key| text(place, key));
        own.into_iter().chain(PARTS.map(|part| text(parts, part))).chain([reason]).collect()
    });
    let own = ["#", "item", "title", "price", "source", "score"];
    let headings = [&own[..], &PARTS, &["why"]].concat();
    html.table(&headings, headings.len(), &places.collect::<Vec<_>>());
    html.note("The score is that of the stored list; behind it, what each source says of the item now, by its weight.");
    html.heading("What is known of him");
    if why.profile.is_null() {
        html.text("Nothing is known of this user.");
    }
    for (section, columns) in [
        ("tastes", &["item_id", "title", "strength", "hidden"][..]),
        ("categories", &["name", "strength"]),
        ("brands", &["name", "strength"]),
        ("spending", &["month", "amount", "currency"]),
        ("recent", &["at", "act", "item_id", "title"]),
        ("queries", &["at", "text"]),
    ] {
        let cells: Vec<Vec<String>> = rows(&why.profile, section)
            .map(|row| columns.iter().map(|column| text(row, column)).collect())
            .collect();
        if !cells.is_empty() {
            html.note(section);
            html.table(columns, columns.len(), &cells);
        }
    }
    html.heading("What lists have led to");
    html.note(&format!(
        "{} events from the {}; a click belongs to a display, and a purchase to a click, within {} days. The newest {ROWS_MAX} rows.",
        why.reading.events,
        why.reading.source,
        window_ms as f64 / DAY_MS as f64,
    ));
    let headings = ["at", "what", "item", "title", "list", "source", "model", "then"];
    let cells: Vec<Vec<String>> = why.moments.iter().map(cells).collect();
    html.table(&headings, headings.len(), &cells);
    html.finish()
}

pub(super) fn cells(m: &Moment) -> Vec<String> {
    let model = m.model.map_or(String::new(), |model| model.to_string());
    let texts = [&m.at, m.what, &m.item_id, &m.title, m.list, m.source, &model, &m.then];
    texts.map(str::to_owned).to_vec()
}

fn rows<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(n)) if n.is_f64() => format!("{:.4}", n.as_f64().unwrap_or(0.0)),
        Some(other) => other.to_string(),
    }
}
