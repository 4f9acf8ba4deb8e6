//! Which model was published at a moment, and what of it is still there.

use std::collections::BTreeSet;

use serde::Serialize;
use shoptide_live::{LiveError, ModelFiles, load_version};
use shoptide_schemas::EventMs;
use shoptide_store::{ModelRow, Truth};

use super::ReplayToError;

/// The model of a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelThen {
    /// The version to use; none if none was published then.
    pub version: Option<u64>,
    /// Whether it is the one that was published then.
    pub exact: bool,
    /// For people: which one, and why not another.
    pub note: String,
}

/// The newest version published at or before a moment; if it is gone, the nearest that is kept.
/// - `rows`: what is kept
/// - `published`: the version of now
pub fn model_then(rows: &[ModelRow], published: Option<u64>, at_ms: i64) -> ModelThen {
    let when = |row: &ModelRow| EventMs(row.created_ms).to_rfc3339();
    let then = rows.iter().filter(|row| row.created_ms <= at_ms).max_by_key(|row| row.version);
    let next = rows.iter().filter(|row| at_ms < row.created_ms).min_by_key(|row| row.version);
    match (then, next) {
        (Some(row), next) => {
            // Between two versions that are kept others may have been.
            let last = next
                .map_or(published.map_or(row.version, |now| now.max(row.version)), |next| next.version - 1);
            let exact = last == row.version || next.is_none();
            let note = match exact {
                true => format!("version {}, published {}", row.version, when(row)),
                false => format!(
                    "version {}, published {}: of the versions up to {last} that followed none is kept, one of them may have been in use",
                    row.version,
                    when(row)
                ),
            };
            ModelThen { version: Some(row.version), exact, note }
        }
        (None, Some(first)) if first.version == 1 => ModelThen {
            version: None,
            exact: true,
            note: format!("none: the first was published {}", when(first)),
        },
        (None, Some(first)) => ModelThen {
            version: Some(first.version),
            exact: false,
            note: format!(
                "the version of then is gone; the nearest that is kept is {}, published {}",
                first.version,
                when(first)
            ),
        },
        (None, None) => match published {
            Some(now) => ModelThen {
                version: None,
                exact: false,
                note: format!("none is kept, although version {now} was published"),
            },
            None => ModelThen { version: None, exact: true, note: "none was ever published".to_owned() },
        },
    }
}

/// The version that an answer names, 0 for none; if it is gone, the one of a moment.
pub fn model_named(rows: &[ModelRow], published: Option<u64>, (version, at_ms): (u64, i64)) -> ModelThen {
    if version == 0 {
        return ModelThen { version: None, exact: true, note: "none, as the answer says".to_owned() };
    }
    match rows.iter().find(|row| row.version == version) {
        Some(row) => {
            let when = EventMs(row.created_ms).to_rfc3339();
            let note = format!("version {version}, as the answer says, published {when}");
            ModelThen { version: Some(version), exact: true, note }
        }
        None => {
            let nearest = model_then(rows, published, at_ms);
            let note = format!("version {version}, which the answer names, is not kept; {}", nearest.note);
            ModelThen { exact: false, note, ..nearest }
        }
    }
}

/// Copies a version with all that it is built on into another store and its folder. A version that cannot be read is left out, and said.
///
/// # Errors
/// [`ReplayToError`] if either store or the folder fails.
pub async fn take_chain(
    from: (&dyn Truth, &ModelFiles),
    to: (&dyn Truth, &ModelFiles),
    mut then: ModelThen,
) -> Result<ModelThen, ReplayToError> {
    let Some(version) = then.version else { return Ok(then) };
    let rows = from.0.models().await?;
    match load_version(from.0, from.1, version, None).await {
        Ok(_) => {}
        Err(LiveError::Model(error)) if error.is_lost() => {
            then = ModelThen {
                version: None,
                exact: false,
                note: format!("version {version} is lost: {error}"),
            };
            return Ok(then);
        }
        Err(error) => return Err(error.into()),
    }
    let mut chain = Vec::new();
    let (mut next, mut seen) = (Some(version), BTreeSet::new());
    while let Some(row) =
        next.filter(|v| seen.insert(*v)).and_then(|v| rows.iter().find(|row| row.version == v))
    {
        next = row.parent.filter(|_| row.kind == "delta");
        chain.push(row.clone());
    }
    chain.reverse();
    for row in &chain {
        let bytes = from.1.fetch(from.0, row).await?;
        to.1.write(&row.file, &bytes).map_err(LiveError::from)?;
    }
    to.0.adopt_models(chain).await?;
    Ok(then)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: u64, created_ms: i64) -> ModelRow {
        let (parent, kind, file) = (None, "full".to_owned(), String::new());
        ModelRow {
            version,
            parent,
            kind,
            file,
            bytes: 0,
            created_ms,
            lineage: Vec::new(),
            report: Vec::new(),
        }
    }

    #[test]
    fn the_version_that_an_answer_names() {
        let rows = [row(1, 100), row(2, 200)];
        let of = |version| model_named(&rows, Some(2), (version, 150));
        assert_eq!((of(2).version, of(2).exact), (Some(2), true), "the list was made anew after the moment");
        assert_eq!((of(0).version, of(0).exact), (None, true));
        let gone = of(9);
        assert_eq!((gone.version, gone.exact), (Some(1), false));
        assert!(gone.note.contains("version 9"), "{}", gone.note);
    }

    #[test]
    fn the_version_of_a_moment_or_the_nearest_and_it_is_said() {
        let rows = [row(1, 100), row(2, 200), row(5, 500)];
        let of = |at| model_then(&rows, Some(5), at);
        assert_eq!((of(99).version, of(99).exact), (None, true));
        assert_eq!((of(100).version, of(100).exact), (Some(1), true));
        assert_eq!((of(250).version, of(250).exact), (Some(2), false), "3 and 4 are gone");
        assert_eq!((of(500).version, of(500).exact), (Some(5), true));
        let late = model_then(&rows[2..], Some(5), 250);
        assert_eq!((late.version, late.exact), (Some(5), false));
        assert!(late.note.contains("gone"), "{}", late.note);
        assert!(model_then(&[], None, 1).exact);
        assert!(!model_then(&[], Some(3), 1).exact);
    }
}
