//! What an executor says of a part that failed. Ballista hands the text of errors on as `{:?}` shows them, so one that says what
//! went wrong is put between marks, and taken out of all that is around it where it is shown.

use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};

use ballista_core::error::BallistaError;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use super::ScaleError;
use crate::QueryError;

const MARKS: [char; 2] = ['\u{ab}', '\u{bb}'];

/// An error as a sentence.
struct Said(String);

impl Debug for Said {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [open, close] = MARKS;
        write!(f, "{open}{}{close}", self.0)
    }
}

impl Display for Said {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Said {}

/// The error as a sentence, unless it is one that the scheduler acts on: what passes (the disk, the network) is tried again, and what
/// is gone is made again.
pub(super) fn said(error: DataFusionError) -> DataFusionError {
    if is_acted_on(&error) {
        return error;
    }
    let text = match QueryError::from(error) {
        QueryError::TooMuch { reason } => format!(
            "an executor needs more than it may take: {reason}; its --memory-mib and --work-mib are the bounds"
        ),
        other => other.to_string(),
    };
    DataFusionError::External(Box::new(Said(text)))
}

fn is_acted_on(error: &DataFusionError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<BallistaError>() || error.is::<std::io::Error>() {
            return true;
        }
        cause = match error.downcast_ref() {
            Some(ArrowError::ExternalError(inner)) => Some(inner.as_ref()),
            Some(ArrowError::IoError(..)) => return true,
            _ => error.source(),
        };
    }
    false
}

/// The sentence in what came back from the cluster, if an executor said one.
pub(super) fn sentence(error: &DataFusionError) -> Option<String> {
    let text = error.to_string();
    let [open, close] = MARKS;
    let (_, from) = text.split_once(open)?;
    Some(from.rsplit_once(close)?.0.to_owned())
}

impl From<DataFusionError> for ScaleError {
    fn from(error: DataFusionError) -> Self {
        match sentence(&error) {
            Some(said) => Self::Failed(said),
            None => Self::Query(error),
        }
    }
}

/// As a query is told.
pub(super) fn query_error(error: DataFusionError) -> QueryError {
    match sentence(&error) {
        Some(said) => QueryError::Failed(said),
        None => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_survives_and_what_is_acted_on_stays_as_it_is() {
        let divided = || DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None);
        let carried = DataFusionError::Execution(format!("Job failed: {:?}", said(divided())));
        assert_eq!(sentence(&carried).as_deref(), Some("Arrow error: Divide by zero error"));
        assert!(
            matches!(ScaleError::from(carried), ScaleError::Failed(said) if said.ends_with("Divide by zero error"))
        );
        let full = said(DataFusionError::ResourcesExhausted("5 MiB".to_owned()));
        assert!(full.to_string().contains("5 MiB; its --memory-mib"), "{full}");

        let gone = BallistaError::FetchFailed("e".to_owned(), 1, 2, "gone".to_owned());
        let nested = ArrowError::ExternalError(Box::new(DataFusionError::External(Box::new(gone))));
        let kept = said(DataFusionError::ArrowError(Box::new(nested), None));
        assert!(matches!(kept, DataFusionError::ArrowError(..)), "{kept:?}");
        let disk = said(DataFusionError::IoError(std::io::Error::other("full")));
        assert!(matches!(disk, DataFusionError::IoError(_)), "{disk:?}");
        assert_eq!(sentence(&divided()), None);
    }
}
