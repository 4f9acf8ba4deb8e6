//! `decay`: how much of an event is left, as ranking reads it.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_schema::{DataType, TimeUnit};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

const DAY_MS: f64 = 86_400_000.0;

/// `decay(age_ms, half_life_days)` and `decay(at, now, half_life_days)`: `2^(-age / half-life)`. What comes from the future of
/// `now` does not grow: 1.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Decay(Signature);

impl Default for Decay {
    fn default() -> Self {
        Self(Signature::user_defined(Volatility::Immutable))
    }
}

const MOMENT: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);
const AGE: DataType = DataType::Duration(TimeUnit::Millisecond);

impl ScalarUDFImpl for Decay {
    fn name(&self) -> &str {
        "decay"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let number = |t: &DataType| t.is_numeric() || t.is_null();
        let moment = |t: &DataType| {
            matches!(t, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Null)
                || matches!(t, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
        };
        match given {
            [age, half_life] if number(age) && number(half_life) => {
                Ok(vec![DataType::Float64, DataType::Float64])
            }
            [DataType::Duration(_), half_life] if number(half_life) => Ok(vec![AGE, DataType::Float64]),
            [at, now, half_life] if moment(at) && moment(now) && number(half_life) => {
                Ok(vec![MOMENT, MOMENT, DataType::Float64])
            }
            _ => plan_err!(
                "decay takes (age in ms, half-life in days) or (timestamp, timestamp of now, half-life in days)"
            ),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let decayed = match arrays.as_slice() {
            [age, half_life] => of(half_life, ages(age)?)?,
            [at, now, half_life] => {
                let (at, now) = (
                    at.as_primitive::<TimestampMillisecondType>(),
                    now.as_primitive::<TimestampMillisecondType>(),
                );
                let age = |(at, now): (Option<i64>, Option<i64>)| Some(now? as f64 - at? as f64);
                of(half_life, at.iter().zip(now.iter()).map(age).collect())?
            }
            _ => return exec_err!("decay takes two or three arguments"),
        };
        Ok(ColumnarValue::Array(Arc::new(decayed)))
    }
}

/// In milliseconds.
fn ages(array: &ArrayRef) -> Result<Vec<Option<f64>>> {
    if let Some(numbers) = array.as_primitive_opt::<Float64Type>() {
        return Ok(numbers.iter().collect());
    }
    match array.as_primitive_opt::<arrow_array::types::DurationMillisecondType>() {
        Some(ages) => Ok(ages.iter().map(|age| age.map(|ms| ms as f64)).collect()),
        None => exec_err!("an age is {}, expected a number of milliseconds", array.data_type()),
    }
}

fn of(half_lives: &ArrayRef, ages: Vec<Option<f64>>) -> Result<Float64Array> {
    let half_lives = half_lives.as_primitive::<Float64Type>();
    let wrong = |days: f64| !(0.0 < days && days.is_finite());
    if let Some(days) = half_lives.iter().flatten().find(|days| wrong(*days)) {
        return exec_err!("half-life is {days} days, expected above 0");
    }
    let one = |(age, days): (Option<f64>, Option<f64>)| {
        let age_days = (age? / DAY_MS).max(0.0);
        Some((-age_days / days?).exp2())
    };
    Ok(ages.into_iter().zip(half_lives.iter()).map(one).collect())
}
