//! Chats in SQL. A turn is written where the dialogue still has the turns that its writer read: of two who answer at once, one
//! writes nothing.

use shoptide_schemas::{ItemId, UserId};

use super::batch::{self, Rows};
use super::conn::SqlConn;
use super::reads::limit_of;
use super::tables;
use super::value::{Row, Value};
use crate::{
    ChatFeedback, ChatKey, ChatMessage, ChatOpinion, ChatRecord, ChatSession, ChatTurn, ERASED_USER,
    StoreError, user_hash,
};

/// Keyed by shard, user and dialogue. The dialogue goes first: without it nobody finds the rest.
pub(super) const TABLES: [&str; 3] = ["chat_session", "chat_message", "chat_record"];

const SESSION: StoreError = StoreError::Changed { what: "the session" };
const ERASED: StoreError = StoreError::Changed { what: ERASED_USER };

fn key_of(key: &ChatKey) -> [Value<'_>; 3] {
    [key.shard.into(), Value::Bytes(key.user.as_bytes()), Value::Bytes(key.session.as_bytes())]
}

pub(super) async fn session<C: SqlConn>(
    conn: &mut C,
    key: &ChatKey,
) -> Result<Option<ChatSession>, StoreError> {
    let sql = "SELECT turns, created_ms, updated_ms, state FROM chat_session \
        WHERE shard = ? AND user_id = ? AND session_id = ?";
    let row = |mut row: Row| {
        Ok(ChatSession {
            turns: row.number(0)?,
            created_ms: row.int(1)?,
            updated_ms: row.int(2)?,
            state: row.take_bytes(3)?,
        })
    };
    conn.query(sql, &key_of(key)).await?.into_iter().next().map(row).transpose()
}

pub(super) async fn put_turn<C: SqlConn>(conn: &mut C, turn: &ChatTurn) -> Result<(), StoreError> {
    let ChatTurn { key, before, state, message, records, feedback, budget: _ } = turn;
    let [shard, user, session] = key_of(key);
    let at = Value::Int(message.at_ms);
    if *before == 0 {
        let sql = "INSERT INTO chat_session (shard, user_id, session_id, turns, created_ms, updated_ms, state) \
            SELECT ?, ?, ?, 1, ?, ?, ? FROM (SELECT 1 AS one) AS once WHERE NOT EXISTS \
            (SELECT 1 FROM chat_session WHERE shard = ? AND user_id = ? AND session_id = ?)";
        let args = [shard, user, session, at, at, Value::Bytes(state), shard, user, session];
        if conn.execute(sql, &args).await? != 1 {
            return Err(SESSION);
        }
    } else {
        let sql = "UPDATE chat_session SET turns = ?, updated_ms = ?, state = ? \
            WHERE shard = ? AND user_id = ? AND session_id = ? AND turns = ?";
        let next = Value::from(before.saturating_add(1));
        let args = [next, at, Value::Bytes(state), shard, user, session, (*before).into()];
        if conn.execute(sql, &args).await? != 1 {
            return Err(SESSION);
        }
    }
    let number = Value::from(message.turn);
    let mut rows = Rows::with_capacity(tables::CHAT_MESSAGE.columns.len(), 1);
    let (question, answer) = (Value::Bytes(message.question.as_bytes()), Value::Bytes(&message.answer));
    rows.push([shard, user, session, number, at, question, answer]);
    batch::upsert(conn, &tables::CHAT_MESSAGE, &rows).await?;
    let mut rows = Rows::with_capacity(tables::CHAT_RECORD.columns.len(), records.len());
    for record in records {
        rows.push([
            shard,
            user,
            session,
            number,
            record.place.into(),
            Value::Bytes(record.item.as_bytes()),
            Value::Int(record.score),
            Value::Bytes(&record.why),
            Value::Int(record.shown_ms),
            Value::Int(record.feedback.as_ref().map_or(0, |f| i64::from(f.code))),
            Value::Int(record.feedback.as_ref().map_or(0, |f| f.at_ms)),
            Value::Bytes(record.feedback.as_ref().map_or(b"", |f| f.text.as_bytes())),
        ]);
    }
    batch::upsert(conn, &tables::CHAT_RECORD, &rows).await?;
    for ChatOpinion { turn, place, feedback } in feedback {
        put_feedback(conn, key, *turn, *place, feedback).await?;
    }
    not_erased(conn, key).await
}

/// Refuses the turn of an erased user. An erasure leaves its mark before it takes the chats away, and this looks for the mark after the turn is
/// written, waiting for one that is being made: whichever of the two is first, nothing of the turn stays.
async fn not_erased<C: SqlConn>(conn: &mut C, key: &ChatKey) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT topic FROM tombstone WHERE shard = ? AND user_hash = ?{}",
        conn.dialect().for_share()
    );
    let hash = user_hash(&key.user);
    match conn.query(&sql, &[key.shard.into(), Value::Bytes(&hash)]).await?.is_empty() {
        true => Ok(()),
        false => Err(ERASED),
    }
}

