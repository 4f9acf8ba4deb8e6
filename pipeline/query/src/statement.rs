//! Texts of SQL, cut into statements that only read.

use datafusion::sql::parser::{DFParserBuilder, Statement as Parsed};
use datafusion::sql::sqlparser::ast::Statement as Sql;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

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
        short(sql)?;
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

/// Operators of one statement: each may nest what is before it, and what is nested is read, planned and dropped on a stack.
const OPERATORS_MAX: usize = 2_000;

/// Refuses a statement that would need more stack than there is, before it is parsed.
fn short(sql: &str) -> Result<(), QueryError> {
    // What cannot be cut into tokens is refused by the parser, which knows the place.
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize() else { return Ok(()) };
    let mut operators = 0usize;
    for token in &tokens {
        match token {
            Token::SemiColon => operators = 0,
            Token::Word(word) => operators += usize::from(NESTING.contains(&word.keyword)),
            Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::HexStringLiteral(_)
            | Token::Whitespace(_)
            | Token::Comma
            | Token::Period
            | Token::LParen
            | Token::RParen
            | Token::RBracket
            | Token::EOF => {}
            _ => operators += 1,
        }
        if OPERATORS_MAX < operators {
            return Err(QueryError::Wrong(format!(
                "a statement has more than {OPERATORS_MAX} operators: a long list of alternatives is better written with IN"
            )));
        }
    }
    Ok(())
}

/// Words that nest as operators do.
const NESTING: [Keyword; 18] = [
    Keyword::AND,
    Keyword::AT,
    Keyword::BETWEEN,
    Keyword::CASE,
    Keyword::COLLATE,
    Keyword::DIV,
    Keyword::EXCEPT,
    Keyword::ILIKE,
    Keyword::IN,
    Keyword::INTERSECT,
    Keyword::IS,
    Keyword::JOIN,
    Keyword::LIKE,
    Keyword::NOT,
    Keyword::OR,
    Keyword::SIMILAR,
    Keyword::UNION,
    Keyword::XOR,
];

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
