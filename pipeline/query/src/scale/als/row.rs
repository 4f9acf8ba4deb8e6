//! `als_row(other, strength)`: the factors of one row, as an aggregate over its interactions.
//!
//! A row's state is its interactions, or, once those are larger, the normal equations that they add up to: so an item that
//! everybody has bought takes no more memory, and no more of the network, than one of a few hundred buyers.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::builder::LargeBinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{Array, ArrayRef, BooleanArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{ScalarValue, exec_datafusion_err, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use shoptide_models::als::{FoldScratch, HeldSide, RowSums};

use super::held::{HeldRef, list_of};
use super::sides::Sides;

/// What begins a state: interactions follow, or sums.
const FEW: u8 = 0;
const MANY: u8 = 1;
const ENTRY_BYTES: usize = 8;
/// Interactions added to sums at a time: the matrix is read and written once for all of them.
const PENDING_MAX: usize = 256;

/// The function, with the side that it solves against.
#[derive(Debug)]
pub(crate) struct AlsRow {
    held: HeldRef,
    sides: Arc<Sides>,
    signature: Signature,
}

impl AlsRow {
    pub fn new(held: HeldRef, sides: Arc<Sides>) -> Self {
        let signature = Signature::exact(vec![DataType::UInt32, DataType::Float32], Volatility::Immutable);
        Self { held, sides, signature }
    }

    pub fn held(&self) -> &HeldRef {
        &self.held
    }
}

// Which process holds the side makes no difference to what the function is.
impl PartialEq for AlsRow {
    fn eq(&self, other: &Self) -> bool {
        self.held == other.held
    }
}

impl Eq for AlsRow {}

impl Hash for AlsRow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.held.path.hash(state);
        self.held.hash.hash(state);
    }
}

impl AggregateUDFImpl for AlsRow {
    fn name(&self) -> &str {
        "als_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        let number = Arc::new(Field::new("item", DataType::Float32, false));
        let rank = i32::try_from(self.held.params.rank()).unwrap_or(i32::MAX);
        Ok(DataType::FixedSizeList(number, rank))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[interactions]", args.name), DataType::LargeBinary, false))])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneRow(Rows::new(self.held.clone(), self.sides.clone()))))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Rows::new(self.held.clone(), self.sides.clone())))
    }
}

#[derive(Debug)]
enum Row {
    Few(Vec<(u32, f32)>),
    Many(Box<Many>),
}

#[derive(Debug)]
struct Many {
    sums: RowSums,
    /// Not yet added, below [`PENDING_MAX`].
    pending: Vec<(u32, f32)>,
}

impl Many {
    fn add_pending(&mut self, side: &HeldSide) -> Result<()> {
        side.add(&self.pending, &mut self.sums).map_err(bad)?;
        self.pending.clear();
        Ok(())
    }
}

impl Row {
    fn size(&self) -> usize {
        match self {
            Row::Few(entries) => size_of::<Self>() + entries.capacity() * ENTRY_BYTES,
            Row::Many(many) => size_of::<Self>() + many.sums.size() + PENDING_MAX * ENTRY_BYTES,
        }
    }
}

/// Rows of one task.
struct Rows {
    held: HeldRef,
    sides: Arc<Sides>,
    side: Option<Arc<HeldSide>>,
    rows: Vec<Row>,
    bytes: usize,
}

impl Rows {
    fn new(held: HeldRef, sides: Arc<Sides>) -> Self {
        Self { held, sides, side: None, rows: Vec::new(), bytes: 0 }
    }

    fn side(&mut self) -> Result<Arc<HeldSide>> {
        match &self.side {
            Some(side) => Ok(side.clone()),
            None => {
                let side = self.sides.get(&self.held)?;
                Ok(self.side.insert(side).clone())
            }
        }
    }

    /// Makes room for groups 0 to `n`, exclusive.
    fn grow(&mut self, n: usize) {
        if self.rows.len() < n {
            self.bytes += (n - self.rows.len()) * size_of::<Row>();
            self.rows.resize_with(n, || Row::Few(Vec::new()));
        }
    }

