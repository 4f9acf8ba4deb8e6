//! The tables beside the page, as CSV: one row a group, a day, an item, a category, a group of members.

use shoptide_models::report::{Money, Rate};

use super::write::File;
use super::{Report, ReportError};

/// All tables of a report.
///
/// # Errors
/// [`ReportError::Text`], which no data causes.
pub fn tables(report: &Report) -> Result<Vec<File>, ReportError> {
    let groups = report.groups.iter().map(|row| {
        let mut cells = vec![row.dimension.as_str().to_owned(), text(&row.group)];
        cells.extend(rate(&row.click_through));
        cells.extend(rate(&row.add_to_cart));
        cells.push(row.unseen.to_string());
        cells.extend(rate(&row.conversion));
        cells.extend([row.lines, row.pieces, row.returned].map(|n| n.to_string()));
        cells.extend([money(&row.value), money(&row.value_returned)]);
        cells.extend([row.like, row.dislike, row.not_interested, row.bought].map(|n| n.to_string()));
        cells.extend(rate(&row.satisfaction));
        cells
    });
    let days = report.days.iter().map(|row| {
        let counts = [row.shown, row.clicked, row.clicks, row.converted].map(|n| n.to_string());
        std::iter::once(row.day.clone()).chain(counts).collect()
    });
    let items = report.items.iter().map(|row| {
        let counts = [row.shown, row.clicked, row.bought].map(|n| n.to_string());
        [text(&row.item_id), text(&row.title)].into_iter().chain(counts).collect()
    });
    let categories = report.categories.iter().map(|row| {
        let counts = [row.items, row.shown, row.clicked, row.bought].map(|n| n.to_string());
        let shares = [row.items_share, row.shown_share, row.bought_share].map(|x| x.to_string());
        let lift = row.lift.map_or(String::new(), |x| x.to_string());
        let named = std::iter::once(text(&row.category)).chain(counts).chain(shares);
        named.chain(std::iter::once(lift)).collect()
    });
    let members = report.members.groups.iter().map(|row| {
        vec![
            row.name.to_owned(),
            row.members.to_string(),
            row.share.to_string(),
            row.days_since_last.to_string(),
            row.orders.to_string(),
            row.value.clone(),
            row.value_share.to_string(),
        ]
    });
    const GROUPS: [&str; 27] = [
        "dimension",
        "group",
        "clicked",
        "shown",
        "click_through",
        "click_through_low",
        "click_through_high",
        "carted",
        "clicks",
        "add_to_cart",
        "add_to_cart_low",
        "add_to_cart_high",
        "clicks_unseen",
        "converted",
        "conversion_of",
        "conversion",
        "conversion_low",
        "conversion_high",
        "lines",
        "pieces",
        "returned",
        "value",
        "value_returned",
        "like",
        "dislike",
        "not_interested",
        "bought",
    ];
    const SATISFACTION: [&str; 5] =
        ["satisfied", "opinions", "satisfaction", "satisfaction_low", "satisfaction_high"];
    Ok(vec![
        file("groups.csv", &[&GROUPS[..], &SATISFACTION].concat(), groups)?,
        file("days.csv", &["day", "shown", "clicked", "clicks", "converted"], days)?,
        file("items.csv", &["item_id", "title", "shown", "clicked", "lines_bought"], items)?,
        file(
            "categories.csv",
            &[
                "category",
                "items",
                "shown",
                "clicked",
                "lines_bought",
                "items_share",
                "shown_share",
                "bought_share",
                "lift",
            ],
            categories,
        )?,
        file(
            "members.csv",
            &["group", "members", "share", "days_since_last", "orders", "value", "value_share"],
            members,
        )?,
    ])
}

/// What lists led one user to.
pub(super) fn moments(why: &super::Why) -> Result<File, ReportError> {
    let rows =
        why.moments.iter().map(|moment| super::why::cells(moment).iter().map(|cell| text(cell)).collect());
    file("moments.csv", &["at", "what", "item_id", "title", "list", "source", "model", "then"], rows)
}

fn file(
    name: &'static str,
    headings: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<File, ReportError> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(headings).map_err(ReportError::text)?;
    for row in rows {
        out.write_record(row).map_err(ReportError::text)?;
    }
    out.into_inner().map(|bytes| File::new(name, bytes)).map_err(ReportError::text)
}

/// Names come from outside, and a spreadsheet takes what begins like this for a formula.
pub(super) fn text(name: &str) -> String {
    if name.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{name}") } else { name.to_owned() }
}

fn rate(rate: &Rate) -> [String; 5] {
    let share = |x: Option<f64>| x.map_or(String::new(), |x| x.to_string());
    [rate.n.to_string(), rate.of.to_string(), share(rate.rate), share(rate.low), share(rate.high)]
}

/// `12.50 GBP; 3.00 EUR`.
pub(super) fn money(money: &Money) -> String {
    let one = |(currency, micros): (&shoptide_schemas::Currency, &i128)| {
        format!("{} {currency}", shoptide_models::report::decimal(*micros))
    };
    money.0.iter().map(one).collect::<Vec<_>>().join("; ")
}
