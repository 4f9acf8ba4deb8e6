//! Functions whose result may be far larger than what they are given: its size is reckoned before it is made, since memory of
//! functions is outside the pool of a session.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::{DataType, FieldRef, IntervalUnit, TimeUnit};
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// Their names; other names of theirs come with them.
const GROWING: [&str; 8] =
    ["array_repeat", "array_resize", "generate_series", "lpad", "range", "repeat", "replace", "rpad"];
/// Of one number in a list.
const NUMBER_BYTES: u64 = 8;
const DAY_MICROS: i64 = 86_400_000_000;
/// The shortest month.
const MONTH_DAYS: i64 = 28;

/// Those of `functions` whose results grow, refusing what is larger than `bytes_max` for the rows of one batch.
pub fn bounded(functions: impl IntoIterator<Item = Arc<ScalarUDF>>, bytes_max: usize) -> Vec<Arc<ScalarUDF>> {
    let growing = functions.into_iter().filter(|f| GROWING.contains(&f.name()));
    growing.map(|inner| Arc::new(ScalarUDF::from(Bounded { inner, bytes_max }))).collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    bytes_max: usize,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.inner().return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.inner().return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.inner().documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bytes = result_bytes(self.name(), &args.args, args.number_rows)?;
        if self.bytes_max as u64 <= bytes {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "a result of {} would take {bytes} bytes, at most {} are allowed",
                self.name(),
                self.bytes_max
            )));
        }
        self.inner.inner().invoke_with_args(args)
    }
}

/// An argument: one value for all rows, or one for each.
struct Arg {
    array: ArrayRef,
    one: bool,
}

impl Arg {
    fn at(&self, row: usize) -> usize {
        if self.one { 0 } else { row }
    }

    fn to(&self, to: &DataType) -> Result<Arg> {
        Ok(Arg { array: cast(&self.array, to)?, one: self.one })
    }

    /// As a number; nothing where it is NULL or none.
    fn number(&self, row: usize) -> Option<i64> {
        let numbers = self.array.as_primitive_opt::<Int64Type>()?;
        let row = self.at(row);
        (row < numbers.len() && numbers.is_valid(row)).then(|| numbers.value(row))
    }

    /// Bytes of a text.
    fn length(&self, row: usize) -> u64 {
        let row = self.at(row);
        let texts = self.array.as_string_opt::<i64>().filter(|t| row < t.len() && t.is_valid(row));
        texts.map_or(0, |texts| texts.value(row).len() as u64)
    }

    /// Of a span of time, at the least.
    fn micros(&self, row: usize) -> Option<i64> {
        let spans = self.array.as_primitive_opt::<IntervalMonthDayNanoType>()?;
        let row = self.at(row);
        let span = (row < spans.len() && spans.is_valid(row)).then(|| spans.value(row))?;
        let days = i64::from(span.months) * MONTH_DAYS + i64::from(span.days);
        Some(days.saturating_mul(DAY_MICROS).saturating_add(span.nanoseconds / 1_000))
    }
}

/// What the results for a batch take, about: too much rather than too little where both are possible.
fn result_bytes(name: &str, args: &[ColumnarValue], rows: usize) -> Result<u64> {
    let all_one = args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let rows = if all_one { 1 } else { rows };
    let args: Vec<Arg> = args
        .iter()
        .map(|arg| match arg {
            ColumnarValue::Scalar(value) => Ok(Arg { array: value.to_array_of_size(1)?, one: true }),
            ColumnarValue::Array(array) => Ok(Arg { array: array.clone(), one: false }),
        })
        .collect::<Result<_>>()?;
    let positive = |n: Option<i64>| u64::try_from(n.unwrap_or(0)).unwrap_or(0);
    let sum = |of: &dyn Fn(usize) -> u64| (0..rows).map(of).fold(0, u64::saturating_add);
    Ok(match (name, args.as_slice()) {
        ("repeat", [text, times]) => {
            let (text, times) = (text.to(&DataType::LargeUtf8)?, times.to(&DataType::Int64)?);
            sum(&|row| text.length(row).saturating_mul(positive(times.number(row))))
        }
        ("lpad" | "rpad", [_, length, ..]) => {
            let length = length.to(&DataType::Int64)?;
            sum(&|row| positive(length.number(row)))
        }
        ("replace", [text, from, to]) => {
            let (text, from) = (text.to(&DataType::LargeUtf8)?, from.to(&DataType::LargeUtf8)?);
            let to = to.to(&DataType::LargeUtf8)?;
            // A text that is looked for and empty is found beside every character.
            let found = |row| text.length(row).saturating_add(1) / from.length(row).max(1);
            sum(&|row| found(row).saturating_mul(to.length(row)))
        }
        ("array_repeat", [value, times]) => {
            let times = times.to(&DataType::Int64)?;
            let each = (value.array.get_array_memory_size() / value.array.len().max(1)) as u64;
            sum(&|row| positive(times.number(row)).saturating_mul(each.saturating_add(NUMBER_BYTES)))
        }
        ("array_resize", [_, length, ..]) => {
            let length = length.to(&DataType::Int64)?;
            sum(&|row| positive(length.number(row)).saturating_mul(NUMBER_BYTES))
        }
        ("range" | "generate_series", [_, ..]) => range_bytes(&args, &sum)?,
        _ => 0,
    })
}

/// Adds up what each row of a batch takes.
type Sum<'a> = &'a dyn Fn(&dyn Fn(usize) -> u64) -> u64;

fn range_bytes(args: &[Arg], sum: Sum<'_>) -> Result<u64> {
    let of_time = |arg: &Arg| arg.array.data_type().is_temporal();
    let bound = |arg: &Arg| {
        let arg = if of_time(arg) {
            arg.to(&DataType::Timestamp(TimeUnit::Microsecond, None))?
        } else {
            arg.to(arg.array.data_type())?
        };
        arg.to(&DataType::Int64)
    };
    let (start, stop) = match args {
        [stop] => (None, bound(stop)?),
        [start, stop, ..] => (Some(bound(start)?), bound(stop)?),
        [] => return Ok(0),
    };
    let step = match args.get(2) {
        Some(step) if matches!(step.array.data_type(), DataType::Interval(_)) => {
            Some(step.to(&DataType::Interval(IntervalUnit::MonthDayNano))?)
        }
        Some(step) => Some(step.to(&DataType::Int64)?),
        None => None,
    };
    Ok(sum(&|row| {
        let from = start.as_ref().map_or(Some(0), |start| start.number(row));
        let (Some(from), Some(to)) = (from, stop.number(row)) else { return 0 };
        let step = step.as_ref().map_or(Some(1), |step| step.number(row).or_else(|| step.micros(row)));
        let Some(step) = step.filter(|step| *step != 0) else { return 0 };
        if (from < to) != (0 < step) {
            return 0;
        }
        (from.abs_diff(to) / step.unsigned_abs()).saturating_add(1).saturating_mul(NUMBER_BYTES)
    }))
}
