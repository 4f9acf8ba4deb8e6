//! Which files a condition on their names leaves.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::{Fields, Schema};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Volatility};

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
