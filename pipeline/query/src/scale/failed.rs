//! What an executor says of a part that failed. Ballista hands the text of errors on as `{:?}` shows them, so one that says what
//! went wrong is put between marks, and taken out of all that is around it where it is shown.

use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};

use ballista_core::error::BallistaError;
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;

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

/// The error as a sentence, unless it is one that the scheduler acts on: what passes (the disk) is tried again, and what is gone is made
/// again.
pub(super) fn said(error: DataFusionError) -> DataFusionError {
    match text_of(&error) {
        Some(text) => DataFusionError::External(Box::new(Said(text))),
        None => error,
    }
}

/// What one error is, within all that carry it.
enum Layer<'a> {
    Acted,
    Carries(&'a (dyn Error + 'static)),
    Says(String),
}

fn text_of(error: &DataFusionError) -> Option<String> {
    let mut error: &(dyn Error + 'static) = error;
    loop {
        match layer(error) {
            Layer::Acted => return None,
            Layer::Carries(inner) => error = inner,
            Layer::Says(text) => return Some(text),
        }
    }
}

fn layer<'a>(error: &'a (dyn Error + 'static)) -> Layer<'a> {
    use Layer::{Acted, Carries, Says};
    if let Some(error) = error.downcast_ref::<BallistaError>() {
        return match error {
            BallistaError::FetchFailed(..) | BallistaError::Cancelled | BallistaError::IoError(_) => Acted,
            BallistaError::ArrowError(inner) => Carries(inner.as_ref()),
            BallistaError::DataFusionError(inner) => Carries(inner.as_ref()),
            other => Says(other.to_string()),
        };
    }
    if let Some(error) = error.downcast_ref::<DataFusionError>() {
        return match error {
            DataFusionError::IoError(_) => Acted,
            DataFusionError::Shared(inner) => Carries(inner.as_ref()),
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                Carries(inner.as_ref())
            }
            DataFusionError::External(inner) => Carries(inner.as_ref()),
            DataFusionError::ArrowError(inner, _) => Carries(inner.as_ref()),
            DataFusionError::ParquetError(inner) => Carries(inner.as_ref()),
            DataFusionError::ResourcesExhausted(reason) => Says(too_much(reason)),
            other => Says(other.strip_backtrace()),
        };
    }
    match (error.downcast_ref(), error.downcast_ref(), error.downcast_ref()) {
        (Some(ArrowError::ExternalError(inner)), _, _) => Carries(inner.as_ref()),
        (_, Some(ParquetError::External(inner)), _) => Carries(inner.as_ref()),
        (_, _, Some(QueryError::TooMuch { reason })) => Says(too_much(reason)),
        _ => Says(error.to_string()),
    }
}

fn too_much(reason: &str) -> String {
    format!(
        "an executor needs more than it may take: {reason}; its --memory-mib and --work-mib are the bounds"
    )
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
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_sentence_survives_and_what_is_acted_on_stays_as_it_is() {
        let divided = || DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None);
        // As a writer of parts hands it on.
        let by_ballista = || BallistaError::ArrowError(Box::new(ArrowError::DivideByZero)).into_datafusion();
        for error in [divided(), DataFusionError::Shared(Arc::new(by_ballista()))] {
            let carried = DataFusionError::Execution(format!("Job failed: {:?}", said(error)));
            assert_eq!(sentence(&carried).as_deref(), Some("Divide by zero error"));
            assert!(
                matches!(ScaleError::from(carried), ScaleError::Failed(said) if said == "Divide by zero error")
            );
        }
        let full = DataFusionError::ResourcesExhausted("5 MiB".to_owned());
        let full = said(BallistaError::DataFusionError(Box::new(full)).into_datafusion());
        assert!(full.to_string().contains("5 MiB; its --memory-mib"), "{full}");
        let parquet = ParquetError::External(Box::new(QueryError::Failed("a file".to_owned())));
        let file = said(DataFusionError::ParquetError(Box::new(parquet)));
        assert!(file.to_string().contains("a file") && !file.to_string().contains("Parquet"), "{file}");

        let gone = || BallistaError::FetchFailed("e".to_owned(), 1, 2, "gone".to_owned());
        let nested = ArrowError::ExternalError(Box::new(gone().into_datafusion()));
        let kept = said(DataFusionError::ArrowError(Box::new(nested), None));
        assert!(matches!(kept, DataFusionError::ArrowError(..)), "{kept:?}");
        let kept = said(DataFusionError::Shared(Arc::new(gone().into_datafusion())));
        assert!(matches!(kept, DataFusionError::Shared(_)), "{kept:?}");
        for disk in [
            DataFusionError::IoError(std::io::Error::other("full")),
            BallistaError::IoError(std::io::Error::other("full")).into_datafusion(),
        ] {
            assert_eq!(sentence(&said(disk)), None);
        }
        assert_eq!(sentence(&divided()), None);
    }
}
