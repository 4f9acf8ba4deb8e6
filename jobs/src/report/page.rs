//! The page of a report: what the lists earn, from the whole to its parts.

use shoptide_models::report::{Dimension, Rate};

use super::html::{Html, plain};
use super::rows::money;
use super::{GroupRow, Report, ReportError};
use crate::plot::{Mark, Panel, PlotError, Series, draw};

/// Groups that a picture compares.
const BARS_MAX: usize = 8;
/// Rows of a table on the page; the file beside it has all of them, and the page says how many more.
const ROWS_MAX: usize = 50;
const ITEMS_MAX: usize = 20;
const DAY_MS: i64 = shoptide_schemas::time::DAY_MS;

/// The whole page, in one text.
///
/// # Errors
/// [`ReportError::Text`] if a drawing fails; there is no data that should make it.
pub fn page(report: &Report) -> Result<String, ReportError> {
    let mut html = Html::new("What the lists earn");
    html.text(&period(report));
    let reading = &report.reading;
    html.note(&format!(
        "{} events of the period and of a window before and behind it, from the {}. In the period {} users did something, and {} repeats \
         count once. Left out: {} told again by the stream, {} too late, {} beyond one user's share, and all of {} erased users. A rate's interval is Wilson's, 95 %.",
        reading.events,
        reading.source,
        report.totals.users,
        report.totals.repeats,
        reading.copies,
        reading.late,
        reading.beyond,
        reading.erased_users,
    ));
    let totals = &report.totals;
    html.text(&format!(
        "{} lines of orders for {}, {} refunds for {}: {} net. A list has a part in {} of the lines and in {} of {} additions to a cart.",
        totals.lines,
        none_if_empty(money(&totals.bought)),
        totals.refunds,
        none_if_empty(money(&totals.refunded)),
        none_if_empty(money(&totals.net)),
        totals.lines_credited,
        totals.carts_credited,
        totals.carts,
    ));
    if 0 < totals.whole_lists.of {
        html.text(&format!(
            "{} displays name a list and no item of it; {} of them were clicked.",
            totals.whole_lists.of, totals.whole_lists.n
        ));
    }
    html.picture(&pictures(report).map_err(ReportError::text)?);
    for (dimension, heading) in [
        (Dimension::Total, "All lists"),
        (Dimension::List, "By kind of list"),
        (Dimension::Source, "By source of the place"),
        (Dimension::Segment, "By segment of the user"),
        (Dimension::Category, "By category of the item"),
        (Dimension::Model, "By version of the model"),
    ] {
        html.heading(heading);
        let rows: Vec<&GroupRow> = report.of_dimension(dimension).collect();
        funnel(&mut html, rows.get(..ROWS_MAX).unwrap_or(&rows));
        more(&mut html, rows.len(), ROWS_MAX, "", "groups.csv");
    }
    html.heading("Satisfaction");
    html.note("What users say of items of lists, their last word each; satisfied are likes and purchases they told of.");
    satisfaction(&mut html, report);
    exposure(&mut html, report);
    members(&mut html, report);
    Ok(html.finish())
}

fn period(report: &Report) -> String {
    let from = report.from.as_deref().unwrap_or("the first event");
    let to = report.to.as_deref().unwrap_or("the last");
    let window = match report.window_ms {
        ms if ms % DAY_MS == 0 => format!("{} days", ms / DAY_MS),
        ms => format!("{} minutes", ms / 60_000),
    };
    let credit = match report.credit {
        "shown" => "the last time that it was shown",
        _ => "the last click on it",
    };
    format!(
        "From {from} to {to}. A click belongs to a display within {window}; an item that is put into a cart or bought, to {credit} within as much."
    )
}

