//! A table's columns as what each makes of rows: a projection makes only those that are asked for.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryViewBuilder, BooleanBuilder, Date32Builder, Float32Builder, Int64Builder, ListBuilder,
    StringViewBuilder, TimestampMillisecondBuilder, UInt32Builder, UInt64Builder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

type Make<R> = Box<dyn Fn(&[R]) -> ArrayRef + Send + Sync>;

/// A column of rows `R`.
pub struct Column<R> {
    field: Field,
    make: Make<R>,
}

/// The schema of some columns.
pub fn schema<R>(columns: &[Column<R>]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|c| c.field.clone()).collect::<Vec<_>>()))
}

/// The rows as a batch of `schema`, which is that of the columns at `wanted`.
pub fn batch<R>(
    columns: &[Column<R>],
    wanted: &[usize],
    schema: &SchemaRef,
    rows: &[R],
) -> Result<RecordBatch, ArrowError> {
    let arrays = wanted.iter().filter_map(|place| columns.get(*place)).map(|c| (c.make)(rows)).collect();
    // A count of rows needs no column.
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
}

/// `made` of every row by `make`, as a column of another type.
pub fn column<R>(
    name: &str,
    data_type: DataType,
    make: impl Fn(&[R]) -> ArrayRef + Send + Sync + 'static,
) -> Column<R> {
    Column { field: Field::new(name, data_type, true), make: Box::new(make) }
}

macro_rules! simple {
    ($(#[$doc:meta])* $name:ident, $value:ty, $builder:ty, $data_type:expr) => {
        $(#[$doc])*
        pub fn $name<R: 'static>(
            name: &str,
            get: impl Fn(&R) -> Option<$value> + Send + Sync + 'static,
        ) -> Column<R> {
            column(name, $data_type, move |rows: &[R]| {
                let mut out = <$builder>::with_capacity(rows.len());
                rows.iter().for_each(|row| out.append_option(get(row)));
                Arc::new(out.finish())
            })
        }
    };
}

simple!(int, i64, Int64Builder, DataType::Int64);
simple!(uint32, u32, UInt32Builder, DataType::UInt32);
simple!(uint64, u64, UInt64Builder, DataType::UInt64);
simple!(float, f32, Float32Builder, DataType::Float32);
simple!(flag, bool, BooleanBuilder, DataType::Boolean);
simple!(
    /// Days since 1970.
    date,
    i32,
    Date32Builder,
    DataType::Date32
);

/// Milliseconds since 1970.
pub fn moment<R: 'static>(name: &str, get: impl Fn(&R) -> Option<i64> + Send + Sync + 'static) -> Column<R> {
    column(name, DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), move |rows: &[R]| {
        let mut out = TimestampMillisecondBuilder::with_capacity(rows.len()).with_timezone("UTC");
        rows.iter().for_each(|row| out.append_option(get(row)));
        Arc::new(out.finish())
    })
}

/// Opaque bytes.
pub fn id<R: 'static>(name: &str, get: fn(&R) -> Option<&[u8]>) -> Column<R> {
    column(name, DataType::BinaryView, move |rows: &[R]| {
        let mut out = BinaryViewBuilder::with_capacity(rows.len());
        rows.iter().for_each(|row| out.append_option(get(row)));
        Arc::new(out.finish())
    })
}

pub fn text<R: 'static>(name: &str, get: fn(&R) -> Option<&str>) -> Column<R> {
    column(name, DataType::Utf8View, move |rows: &[R]| {
        let mut out = StringViewBuilder::with_capacity(rows.len());
        rows.iter().for_each(|row| out.append_option(get(row)));
        Arc::new(out.finish())
    })
}

pub fn texts<R: 'static>(name: &str, get: fn(&R) -> Vec<&str>) -> Column<R> {
    let item = Arc::new(Field::new_list_field(DataType::Utf8View, true));
    column(name, DataType::List(item), move |rows: &[R]| {
        let mut out = ListBuilder::new(StringViewBuilder::new());
        for row in rows {
            get(row).into_iter().for_each(|text| out.values().append_value(text));
            out.append(true);
        }
        Arc::new(out.finish())
    })
}

/// Numbers of one length; NULL where there are none.
pub fn vector<R: 'static>(name: &str, get: fn(&R) -> Option<&[f32]>) -> Column<R> {
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    column(name, DataType::List(item), move |rows: &[R]| {
        let mut out = ListBuilder::new(Float32Builder::new());
        for row in rows {
            let numbers = get(row);
            out.values().append_slice(numbers.unwrap_or_default());
            out.append(numbers.is_some());
        }
        Arc::new(out.finish())
    })
}