pub(super) async fn messages<C: SqlConn>(
    conn: &mut C,
    key: &ChatKey,
    after: u32,
    limit: usize,
) -> Result<Vec<ChatMessage>, StoreError> {
    let sql = "SELECT turn, at_ms, question, answer FROM chat_message \
        WHERE shard = ? AND user_id = ? AND session_id = ? AND turn > ? ORDER BY turn LIMIT ?";
    let [shard, user, session] = key_of(key);
    let row = |mut row: Row| {
        Ok(ChatMessage {
            turn: row.number(0)?,
            at_ms: row.int(1)?,
            question: row.text(2)?,
            answer: row.take_bytes(3)?,
        })
    };
    let args = [shard, user, session, after.into(), limit_of(limit)];
    conn.query(sql, &args).await?.into_iter().map(row).collect()
}

pub(super) async fn record<C: SqlConn>(
    conn: &mut C,
    key: &ChatKey,
    turn: u32,
    place: u32,
) -> Result<Option<ChatRecord>, StoreError> {
    let sql = "SELECT item_id, score, why, shown_ms, feedback, feedback_ms, feedback_text FROM chat_record \
        WHERE shard = ? AND user_id = ? AND session_id = ? AND turn = ? AND place = ?";
    let [shard, user, session] = key_of(key);
    let row = |mut row: Row| {
        let code: u8 = row.number(4)?;
        let (at_ms, text) = (row.int(5)?, row.text(6)?);
        Ok(ChatRecord {
            place,
            item: ItemId::from_trusted(row.bytes(0)?),
            score: row.int(1)?,
            why: row.take_bytes(2)?,
            shown_ms: row.int(3)?,
            feedback: (code != 0).then_some(ChatFeedback { code, at_ms, text }),
        })
    };
    let args = [shard, user, session, turn.into(), place.into()];
    conn.query(sql, &args).await?.into_iter().next().map(row).transpose()
}

pub(super) async fn put_feedback<C: SqlConn>(
    conn: &mut C,
    key: &ChatKey,
    turn: u32,
    place: u32,
    feedback: &ChatFeedback,
) -> Result<(), StoreError> {
    let sql = "UPDATE chat_record SET feedback = ?, feedback_ms = ?, feedback_text = ? \
        WHERE shard = ? AND user_id = ? AND session_id = ? AND turn = ? AND place = ? AND feedback = 0";
    let [shard, user, session] = key_of(key);
    let said = [
        Value::Int(i64::from(feedback.code)),
        Value::Int(feedback.at_ms),
        Value::Bytes(feedback.text.as_bytes()),
    ];
    let args = [said.as_slice(), &[shard, user, session, turn.into(), place.into()]].concat();
    match conn.execute(sql, &args).await? {
        1 => Ok(()),
        _ => Err(StoreError::Changed { what: "the record" }),
    }
}

/// Dialogues that have rested since before a time, the longest first: as many as have `turns_max` turns together, and at least one.
pub(super) async fn rested<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    before_ms: i64,
    turns_max: usize,
) -> Result<Vec<(UserId, String)>, StoreError> {
    let sql = "SELECT user_id, session_id, turns FROM chat_session WHERE shard = ? AND updated_ms < ? \
        ORDER BY updated_ms LIMIT ?";
    let rows = conn.query(sql, &[shard.into(), Value::Int(before_ms), limit_of(turns_max)]).await?;
    let (mut found, mut turns) = (Vec::with_capacity(rows.len()), 0_usize);
    for mut row in rows {
        turns = turns.saturating_add(row.number(2)?);
        if turns_max < turns && !found.is_empty() {
            break;
        }
        found.push((UserId::from_trusted(row.bytes(0)?), row.text(1)?));
    }
    Ok(found)
}

/// Deletes those of these dialogues in which nothing was said meanwhile.
pub(super) async fn forget<C: SqlConn>(
    conn: &mut C,
    shard: u32,
    chats: &[(UserId, String)],
    before_ms: i64,
) -> Result<(), StoreError> {
    let mut chats: Vec<_> = chats.iter().collect();
    chats.sort_unstable();
    for (user, session) in chats {
        let key = [shard.into(), Value::Bytes(user.as_bytes()), Value::Bytes(session.as_bytes())];
        let of = "WHERE shard = ? AND user_id = ? AND session_id = ?";
        let rested = [key.as_slice(), &[Value::Int(before_ms)]].concat();
        let [first, rest @ ..] = TABLES;
        let sql = format!("DELETE FROM {first} {of} AND updated_ms < ?");
        if conn.execute(&sql, &rested).await? == 1 {
            for table in rest {
                conn.execute(&format!("DELETE FROM {table} {of}"), &key).await?;
            }
        }
    }
    Ok(())
}