fn funnel(html: &mut Html, rows: &[&GroupRow]) {
    let row = |row: &&GroupRow| {
        vec![
            row.group.clone(),
            row.click_through.of.to_string(),
            row.click_through.n.to_string(),
            share(&row.click_through),
            row.conversion.of.to_string(),
            row.unseen.to_string(),
            row.add_to_cart.n.to_string(),
            share(&row.add_to_cart),
            row.conversion.n.to_string(),
            share(&row.conversion),
            money(&row.value),
            money(&row.value_returned),
        ]
    };
    let headings = [
        "group",
        "shown",
        "clicked",
        "click-through",
        "clicks",
        "of no display",
        "into a cart",
        "add-to-cart",
        "bought",
        "conversion",
        "value",
        "came back",
    ];
    html.table(&headings, 1, &rows.iter().map(row).collect::<Vec<_>>());
}

/// Every kind has its share of the table: categories by the hundred leave room for sources.
fn satisfaction(html: &mut Html, report: &Report) {
    let kinds = Dimension::ALL.map(|dimension| {
        (dimension, report.of_dimension(dimension).filter(|row| 0 < row.satisfaction.of).collect::<Vec<_>>())
    });
    let rows = kinds.iter().flat_map(|(_, rows)| rows.iter().take(ROWS_MAX)).map(|row| {
        let mut cells = vec![row.dimension.as_str().to_owned(), row.group.clone()];
        cells.extend([row.like, row.bought, row.dislike, row.not_interested].map(|n| n.to_string()));
        cells.push(share(&row.satisfaction));
        cells
    });
    let headings = ["by", "group", "like", "bought", "dislike", "not interested", "satisfied"];
    html.table(&headings, 2, &rows.collect::<Vec<_>>());
    for (dimension, rows) in &kinds {
        more(html, rows.len(), ROWS_MAX, &format!(" by {}", dimension.as_str()), "groups.csv");
    }
}

/// What a table of the page leaves to the file beside it.
fn more(html: &mut Html, rows: usize, max: usize, of: &str, file: &str) {
    if max < rows {
        html.note(&format!("{} more rows{of} in {file}.", rows - max));
    }
}

fn exposure(html: &mut Html, report: &Report) {
    let e = &report.exposure;
    html.heading("Who is shown");
    html.text(&format!(
        "{} of {} items were shown at least once ({}). Gini {:.3}; the most shown hundredth has {} of the displays, the most shown \
         tenth {}. {} displays were of items that the catalogue does not have.",
        (e.coverage * e.items as f64).round(),
        e.items,
        percent(e.coverage),
        e.gini,
        percent(e.top_1_percent),
        percent(e.top_10_percent),
        e.unlisted,
    ));
    let rows = report.categories.iter().take(ROWS_MAX).map(|row| {
        let mut cells = vec![row.category.clone()];
        cells.extend([row.items, row.shown, row.clicked, row.bought].map(|n| n.to_string()));
        cells.extend([row.items_share, row.shown_share, row.bought_share].map(percent));
        cells.push(row.lift.map_or(String::new(), |lift| format!("{lift:.2}")));
        cells
    });
    let headings = [
        "category",
        "items",
        "shown",
        "clicked",
        "lines bought",
        "share of items",
        "of displays",
        "of lines bought",
        "displays over lines",
    ];
    html.table(&headings, 1, &rows.collect::<Vec<_>>());
    more(html, report.categories.len(), ROWS_MAX, "", "categories.csv");
    html.heading("Most shown");
    let rows = report.items.iter().take(ITEMS_MAX).map(|row| {
        let counts = [row.shown, row.clicked, row.bought].map(|n| n.to_string());
        [row.item_id.clone(), row.title.clone()].into_iter().chain(counts).collect()
    });
    html.table(&["item", "title", "shown", "clicked", "lines bought"], 2, &rows.collect::<Vec<_>>());
    more(html, report.items.len(), ITEMS_MAX, "", "items.csv");
}