    fn push(&mut self, group: usize, entry: (u32, f32)) -> Result<()> {
        let most = RowSums::worth_it(self.held.params.rank());
        let full = match self.rows.get_mut(group) {
            Some(Row::Few(entries)) => {
                let before = entries.capacity();
                entries.push(entry);
                self.bytes += (entries.capacity() - before) * ENTRY_BYTES;
                most < entries.len()
            }
            Some(Row::Many(many)) => {
                many.pending.push(entry);
                if PENDING_MAX <= many.pending.len() {
                    let side = self.side.as_ref().ok_or_else(|| exec_datafusion_err!("als_row: no side"))?;
                    many.add_pending(side)?;
                }
                false
            }
            None => return exec_err!("als_row: group {group} is unknown"),
        };
        if full { self.sum_up(group) } else { Ok(()) }
    }

    /// From interactions to what they add up to.
    fn sum_up(&mut self, group: usize) -> Result<()> {
        let side = self.side()?;
        let Some(row) = self.rows.get_mut(group) else { return Ok(()) };
        let Row::Few(entries) = row else { return Ok(()) };
        let before = entries.capacity() * ENTRY_BYTES;
        entries.sort_unstable_by_key(|(other, _)| *other);
        let mut sums = RowSums::new(self.held.params.rank());
        side.add(entries, &mut sums).map_err(bad)?;
        *row = Row::Many(Box::new(Many { sums, pending: Vec::with_capacity(PENDING_MAX) }));
        self.bytes = (self.bytes + row.size()).saturating_sub(before);
        Ok(())
    }

    fn merge_state(&mut self, group: usize, state: &[u8]) -> Result<()> {
        let (tag, rest) =
            state.split_first().ok_or_else(|| exec_datafusion_err!("als_row: an empty state"))?;
        match *tag {
            FEW => {
                let (entries, rest) = rest.as_chunks::<ENTRY_BYTES>();
                if !rest.is_empty() {
                    return exec_err!("als_row: a state that was cut off");
                }
                for [a, b, c, d, e, f, g, h] in entries {
                    let entry = (u32::from_le_bytes([*a, *b, *c, *d]), f32::from_le_bytes([*e, *f, *g, *h]));
                    self.push(group, entry)?;
                }
                Ok(())
            }
            MANY => {
                let theirs = RowSums::decode(self.held.params.rank(), rest)
                    .ok_or_else(|| exec_datafusion_err!("als_row: sums of another rank"))?;
                self.sum_up(group)?;
                let merged = match self.rows.get_mut(group) {
                    Some(Row::Many(many)) => many.sums.merge(&theirs),
                    _ => false,
                };
                if merged { Ok(()) } else { exec_err!("als_row: sums of another rank") }
            }
            other => exec_err!("als_row: a state of kind {other}"),
        }
    }

    fn take(&mut self, emit: EmitTo) -> Result<Vec<Row>> {
        let mut taken = emit.take_needed(&mut self.rows);
        self.bytes = self.bytes.saturating_sub(taken.iter().map(Row::size).sum());
        for row in &mut taken {
            if let Row::Many(many) = row {
                let side = self.side()?;
                many.add_pending(&side)?;
            }
        }
        Ok(taken)
    }

    fn states(rows: Vec<Row>) -> ArrayRef {
        let mut states = LargeBinaryBuilder::with_capacity(rows.len(), 0);
        let mut bytes = Vec::new();
        for row in rows {
            bytes.clear();
            match row {
                Row::Few(entries) => {
                    bytes.push(FEW);
                    for (other, strength) in entries {
                        bytes.extend(other.to_le_bytes());
                        bytes.extend(strength.to_le_bytes());
                    }
                }
                Row::Many(many) => {
                    bytes.push(MANY);
                    many.sums.encode(&mut bytes);
                }
            }
            states.append_value(&bytes);
        }
        Arc::new(states.finish())
    }

