//! Where a report's events and groups of users come from.

use async_trait::async_trait;
use shoptide_models::report::{Period, Seen};
use shoptide_schemas::UserId;

use super::ReportError;

/// Events that are read together: all of a user's are in one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventGroup {
    /// What the source calls it.
    pub number: u32,
    /// Events of it at most.
    pub events_max: u64,
}

/// A reader of events.
#[async_trait]
pub trait Events: Send + Sync {
    /// As reports name it.
    fn name(&self) -> &'static str;

    /// Groups with events of the period.
    ///
    /// # Errors
    /// [`ReportError`] if the source cannot be asked.
    async fn groups(&self, period: Period) -> Result<Vec<EventGroup>, ReportError>;

    /// Whether a user's events may be in this group.
    fn holds(&self, group: &EventGroup, user: &UserId) -> bool {
        let _ = (group, user);
        true
    }

    /// Hands over every event of a group that a report may need, in any order, and every erasure; those outside of the
    /// period may be among them. May be called again.
    ///
    /// # Errors
    /// [`ReportError`]; what was handed over until then is not all.
    async fn read(
        &self,
        group: &EventGroup,
        period: Period,
        take: &mut (dyn for<'a> FnMut(Seen<'a>) + Send),
    ) -> Result<(), ReportError>;
}

/// Groups that users are in.
#[async_trait]
pub trait Segments: Send + Sync {
    /// The names of the users' groups, in their order; none for a user in no group.
    ///
    /// # Errors
    /// [`ReportError`] if they cannot be asked.
    async fn of(&self, users: &[UserId]) -> Result<Vec<Option<String>>, ReportError>;
}
