//! One question after the other on a terminal, with a history.

use std::path::PathBuf;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use shoptide_query::functions::MEANINGS;
use shoptide_query::{Shop, Statement};

use super::answer::Target;
use super::ask::answered;
use crate::render::{OutputClosed, table};
use crate::{out, outln};

/// Questions remembered.
const HISTORY_MAX: usize = 1_000;
/// In the home directory.
const HISTORY_FILE: &str = ".shoptide_sql_history";
/// Of one question: beyond it somebody has pasted a file.
const QUESTION_BYTES_MAX: usize = 1024 * 1024;

const HELP: &str = "A question ends with `;` and may have several lines.
\\d        the tables            \\d TABLE  its columns
\\df       functions of ours     \\q        the end
Ctrl-C ends a question that is being answered, or forgets a line that is being typed.
";

/// Asks until `\q` or the end of input. What a question comes to is told; the next may be better.
pub async fn run(shop: Shop, target: Target) -> anyhow::Result<()> {
    let history = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(HISTORY_FILE));
    let config = rustyline::Config::builder().max_history_size(HISTORY_MAX)?.auto_add_history(false).build();
    let mut editor = DefaultEditor::with_config(config)?;
    if let Some(history) = &history {
        // The first time there is none.
        let _ = editor.load_history(history);
    }
    outln!("Tables: {}. \\? helps, \\q ends.", shop.tables().join(", "))?;
    let mut typed = String::new();
    loop {
        let prompt = if typed.is_empty() { "shoptide> " } else { "      ... " };
        // The editor waits for keys, which is no work for a thread of the runtime.
        let (back, line) = tokio::task::spawn_blocking(move || {
            let line = editor.readline(prompt);
            (editor, line)
        })
        .await?;
        editor = back;
        match line {
            Ok(line) => take(&shop, &target, &mut editor, &mut typed, &line).await?,
            Err(ReadlineError::Interrupted) => typed.clear(),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        }
        if typed == QUIT {
            break;
        }
    }
    if let Some(history) = &history {
        // A home that cannot be written costs the history, nothing else.
        let _ = editor.save_history(history);
    }
    Ok(())
}

const QUIT: &str = "\\q";

async fn take(
    shop: &Shop,
    target: &Target,
    editor: &mut DefaultEditor,
    typed: &mut String,
    line: &str,
) -> anyhow::Result<()> {
    if typed.is_empty() && line.trim_start().starts_with('\\') {
        // Only a bound on lines could refuse it, and there is none.
        let _ = editor.add_history_entry(line.trim());
        if line.trim() == QUIT {
            *typed = QUIT.to_owned();
            return Ok(());
        }
        return command(shop, line.trim()).await;
    }
    if !typed.is_empty() {
        typed.push('\n');
    }
    typed.push_str(line);
    if QUESTION_BYTES_MAX < typed.len() {
        outln!("a question of more than {QUESTION_BYTES_MAX} bytes is not taken")?;
        typed.clear();
        return Ok(());
    }
    if typed.trim().is_empty() {
        typed.clear();
        return Ok(());
    }
    if !typed.trim_end().ends_with(';') {
        return Ok(());
    }
    let question = std::mem::take(typed);
    let _ = editor.add_history_entry(question.trim());
    match Statement::all(&question) {
        Ok(statements) => {
            for statement in statements {
                if let Err(error) = answered(shop, statement, target).await {
                    tell(error)?;
                    break;
                }
            }
        }
        Err(error) => tell(error.into())?,
    }
    Ok(())
}

/// Says what a question came to, unless nobody listens any more.
fn tell(error: anyhow::Error) -> anyhow::Result<()> {
    if error.is::<OutputClosed>() {
        return Err(error);
    }
    outln!("{error:#}")
}

async fn command(shop: &Shop, line: &str) -> anyhow::Result<()> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("\\d"), None) => {
            let rows: Vec<Vec<String>> = shop.tables().into_iter().map(|name| vec![name]).collect();
            out!("{}", table(&["table"], &rows))
        }
        (Some("\\d"), Some(name)) => match shop.columns(name.trim_end_matches(';')).await {
            Ok(schema) => {
                let columns = schema.fields().iter();
                let rows: Vec<Vec<String>> =
                    columns.map(|f| vec![f.name().clone(), f.data_type().to_string()]).collect();
                out!("{}", table(&["column", "type"], &rows))
            }
            Err(error) => tell(error.into()),
        },
        (Some("\\df"), _) => {
            let rows: Vec<Vec<String>> =
                MEANINGS.iter().map(|(call, does)| vec![(*call).to_owned(), (*does).to_owned()]).collect();
            out!("{}", table(&["function", "does"], &rows))
        }
        _ => out!("{HELP}"),
    }
}
