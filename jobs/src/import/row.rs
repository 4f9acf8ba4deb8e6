//! One row becomes one event, as the mapping says; the wire's own check has the last word.

use std::borrow::Cow;

use shoptide_schemas::wire::{self, WireEvent, WireTime};
use shoptide_schemas::{EventType, Micros, ShopEvent};

use super::columns::{Columns, Place, RowView};
use super::mapping::{Ids, Mapping};
use super::report::Bad;

/// What a good row is: an event, both as it travels and as checked.
#[derive(Debug)]
pub(crate) struct GoodRow {
    pub wire: WireEvent,
    pub checked: ShopEvent,
}

/// Rows of one file, seen through one mapping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub mapping: &'a Mapping,
    pub columns: &'a Columns,
}

impl Reader<'_> {
    /// The event of a row; `None` where the mapping ignores its type.
    pub(crate) fn read(&self, row: RowView<'_>, event_id: &str) -> Result<Option<GoodRow>, Bad> {
        let Some(named_type) = self.event_type(row)? else { return Ok(None) };
        let order_id = self.text(row, &self.columns.order_id);
        if self.begins(&order_id, &self.mapping.rules.adjustment_order_prefixes) {
            return Err(Bad::new("adjustment", "the order's prefix says that no goods moved"));
        }
        let (event_type, quantity) = self.quantity(row, named_type, &order_id)?;
        let (price, currency) = self.price(row, event_type)?;
        let with_order = matches!(event_type, EventType::Purchase | EventType::Refund);
        let counted = with_order || matches!(event_type, EventType::AddToCart | EventType::RemoveFromCart);
        let order_id = order_id.filter(|_| with_order).map(Cow::into_owned);
        let wire = WireEvent {
            event_id: Some(event_id.to_owned()),
            event_type: Some(event_type.name().to_owned()),
            user_id: Some(self.user(row)?),
            occurred_at: Some(WireTime::Ms(self.time(row)?)),
            historical: true,
            item_id: self.text(row, &self.columns.item).map(|t| id(&t, |ids| &ids.item, self.mapping)),
            quantity: quantity.filter(|_| counted),
            price,
            currency,
            session_id: self.text(row, &self.columns.session).map(Cow::into_owned),
            query: self
                .text(row, &self.columns.query)
                .filter(|_| event_type == EventType::Search)
                .map(Cow::into_owned),
            rating: if event_type == EventType::RateItem { self.rating(row)? } else { None },
            // A line of an order is known by its place in the file, so exact repeats stay two lines.
            order_line: order_id.is_some().then(|| event_id.to_owned()),
            order_id,
            ..WireEvent::default()
        };
        let checked = wire::check(wire.clone())
            .map_err(|reject| Bad::new(format!("{}:{}", reject.code, reject.field), reject.message))?;
        Ok(Some(GoodRow { wire, checked }))
    }

    /// The text of a column, unless it is one of those that mean "nothing here".
    pub(crate) fn text<'r>(&self, row: RowView<'r>, place: &Option<Place>) -> Option<Cow<'r, str>> {
        let text = row.get(place.as_ref()?)?;
        (!self.mapping.missing.iter().any(|m| *m == text)).then_some(text)
    }

    fn event_type(&self, row: RowView<'_>) -> Result<Option<EventType>, Bad> {
        let Some(name) = self.text(row, &self.columns.event_type) else {
            let missing = || Bad::new("missing:type", "the row names no event");
            return self.mapping.default_type.map(Some).ok_or_else(missing);
        };
        match self.mapping.types.get(name.as_ref()) {
            Some(meaning) => Ok(*meaning),
            None => Err(Bad::new("unknown_type", "the row's event is not among the mapping's types")),
        }
    }

    fn user(&self, row: RowView<'_>) -> Result<String, Bad> {
        if let Some(text) = self.text(row, &self.columns.user) {
            return Ok(id(&text, |ids| &ids.user, self.mapping));
        }
        match self.text(row, &self.columns.missing_user) {
            Some(text) => Ok(format!("{}{text}", self.mapping.rules.missing_user_prefix)),
            None => Err(Bad::new("missing:user_id", "the row names no user")),
        }
    }

    fn time(&self, row: RowView<'_>) -> Result<i64, Bad> {
        let Some(text) = self.text(row, &self.columns.time) else {
            return Err(Bad::new("missing:occurred_at", "the row has no time"));
        };
        self.mapping
            .time
            .read(&text)
            .ok_or_else(|| Bad::new("bad_time", "the row's time is not what time.unit says"))
    }

    /// Pieces, and a refund where a rule says that the purchase is one.
    fn quantity(
        &self,
        row: RowView<'_>,
        event_type: EventType,
        order_id: &Option<Cow<'_, str>>,
    ) -> Result<(EventType, Option<i64>), Bad> {
        let given = match self.text(row, &self.columns.quantity) {
            Some(text) => Some(
                whole(&text).ok_or_else(|| Bad::new("bad_quantity", "the quantity is no whole number"))?,
            ),
            None => self.mapping.default_quantity,
        };
        let rules = &self.mapping.rules;
        let negative = rules.negative_quantity_is_refund && given.is_some_and(|q| q < 0);
        let refund = event_type == EventType::Purchase
            && (negative || self.begins(order_id, &rules.refund_order_prefixes));
        if refund {
            return Ok((EventType::Refund, given.map(|q| q.saturating_abs())));
        }
        Ok((event_type, given))
    }

    fn price(
        &self,
        row: RowView<'_>,
        event_type: EventType,
    ) -> Result<(Option<String>, Option<String>), Bad> {
        let paid = matches!(event_type, EventType::Purchase | EventType::Refund);
        let price = self
            .text(row, &self.columns.price)
            .map(Cow::into_owned)
            .or_else(|| self.mapping.default_price.clone());
        let Some(price) = price.filter(|_| paid) else { return Ok((None, None)) };
        if price.starts_with('-') {
            let adjusts = self.mapping.rules.negative_price_is_adjustment;
            let reason = if adjusts { "adjustment" } else { "negative_price" };
            return Err(Bad::new(reason, "the price is negative"));
        }
        Ok((Some(price), self.currency(row)))
    }

    pub(crate) fn currency(&self, row: RowView<'_>) -> Option<String> {
        let given = self.text(row, &self.columns.currency).map(Cow::into_owned);
        given.or_else(|| self.mapping.default_currency.clone())
    }

    /// Scaled to 0..5, to the nearest hundredth.
    fn rating(&self, row: RowView<'_>) -> Result<Option<f64>, Bad> {
        let given = match self.text(row, &self.columns.rating) {
            Some(text) => text.parse::<f64>().ok().filter(|r| r.is_finite()),
            None => self.mapping.default_rating,
        };
        let rating = given.ok_or_else(|| Bad::new("bad_rating", "the rating is missing or no number"))?;
        if !(0.0..=self.mapping.rating_max).contains(&rating) {
            let message = format!("the rating is outside 0 to {}", self.mapping.rating_max);
            return Err(Bad::new("bad_rating", message));
        }
        Ok(Some((rating * 500.0 / self.mapping.rating_max).round() / 100.0))
    }

    /// Quantity times price as the row has them, in micro-units: exact, with its sign. None where either is no number, or a price
    /// would say nothing.
    pub(crate) fn amount(&self, row: RowView<'_>) -> Option<i128> {
        let event_type = self.event_type(row).ok().flatten()?;
        if !matches!(event_type, EventType::Purchase | EventType::Refund) {
            return None;
        }
        let price = self
            .text(row, &self.columns.price)
            .map(Cow::into_owned)
            .or_else(|| self.mapping.default_price.clone())?;
        let (negative, digits) = price.strip_prefix('-').map_or((false, price.as_str()), |rest| (true, rest));
        let price = i128::from(Micros::parse(digits, "price").ok()?.0);
        let quantity = match self.text(row, &self.columns.quantity) {
            Some(text) => whole(&text)?,
            None => self.mapping.default_quantity.unwrap_or(1),
        };
        // A refund's pieces may be written with or without their sign.
        let quantity = match event_type {
            EventType::Refund => -i128::from(quantity.unsigned_abs()),
            _ => i128::from(quantity),
        };
        Some(if negative { -price * quantity } else { price * quantity })
    }

    fn begins(&self, order_id: &Option<Cow<'_, str>>, prefixes: &[String]) -> bool {
        order_id.as_ref().is_some_and(|order| prefixes.iter().any(|p| order.starts_with(p.as_str())))
    }
}

/// An id as the mapping wants it: without its suffix, behind its prefix.
fn id(text: &str, of: impl Fn(&Ids) -> &String, mapping: &Mapping) -> String {
    let (prefix, suffix) = (of(&mapping.prefix), of(&mapping.strip_suffix));
    let stem = text.strip_suffix(suffix.as_str()).filter(|stem| !stem.is_empty()).unwrap_or(text);
    format!("{prefix}{stem}")
}

/// A whole number, also as `6.0`, which is how some tools export it.
fn whole(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    fraction.bytes().all(|b| b == b'0').then(|| whole.parse().ok())?
}
