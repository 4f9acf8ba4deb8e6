//! `text` and `id`: opaque ids to text and back.

use std::sync::Arc;

use arrow_array::Array;
use arrow_array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::ids;

/// Whether it holds bytes.
pub(super) fn is_bytes(t: &DataType) -> bool {
    matches!(
        t,
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_)
    )
}

pub(super) fn is_text(t: &DataType) -> bool {
    matches!(t, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
}

macro_rules! of_one_value {
    ($name:ident, $sql:literal, $takes:expr, $given:ident, $gives:ident, $invoke:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, PartialEq, Eq, Hash)]
        pub struct $name(Signature);

        impl Default for $name {
            fn default() -> Self {
                Self(Signature::user_defined(Volatility::Immutable))
            }
        }

        impl ScalarUDFImpl for $name {
            fn name(&self) -> &str {
                $sql
            }

            fn signature(&self) -> &Signature {
                &self.0
            }

            fn return_type(&self, _: &[DataType]) -> Result<DataType> {
                Ok(DataType::$gives)
            }

            fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
                match given {
                    [t] if is_bytes(t) || is_text(t) || t.is_null() => Ok(vec![DataType::$given]),
                    _ => plan_err!(concat!($sql, " takes ", $takes)),
                }
            }

            fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
                $invoke(&args)
            }
        }
    };
}

of_one_value!(Text, "text", "an id", BinaryView, Utf8View, show, "`text(id)`: [`ids::shown`].");
of_one_value!(Id, "id", "a text", Utf8View, BinaryView, parse, "`id(text)`: [`ids::parsed`].");

fn show(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(&args.args)?;
    let Some(given) = arrays.first().and_then(|a| a.as_binary_view_opt()) else {
        return exec_err!("text takes an id");
    };
    let mut out = StringViewBuilder::with_capacity(given.len());
    given.iter().for_each(|id| out.append_option(id.map(ids::shown)));
    Ok(ColumnarValue::Array(Arc::new(out.finish())))
}

fn parse(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let arrays = ColumnarValue::values_to_arrays(&args.args)?;
    let Some(given) = arrays.first().and_then(|a| a.as_string_view_opt()) else {
        return exec_err!("id takes a text");
    };
    let mut out = BinaryViewBuilder::with_capacity(given.len());
    given.iter().for_each(|text| out.append_option(text.map(ids::parsed)));
    Ok(ColumnarValue::Array(Arc::new(out.finish())))
}