    fn solved(&mut self, rows: Vec<Row>) -> Result<ArrayRef> {
        let rank = self.held.params.rank();
        let side = self.side()?;
        let mut scratch = FoldScratch::default();
        let mut factors = Vec::with_capacity(rows.len() * rank);
        for row in rows {
            let solved = match row {
                // In order: the same row has the same factors, to the bit, however its parts arrived.
                Row::Few(mut entries) => {
                    entries.sort_unstable_by_key(|(other, _)| *other);
                    side.solve(&entries, &mut scratch)
                }
                Row::Many(many) => side.solve_sums(&many.sums),
            };
            factors.extend(solved.map_err(bad)?);
        }
        let list = list_of(factors, rank).map_err(|e| exec_datafusion_err!("als_row: {e}"))?;
        Ok(Arc::new(list))
    }
}

fn bad(error: shoptide_models::als::FoldInError) -> datafusion::error::DataFusionError {
    exec_datafusion_err!("als_row: {error}")
}

/// The interactions of a batch.
fn entries(values: &[ArrayRef]) -> Result<impl Iterator<Item = (u32, f32)> + '_> {
    let [others, strengths] = values else { return exec_err!("als_row takes two columns") };
    let others = others.as_primitive_opt::<UInt32Type>();
    let strengths = strengths.as_primitive_opt::<Float32Type>();
    match (others, strengths) {
        (Some(others), Some(strengths)) if others.null_count() + strengths.null_count() == 0 => {
            Ok(others.values().iter().copied().zip(strengths.values().iter().copied()))
        }
        _ => exec_err!("als_row takes a row number (uint32) and a strength (float32), neither of them NULL"),
    }
}

fn states_of(values: &[ArrayRef]) -> Result<&arrow_array::LargeBinaryArray> {
    match values.first().and_then(|state| state.as_binary_opt::<i64>()) {
        Some(states) => Ok(states),
        None => exec_err!("als_row: a state that is no LargeBinary"),
    }
}

impl GroupsAccumulator for Rows {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        n_groups: usize,
    ) -> Result<()> {
        self.grow(n_groups);
        for (i, (entry, group)) in entries(values)?.zip(groups).enumerate() {
            if filter.is_none_or(|filter| filter.is_valid(i) && filter.value(i)) {
                self.push(*group, entry)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let rows = self.take(emit)?;
        self.solved(rows)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![Self::states(self.take(emit)?)])
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], n_groups: usize) -> Result<()> {
        self.grow(n_groups);
        for (state, group) in states_of(values)?.iter().zip(groups) {
            self.merge_state(*group, state.unwrap_or_default())?;
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let row = |(i, entry): (usize, (u32, f32))| match filter {
            Some(filter) if filter.is_null(i) || !filter.value(i) => Row::Few(Vec::new()),
            _ => Row::Few(vec![entry]),
        };
        Ok(vec![Self::states(entries(values)?.enumerate().map(row).collect())])
    }

    fn size(&self) -> usize {
        self.bytes
    }
}

/// The same without groups.
struct OneRow(Rows);

impl std::fmt::Debug for OneRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneRow")
    }
}

impl Accumulator for OneRow {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; values.first().map_or(0, |v| v.len())];
        GroupsAccumulator::update_batch(&mut self.0, values, &groups, None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.grow(1);
        let solved = GroupsAccumulator::evaluate(&mut self.0, EmitTo::All)?;
        ScalarValue::try_from_array(&solved, 0)
    }

    fn size(&self) -> usize {
        self.0.bytes
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.grow(1);
        let states = GroupsAccumulator::state(&mut self.0, EmitTo::All)?;
        states.iter().map(|state| ScalarValue::try_from_array(state, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let groups = vec![0; states.first().map_or(0, |v| v.len())];
        GroupsAccumulator::merge_batch(&mut self.0, states, &groups, 1)
    }
}
