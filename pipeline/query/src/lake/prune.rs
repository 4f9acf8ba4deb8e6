//! Which files a condition leaves: by their names, and by the bounds of what is in them.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMillisecondArray, UInt64Array};
use arrow_schema::{Fields, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Volatility};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use shoptide_schemas::time::DAY_MS;

use super::table::LakePart;

/// Whether it can be answered from values alone: no subquery, no function that gives another answer each time.
pub(super) fn is_plain(filter: &Expr) -> bool {
    let mut plain = true;
    // The closure cannot fail.
    let _ = filter.apply(|expr| {
        let odd = match expr {
            Expr::ScalarFunction(function) => function.func.signature().volatility != Volatility::Immutable,
            Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::ScalarSubquery(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::Placeholder(_)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_) => true,
            _ => false,
        };
        plain &= !odd;
        Ok(if odd { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    plain
}

/// The parts for which all conditions are true, `values` being what `named` columns hold for each.
pub(super) fn kept<'p>(
    state: &dyn Session,
    named: &Fields,
    parts: &'p [LakePart],
    values: impl Fn(&LakePart) -> Vec<ScalarValue>,
    filters: &[&Expr],
) -> Result<Vec<&'p LakePart>> {
    let Some(all) = conjunction(filters.iter().map(|filter| (*filter).clone())) else {
        return Ok(parts.iter().collect());
    };
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let schema = Arc::new(Schema::new(named.clone()));
    let rows: Vec<Vec<ScalarValue>> = parts.iter().map(values).collect();
    let column =
        |place: usize| ScalarValue::iter_to_array(rows.iter().filter_map(|row| row.get(place).cloned()));
    let arrays = (0..named.len()).map(column).collect::<Result<Vec<_>>>()?;
    let batch = RecordBatch::try_new(schema.clone(), arrays)?;
    let condition = state.create_physical_expr(all, &DFSchema::try_from(schema)?)?;
    let answer = condition.evaluate(&batch)?.into_array(parts.len())?;
    let answer = answer.as_boolean();
    let holds = |(part, holds): (&'p LakePart, Option<bool>)| (holds == Some(true)).then_some(part);
    Ok(parts.iter().zip(answer.iter()).filter_map(holds).collect())
}

/// The parts in which some row may meet all conditions, as far as offsets and days say; columns are those of `schema`.
pub(super) fn possible<'p>(
    state: &dyn Session,
    schema: &SchemaRef,
    parts: Vec<&'p LakePart>,
    filters: &[&Expr],
) -> Result<Vec<&'p LakePart>> {
    let plain = filters.iter().filter(|filter| is_plain(filter)).map(|filter| (*filter).clone());
    let Some(all) = conjunction(plain) else { return Ok(parts) };
    let condition = state.create_physical_expr(all, &DFSchema::try_from(schema.clone())?)?;
    let Some(predicate) = PruningPredicateBuilder::new().with_file_schema(schema.clone()).build(condition)
    else {
        return Ok(parts);
    };
    let kept = predicate.prune(&Bounds(&parts))?;
    Ok(parts.into_iter().zip(kept).filter_map(|(part, kept)| kept.then_some(part)).collect())
}

/// Between which values a file's rows lie. No value need be one of a row's.
struct Bounds<'a>(&'a [&'a LakePart]);

impl Bounds<'_> {
    fn of(&self, column: &Column, offset: fn(&LakePart) -> i64, at_ms: fn(i64) -> i64) -> Option<ArrayRef> {
        match column.name() {
            "offset" => Some(Arc::new(self.0.iter().map(|part| Some(offset(part))).collect::<Int64Array>())),
            "occurred_at" => {
                let days = self.0.iter().map(|part| part.day.map(|day| at_ms(i64::from(day))));
                Some(Arc::new(days.collect::<TimestampMillisecondArray>().with_timezone("UTC")))
            }
            _ => None,
        }
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.of(column, |part| part.offsets.0, |day| day * DAY_MS)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.of(column, |part| part.offsets.1.saturating_sub(1), |day| day * DAY_MS + DAY_MS - 1)
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, _: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.0.iter().map(|part| Some(part.rows)).collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
