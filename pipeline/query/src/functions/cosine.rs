//! `cosine`: how alike two vectors are.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, Float64Array};
use arrow_schema::{DataType, Field};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// `cosine(a, b)` of two lists of numbers of one length, -1 to 1. NULL where one is NULL, holds a NULL, or is all zeros and so
/// points nowhere.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Cosine(Signature);

impl Default for Cosine {
    fn default() -> Self {
        Self(Signature::user_defined(Volatility::Immutable))
    }
}

fn numbers() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)))
}

impl ScalarUDFImpl for Cosine {
    fn name(&self) -> &str {
        "cosine"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let list = |t: &DataType| match t {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                item.data_type().is_numeric() || item.data_type().is_null()
            }
            other => other.is_null(),
        };
        if given.len() != 2 || !given.iter().all(list) {
            return plan_err!("cosine takes two lists of numbers");
        }
        Ok(vec![numbers(), numbers()])
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [a, b] = arrays.as_slice() else { return exec_err!("cosine takes two arguments") };
        let (Some(a), Some(b)) = (a.as_list_opt::<i32>(), b.as_list_opt::<i32>()) else {
            return exec_err!("cosine takes two lists of numbers");
        };
        let mut out = Float64Array::builder(a.len());
        for (a, b) in a.iter().zip(b.iter()) {
            out.append_option(match (a, b) {
                (Some(a), Some(b)) => of(a.as_primitive::<Float64Type>(), b.as_primitive::<Float64Type>())?,
                _ => None,
            });
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

fn of(a: &Float64Array, b: &Float64Array) -> Result<Option<f64>> {
    if a.len() != b.len() {
        return exec_err!("cosine of lists of {} and {} numbers, expected as many in both", a.len(), b.len());
    }
    if 0 < a.null_count() + b.null_count() {
        return Ok(None);
    }
    let (mut dot, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.values().iter().zip(b.values()) {
        dot += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    let lengths = f64::sqrt(of_a) * f64::sqrt(of_b);
    Ok((0.0 < lengths).then(|| dot / lengths))
}
