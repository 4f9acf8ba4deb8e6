//! `segment`: a user's segment as the store has it, looked up in a map that is loaded before the query runs.

use std::sync::{Arc, PoisonError, RwLock};

use arrow_array::Array;
use arrow_array::builder::StringViewBuilder;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use shoptide_schemas::UserId;
use shoptide_store::user_hash;

use super::text::{is_bytes, is_text};

/// Segment of each user, by hash of his id. Two of ten million users share a hash of 128 bits once in 10^24 shops.
#[derive(Debug, Default)]
pub struct NamedSegments {
    names: Vec<String>,
    /// Sorted by hash once they are all there.
    of: Vec<(u128, u32)>,
    /// What they take of the session's memory.
    held: Option<MemoryReservation>,
}

impl NamedSegments {
    /// What one user takes.
    pub const USER_BYTES: usize = size_of::<(u128, u32)>();

    /// Users, each with the place of his segment among the names.
    pub fn add(&mut self, users: impl IntoIterator<Item = (UserId, u32)>) {
        self.of.extend(users.into_iter().map(|(user, place)| (hash(user.as_bytes()), place)));
    }

    /// No more users come.
    #[must_use]
    pub fn named(mut self, names: Vec<String>, held: MemoryReservation) -> Self {
        self.of.sort_unstable();
        (self.names, self.held) = (names, Some(held));
        self
    }

    pub fn of(&self, user: &[u8]) -> Option<&str> {
        let hash = hash(user);
        let at = self.of.binary_search_by_key(&hash, |(hash, _)| *hash).ok()?;
        let (_, place) = self.of.get(at)?;
        self.names.get(*place as usize).map(String::as_str)
    }
}

fn hash(user: &[u8]) -> u128 {
    u128::from_be_bytes(user_hash(&UserId::from_trusted(user)))
}

/// The map that `segment` looks into; empty until somebody fills it.
#[derive(Debug, Clone, Default)]
pub struct SegmentsHandle(Arc<RwLock<Option<Arc<NamedSegments>>>>);

impl SegmentsHandle {
    pub fn fill(&self, segments: Arc<NamedSegments>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(segments);
    }

    pub fn get(&self) -> Option<Arc<NamedSegments>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Two functions are one if they look into the same map.
impl PartialEq for SegmentsHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SegmentsHandle {}

impl std::hash::Hash for SegmentsHandle {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

/// `segment(user_id)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct SegmentOf {
    signature: Signature,
    segments: SegmentsHandle,
}

/// As SQL names it.
pub const NAME: &str = "segment";

impl SegmentOf {
    pub fn new(segments: SegmentsHandle) -> Self {
        Self { signature: Signature::user_defined(Volatility::Stable), segments }
    }
}

impl ScalarUDFImpl for SegmentOf {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [t] if is_bytes(t) || is_text(t) || t.is_null() => Ok(vec![DataType::BinaryView]),
            _ => plan_err!("segment takes a user's id"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(segments) = self.segments.get() else {
            return exec_err!("segment needs the store, which this process has not opened");
        };
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(users) = arrays.first().and_then(|a| a.as_binary_view_opt()) else {
            return exec_err!("segment takes a user's id");
        };
        let mut out = StringViewBuilder::with_capacity(users.len());
        users.iter().for_each(|user| out.append_option(user.and_then(|user| segments.of(user))));
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}
