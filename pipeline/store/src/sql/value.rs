//! Values as all dialects bind and return them: integers and bytes. Ids are bound as bytes always, never as text, so that
//! no collation or affinity ever makes `01` meet `1`; text at rest is its UTF-8 bytes.

use crate::StoreError;

/// One bound value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Null,
}

impl Value<'_> {
    /// What it weighs in a statement.
    pub fn bytes(&self) -> usize {
        match self {
            Value::Int(_) => size_of::<i64>(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Null => 1,
        }
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Value::Int(i64::from(value))
    }
}

impl<'a> From<Option<&'a [u8]>> for Value<'a> {
    fn from(value: Option<&'a [u8]>) -> Self {
        value.map_or(Value::Null, Value::Bytes)
    }
}

/// One value of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedValue {
    Int(i64),
    Bytes(Vec<u8>),
    Null,
}

/// One row of an answer. Reading a column as another type than the schema's means a damaged or foreign table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub Vec<OwnedValue>);

impl Row {
    pub fn int(&self, column: usize) -> Result<i64, StoreError> {
        match self.0.get(column) {
            Some(OwnedValue::Int(value)) => Ok(*value),
            other => Err(unexpected(column, "an integer", other)),
        }
    }

    /// An integer that the schema keeps within `T`.
    pub fn number<T: TryFrom<i64>>(&self, column: usize) -> Result<T, StoreError> {
        let value = self.int(column)?;
        T::try_from(value)
            .map_err(|_| StoreError::Unusable(format!("stored column {column} is {value}, out of its range")))
    }

    pub fn optional_int(&self, column: usize) -> Result<Option<i64>, StoreError> {
        match self.0.get(column) {
            Some(OwnedValue::Null) => Ok(None),
            _ => self.int(column).map(Some),
        }
    }

    pub fn bytes(&self, column: usize) -> Result<&[u8], StoreError> {
        match self.0.get(column) {
            Some(OwnedValue::Bytes(bytes)) => Ok(bytes),
            other => Err(unexpected(column, "bytes", other)),
        }
    }

    /// Takes the bytes out without copying them; the column is NULL afterwards.
    pub fn take_bytes(&mut self, column: usize) -> Result<Vec<u8>, StoreError> {
        match self.0.get_mut(column) {
            Some(OwnedValue::Bytes(bytes)) => Ok(std::mem::take(bytes)),
            other => Err(unexpected(column, "bytes", other.map(|v| &*v))),
        }
    }

    pub fn take_optional_bytes(&mut self, column: usize) -> Result<Option<Vec<u8>>, StoreError> {
        match self.0.get(column) {
            Some(OwnedValue::Null) => Ok(None),
            _ => self.take_bytes(column).map(Some),
        }
    }

    pub fn text(&mut self, column: usize) -> Result<String, StoreError> {
        String::from_utf8(self.take_bytes(column)?)
            .map_err(|_| StoreError::Unusable(format!("stored column {column} is not UTF-8")))
    }
}

fn unexpected(column: usize, wanted: &str, found: Option<&OwnedValue>) -> StoreError {
    let found = match found {
        Some(OwnedValue::Int(_)) => "an integer",
        Some(OwnedValue::Bytes(_)) => "bytes",
        Some(OwnedValue::Null) => "NULL",
        None => "nothing",
    };
    StoreError::Unusable(format!("stored column {column} holds {found}, expected {wanted}"))
}
