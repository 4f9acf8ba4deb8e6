//! The three scripts. Each touches one key, so that a cluster runs them, and each may run twice or late without harm.

use redis::{Cmd, RedisResult, Value};
use shoptide_faults::{Break, broken};

use super::failure::Failure;
use super::link::Conn;
use super::value::{HEAD_BYTES, VERSION_BYTES};

/// What a script said it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// A newer value or a tombstone stays.
    Left,
    Renewed,
    Written,
}

/// One call of a script.
#[derive(Debug)]
pub(super) struct Call {
    pub key: Vec<u8>,
    /// What is written, if the script writes.
    pub value: Vec<u8>,
    pub ttl_ms: i64,
}

impl Call {
    /// What the command takes on its way: the script's hash and its own frame come to less than 100 bytes.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.len() + 100
    }
}

/// A script and the hash by which a server knows it.
pub(super) struct Script {
    text: String,
    hash: String,
}

impl Script {
    fn new(text: String) -> Self {
        Self { hash: redis::Script::new(&text).get_hash().to_owned(), text }
    }
}

pub(super) struct Scripts {
    pub set: Script,
    pub remove: Script,
    pub clear: Script,
}

impl Scripts {
    pub fn new() -> Self {
        Self {
            set: Script::new(set_text()),
            remove: Script::new(remove_text()),
            clear: Script::new(clear_text()),
        }
    }
}

/// Sets only if newer; the same version again stays longer, unless it was removed. Version and echo are compared as strings: a
/// head that is not this key's counts as nothing held. A full server allows what replaces a list only because DEL, which it
/// always allows, went before: an older list never stays for lack of room.
fn set_text() -> String {
    if broken(Break::CacheUnversioned) {
        return "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\nreturn 2".to_owned();
    }
    format!(
        "local head = redis.call('GETRANGE', KEYS[1], 0, {last})
local new = string.sub(ARGV[1], 1, {version})
if #head == {HEAD_BYTES} and string.sub(head, {echo}) == string.sub(ARGV[1], {echo}, {HEAD_BYTES}) then
  local held = string.sub(head, 1, {version})
  if held > new then return 0 end
  if held == new then
    if redis.call('STRLEN', KEYS[1]) == {HEAD_BYTES} then return 0 end
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return 1
  end
end
if #head > 0 then redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 2",
        last = HEAD_BYTES - 1,
        version = VERSION_BYTES,
        echo = VERSION_BYTES + 1,
    )
}

/// Leaves the tombstone that comes with the call, above every version: a list newer than the one that goes may be on its way. A full
/// server allows the SET only because DEL, which it always allows, went before: an erasure works even then. STRLEN refuses a key
/// that is no string, and so not ours.
fn remove_text() -> String {
    if broken(Break::NoGraves) {
        return "redis.call('DEL', KEYS[1])\nreturn 2".to_owned();
    }
    "redis.call('STRLEN', KEYS[1])\nredis.call('DEL', KEYS[1])\nredis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\nreturn 2".to_owned()
}

/// Takes a list away and leaves a tombstone, which a late reader must still meet.
fn clear_text() -> String {
    format!(
        "if redis.call('STRLEN', KEYS[1]) == {HEAD_BYTES} then return 0 end\nreturn redis.call('UNLINK', KEYS[1]) * 2"
    )
}

/// Runs calls in one pipeline on a single server, each with its own outcome. Those that found the script unknown (a restart,
/// SCRIPT FLUSH) are played again, once, and bring its text along: a SCRIPT LOAD before them could be flushed as well.
///
/// # Errors
/// Of the connection, which concern all calls.
pub(super) async fn run_pipeline(
    conn: &mut Conn,
    script: &Script,
    calls: &[Call],
) -> Result<Vec<Result<Done, Failure>>, Failure> {
    let by_hash = calls.iter().map(|call| command("EVALSHA", &script.hash, call));
    let mut outcomes = replies(conn, by_hash).await?;
    let unknown: Vec<_> =
        calls.iter().zip(&mut outcomes).filter(|(_, outcome)| is_unknown(outcome)).collect();
    if unknown.is_empty() {
        return Ok(outcomes);
    }
    let by_text = unknown.iter().map(|(call, _)| command("EVAL", &script.text, call));
    let again = replies(conn, by_text).await?;
    unknown.into_iter().zip(again).for_each(|((_, outcome), again)| *outcome = again);
    Ok(outcomes)
}

fn is_unknown(outcome: &Result<Done, Failure>) -> bool {
    matches!(outcome, Err(Failure::NoScript))
}

/// Runs one call wherever its key lives. Which node lost the script is not known, so the script goes along with the key.
pub(super) async fn run_one(conn: &mut Conn, script: &Script, call: &Call) -> Result<Done, Failure> {
    match done(command("EVALSHA", &script.hash, call).query_async(conn).await) {
        outcome if is_unknown(&outcome) => done(command("EVAL", &script.text, call).query_async(conn).await),
        outcome => outcome,
    }
}

fn command(name: &str, script: &str, call: &Call) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(1).arg(&call.key).arg(&call.value).arg(call.ttl_ms);
    command
}

async fn replies(
    conn: &mut Conn,
    commands: impl Iterator<Item = Cmd>,
) -> Result<Vec<Result<Done, Failure>>, Failure> {
    let mut pipeline = redis::pipe();
    for command in commands {
        pipeline.add_command(command);
    }
    let expected = pipeline.len();
    let replies: Vec<RedisResult<Value>> = pipeline.ignore_errors().query_async(conn).await?;
    if replies.len() != expected {
        // Which reply is whose cannot be told any more: the connection goes.
        return Err(Failure::Lost(format!("{} replies to {expected} commands", replies.len())));
    }
    let outcomes: Vec<_> = replies.into_iter().map(done).collect();
    match outcomes.iter().find(|outcome| matches!(outcome, Err(Failure::Lost(_)))) {
        Some(Err(lost)) => Err(lost.clone()),
        _ => Ok(outcomes),
    }
}

fn done(reply: RedisResult<Value>) -> Result<Done, Failure> {
    match reply? {
        Value::Int(0) => Ok(Done::Left),
        Value::Int(1) => Ok(Done::Renewed),
        Value::Int(2) => Ok(Done::Written),
        // Not an answer of these scripts, so perhaps one to another question.
        _ => Err(Failure::Lost("a reply that none of our scripts gives".to_owned())),
    }
}