fn members(html: &mut Html, report: &Report) {
    let m = &report.members;
    html.heading("Members");
    let other = match m.other_currencies {
        0 => String::new(),
        n => format!(" {n} pay in other currencies and are not among them."),
    };
    let sampled = if m.sampled < 1.0 && 0 < m.members {
        format!(" The groups rest on {} of them.", percent(m.sampled))
    } else {
        String::new()
    };
    html.text(&format!(
        "{} users bought something. Fifths of recency, frequency and value (in {}) among them.{sampled}{other}",
        m.members,
        m.currency.as_deref().unwrap_or("no currency"),
    ));
    let rows = m.groups.iter().map(|row| {
        vec![
            row.name.to_owned(),
            row.members.to_string(),
            percent(row.share),
            format!("{:.1}", row.days_since_last),
            format!("{:.2}", row.orders),
            row.value.clone(),
            percent(row.value_share),
        ]
    });
    let headings = ["group", "members", "share", "days since the last", "orders", "value", "of the value"];
    html.table(&headings, 1, &rows.collect::<Vec<_>>());
    let row = |(place, row): (usize, &[u64; 5])| {
        std::iter::once(format!("recency {}", 5 - place)).chain(row.map(|n| n.to_string())).collect()
    };
    if 0 < m.members {
        let headings = ["", "frequency and value 1", "2", "3", "4", "5"];
        html.table(&headings, 1, &m.grid.iter().enumerate().map(row).collect::<Vec<_>>());
    }
}

fn pictures(report: &Report) -> Result<String, PlotError> {
    let mut panels = Vec::new();
    let rate = |n: u64, of: u64| (0 < of).then(|| n as f64 / of as f64);
    let of_days = |name: &str, colour: usize, of: &dyn Fn(&super::body::DayRow) -> Option<f64>| Series {
        name: name.to_owned(),
        colour,
        mark: Mark::Line,
        points: (1..).zip(&report.days).filter_map(|(n, day)| Some((f64::from(n), of(day)?))).collect(),
    };
    if !report.days.is_empty() {
        panels.push(Panel {
            title: "Click-through and conversion by day".to_owned(),
            x: format!("days with displays or clicks, from {}", report.days.first().map_or("", |d| &d.day)),
            y: "share".to_owned(),
            wide: true,
            series: vec![
                of_days("click-through", 0, &|day| rate(day.clicked, day.shown)),
                of_days("conversion of clicks", 1, &|day| rate(day.converted, day.clicks)),
            ],
        });
    }
    let bars = |title: &str, values: Vec<(String, f64)>| Panel {
        title: title.to_owned(),
        x: "share".to_owned(),
        y: String::new(),
        wide: false,
        series: values
            .into_iter()
            .take(BARS_MAX)
            .enumerate()
            .map(|(at, (name, value))| Series {
                name: plain(&name),
                colour: at,
                mark: Mark::Bar,
                points: vec![(value, -(at as f64))],
            })
            .collect(),
    };
    let of = |dimension, of: fn(&GroupRow) -> &Rate| -> Vec<(String, f64)> {
        report.of_dimension(dimension).filter_map(|row| Some((row.group.clone(), of(row).rate?))).collect()
    };
    let members = report.members.groups.iter().map(|g| (g.name.to_owned(), g.share)).collect();
    let categories = report.categories.iter().map(|c| (c.category.clone(), c.shown_share)).collect();
    let all = [
        ("Click-through by source", of(Dimension::Source, |row| &row.click_through)),
        ("Conversion by source", of(Dimension::Source, |row| &row.conversion)),
        ("Click-through by model", of(Dimension::Model, |row| &row.click_through)),
        ("Click-through by category", of(Dimension::Category, |row| &row.click_through)),
        ("Displays by category", categories),
        ("Members", members),
    ];
    panels
        .extend(all.into_iter().filter(|(_, values)| !values.is_empty()).map(|(t, values)| bars(t, values)));
    draw("", &panels)
}

fn share(rate: &Rate) -> String {
    match (rate.rate, rate.low, rate.high) {
        (Some(rate), Some(low), Some(high)) => {
            format!("{} ({} to {})", percent(rate), percent(low), percent(high))
        }
        _ => String::new(),
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn none_if_empty(text: String) -> String {
    if text.is_empty() { "nothing".to_owned() } else { text }
}
