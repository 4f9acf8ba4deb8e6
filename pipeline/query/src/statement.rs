//! Texts of SQL, cut into statements that only read.

use datafusion::sql::parser::{DFParserBuilder, Statement as Parsed};
use datafusion::sql::sqlparser::ast::Statement as Sql;
use datafusion::sql::sqlparser::dialect::GenericDialect;

use crate::error::QueryError;

/// One statement that only reads.
#[derive(Debug, Clone)]
pub struct Statement(Parsed);

impl Statement {
    /// The statements of a text, in their order; all of them, or the first that is none or would change something.
    ///
    /// # Errors
    /// [`QueryError::Syntax`] with the place in the text; [`QueryError::ReadOnly`].
    pub fn all(sql: &str) -> Result<Vec<Statement>, QueryError> {
        let parsed =
            DFParserBuilder::new(sql).with_dialect(&GenericDialect {}).build()?.parse_statements()?;
        parsed.into_iter().map(Self::reading).collect()
    }

    fn reading(parsed: Parsed) -> Result<Self, QueryError> {
        match &parsed {
            Parsed::Statement(sql) if !reads(sql) => {
                Err(QueryError::ReadOnly { what: first_words(&sql.to_string()) })
            }
            Parsed::CreateExternalTable(_) => {
                Err(QueryError::ReadOnly { what: "CREATE EXTERNAL TABLE".to_owned() })
            }
            Parsed::CopyTo(_) => Err(QueryError::ReadOnly { what: "COPY".to_owned() }),
            Parsed::Reset(_) => Err(QueryError::ReadOnly { what: "RESET".to_owned() }),
            Parsed::Statement(_) | Parsed::Explain(_) => Ok(Self(parsed)),
        }
    }

    pub(crate) fn into_inner(self) -> Parsed {
        self.0
    }
}

fn reads(sql: &Sql) -> bool {
    match sql {
        Sql::Query(_)
        | Sql::ExplainTable { .. }
        | Sql::ShowTables { .. }
        | Sql::ShowColumns { .. }
        | Sql::ShowFunctions { .. } => true,
        Sql::Explain { statement, .. } => reads(statement),
        _ => false,
    }
}

/// As much of a statement as names it: its leading words in capitals.
fn first_words(sql: &str) -> String {
    let word = |w: &&str| w.chars().all(|c| c.is_ascii_uppercase());
    let words: Vec<&str> = sql.split_whitespace().take_while(word).take(3).collect();
    if words.is_empty() { "this statement".to_owned() } else { words.join(" ") }
}
