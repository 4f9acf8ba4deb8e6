//! Who the members are: how lately, how often and for how much they bought, in fifths of all who bought.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use shoptide_schemas::Currency;
use shoptide_schemas::time::DAY_MS;
use xxhash_rust::xxh3::xxh3_64;

use super::attribute::{Journey, Period};
use super::tally::{Money, decimal};

/// Members held at once: some 40 bytes each. Beyond it only every second one by the hash of his id is kept, and again; the
/// report says what share it rests on.
const MEMBERS_MAX: usize = 4_000_000;

/// Somebody who bought.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Member {
    last: i64,
    orders: u32,
    /// In the currency that most of his lines were paid in.
    currency: Option<Currency>,
    /// Bought less refunded, in the period.
    value: i64,
}

/// Gathers members in bounded memory.
#[derive(Debug)]
pub struct Members {
    kept: Vec<(u64, Member)>,
    max: usize,
    /// A member is kept if so many low bits of his hash are 0.
    bits: u32,
    all: u64,
}

impl Default for Members {
    fn default() -> Self {
        Self { kept: Vec::new(), max: MEMBERS_MAX, bits: 0, all: 0 }
    }
}

/// One group of members.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemberGroup {
    pub name: &'static str,
    pub members: u64,
    pub share: f64,
    /// Means.
    pub days_since_last: f64,
    pub orders: f64,
    /// Sum, a decimal.
    pub value: String,
    pub value_share: f64,
}

/// Members by recency, frequency and value.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MembersReport {
    /// Users who bought in the period.
    pub members: u64,
    /// Share of them that the groups rest on.
    pub sampled: f64,
    /// The currency most members pay in; the groups are of these.
    pub currency: Option<String>,
    pub other_currencies: u64,
    /// What recency is counted from: the end of the period, or the newest purchase. Milliseconds.
    pub as_of_ms: Option<i64>,
    /// The largest value first.
    pub groups: Vec<MemberGroup>,
    /// Members by fifth of recency (rows, 5 the latest first) and of frequency and value together (columns, 1 to 5).
    pub grid: [[u64; 5]; 5],
}

impl Members {
    /// Adds one user, if he bought anything in the period.
    pub fn add(&mut self, user: &[u8], journey: &Journey, period: Period) {
        let Some(member) = member(journey, period) else { return };
        self.all += 1;
        let hash = xxh3_64(user);
        if !self.keeps(hash) {
            return;
        }
        self.kept.push((hash, member));
        while self.max <= self.kept.len() && self.bits < 63 {
            self.bits += 1;
            let kept = std::mem::take(&mut self.kept);
            self.kept = kept.into_iter().filter(|(hash, _)| self.keeps(*hash)).collect();
        }
    }

    fn keeps(&self, hash: u64) -> bool {
        hash & ((1 << self.bits) - 1) == 0
    }

