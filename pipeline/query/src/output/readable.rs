//! Columns as text can hold them: opaque bytes become text, views become plain.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, GenericListArray, OffsetSizeTrait, RecordBatch, RecordBatchOptions, StructArray,
};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema};

use crate::ids;

/// The batch with every id as [`ids::shown`] shows it, those in lists and structures too.
///
/// # Errors
/// [`ArrowError`] if an array is damaged.
pub fn readable(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let column = column_as_text(column)?;
        fields.push(renamed(field, column.data_type().clone()));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn renamed(field: &FieldRef, data_type: DataType) -> FieldRef {
    Arc::new(Field::new(field.name(), data_type, true))
}

fn column_as_text(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) | DataType::BinaryView => {
            let views = cast(column, &DataType::BinaryView)?;
            let mut out = StringBuilder::with_capacity(column.len(), 16 * column.len());
            views.as_binary_view().iter().for_each(|id| out.append_option(id.map(ids::shown)));
            Ok(Arc::new(out.finish()))
        }
        DataType::Utf8View => cast(column, &DataType::Utf8),
        DataType::Dictionary(_, value) => column_as_text(&cast(column, value)?),
        DataType::List(item) => list_as_text::<i32>(column, item),
        DataType::LargeList(item) => list_as_text::<i64>(column, item),
        DataType::FixedSizeList(item, _) => {
            let item = item.clone();
            column_as_text(&cast(column, &DataType::List(item))?)
        }
        DataType::Struct(fields) => {
            let found = column.as_struct();
            let columns = found.columns().iter().map(column_as_text).collect::<Result<Vec<_>, _>>()?;
            let fields: Vec<FieldRef> =
                fields.iter().zip(&columns).map(|(f, c)| renamed(f, c.data_type().clone())).collect();
            Ok(Arc::new(StructArray::try_new_with_length(
                fields.into(),
                columns,
                found.nulls().cloned(),
                found.len(),
            )?))
        }
        _ => Ok(column.clone()),
    }
}

fn list_as_text<O: OffsetSizeTrait>(column: &ArrayRef, item: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let list = column.as_list::<O>();
    let values = column_as_text(list.values())?;
    let item = renamed(item, values.data_type().clone());
    let list = GenericListArray::<O>::try_new(item, list.offsets().clone(), values, list.nulls().cloned())?;
    Ok(Arc::new(list))
}