    /// Groups and grid. Fifths are of rank: members alike in a number are in one fifth.
    pub fn report(&self, period: Period) -> MembersReport {
        let mut by_currency = BTreeMap::<Option<Currency>, u64>::new();
        for (_, member) in &self.kept {
            *by_currency.entry(member.currency).or_default() += 1;
        }
        let main = by_currency.iter().max_by_key(|(currency, n)| (**n, std::cmp::Reverse(**currency)));
        let Some((main, _)) = main else { return MembersReport::default() };
        let of: Vec<Member> = self.kept.iter().map(|(_, m)| *m).filter(|m| m.currency == *main).collect();
        let newest = of.iter().map(|m| m.last).max().unwrap_or(0);
        let as_of = if period.to == i64::MAX { newest } else { period.to };
        let recency = Fifths::of(of.iter().map(|m| m.last));
        let frequency = Fifths::of(of.iter().map(|m| i64::from(m.orders)));
        let value = Fifths::of(of.iter().map(|m| m.value));
        let mut sums = BTreeMap::<&'static str, (u64, i64, u64, i128)>::new();
        let mut grid = [[0; 5]; 5];
        for m in &of {
            let (r, f, v) =
                (recency.of_value(m.last), frequency.of_value(i64::from(m.orders)), value.of_value(m.value));
            let fv = (f + v).div_ceil(2);
            let sum = sums.entry(name(r, fv)).or_default();
            *sum = (
                sum.0 + 1,
                sum.1 + (as_of - m.last) / DAY_MS,
                sum.2 + u64::from(m.orders),
                sum.3 + i128::from(m.value),
            );
            let cell = grid.get_mut(5 - usize::from(r)).and_then(|row| row.get_mut(usize::from(fv) - 1));
            if let Some(cell) = cell {
                *cell += 1;
            }
        }
        let all: i128 = of.iter().map(|m| i128::from(m.value)).sum();
        let n = of.len().max(1) as f64;
        let mut groups: Vec<(i128, MemberGroup)> = sums
            .into_iter()
            .map(|(name, (members, days, orders, value))| {
                let group = MemberGroup {
                    name,
                    members,
                    share: members as f64 / n,
                    days_since_last: days as f64 / members as f64,
                    orders: orders as f64 / members as f64,
                    value: decimal(value),
                    value_share: if all == 0 { 0.0 } else { value as f64 / all as f64 },
                };
                (value, group)
            })
            .collect();
        groups.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.name.cmp(b.1.name)));
        MembersReport {
            members: self.all,
            sampled: self.kept.len() as f64 / self.all.max(1) as f64,
            currency: main.map(|currency| currency.to_string()),
            other_currencies: (self.kept.len() - of.len()) as u64,
            as_of_ms: Some(as_of),
            groups: groups.into_iter().map(|(_, group)| group).collect(),
            grid,
        }
    }
}

/// Fifths of numbers by rank: a number's fifth is that of how many are below it.
struct Fifths(Vec<i64>);

impl Fifths {
    fn of(numbers: impl Iterator<Item = i64>) -> Self {
        let mut numbers: Vec<i64> = numbers.collect();
        numbers.sort_unstable();
        Self(numbers)
    }

    /// 1 the lowest to 5.
    fn of_value(&self, number: i64) -> u8 {
        let below = self.0.partition_point(|n| *n < number);
        u8::try_from(1 + 5 * below / self.0.len().max(1)).unwrap_or(5).min(5)
    }
}

/// The usual names for recency against frequency and value.
fn name(r: u8, fv: u8) -> &'static str {
    match (r, fv) {
        (4..=5, 4..=5) => "champions",
        (3, 4..=5) => "loyal",
        (1..=2, 5) => "cannot lose them",
        (1..=2, 3..=4) => "at risk",
        (4..=5, 2..=3) => "potential loyalists",
        (5, 1) => "new",
        (4, 1) => "promising",
        (3, 3) => "need attention",
        (3, 1..=2) => "about to sleep",
        (2, 1..=2) => "hibernating",
        _ => "lost",
    }
}

/// None if nothing was bought in the period.
fn member(journey: &Journey, period: Period) -> Option<Member> {
    let sold = || journey.sold.iter().filter(|sold| period.has(sold.at));
    let last = sold().map(|sold| sold.at).max()?;
    let mut orders = HashSet::new();
    let (mut bought, mut lines) = (Money::default(), BTreeMap::<Currency, u64>::new());
    for one in sold() {
        // Lines of no order are one order a moment.
        orders.insert(if one.order == 0 { (true, one.at.cast_unsigned()) } else { (false, one.order) });
        bought.add(one.paid, one.quantity);
        if let Some((_, currency)) = one.paid {
            *lines.entry(currency).or_default() += 1;
        }
    }
    let mut refunded = Money::default();
    for refund in journey.refunded.iter().filter(|refund| period.has(refund.at)) {
        refunded.add(refund.paid, refund.quantity);
    }
    let main = lines.into_iter().max_by_key(|(currency, n)| (*n, std::cmp::Reverse(*currency)));
    let currency = main.map(|(currency, _)| currency);
    let net = bought.less(&refunded);
    let value = currency.and_then(|currency| net.0.get(&currency)).copied().unwrap_or(0);
    let value = i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX });
    Some(Member { last, orders: u32::try_from(orders.len()).unwrap_or(u32::MAX), currency, value })
}
