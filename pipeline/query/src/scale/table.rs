//! How the lake's tables travel: as the list of files of the commit that the question was asked of, so that everybody reads the
//! same ones, however the lake goes on meanwhile.

use std::any::Any;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::exec_datafusion_err;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreUrl;
use shoptide_schemas::{EventType, Topic};

use crate::LAKE_URL;
use crate::lake::{LakeKind, LakePart, LakeTable, Opened};

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    records: bool,
    parts: Vec<WirePart>,
}

/// Path, bytes, rows, topic, partition, first offset, next offset, day, type.
#[derive(serde::Serialize, serde::Deserialize)]
struct WirePart(String, u64, u64, u8, u32, i64, i64, Option<i32>, Option<String>);

/// The table as bytes, if it is one of the lake.
pub(super) fn encode(table: &dyn TableProvider) -> Result<Option<Vec<u8>>> {
    let any: &dyn Any = table;
    let Some(table) = any.downcast_ref::<LakeTable>() else { return Ok(None) };
    let part = |part: &LakePart| {
        let topic = Topic::from_name(part.topic).map(Topic::code);
        Some(WirePart(
            part.path.clone(),
            part.bytes,
            part.rows,
            topic?,
            part.partition,
            part.offsets.0,
            part.offsets.1,
            part.day,
            part.event_type.map(|t| t.name().to_owned()),
        ))
    };
    let parts: Option<Vec<WirePart>> = table.parts().iter().map(part).collect();
    let parts =
        parts.ok_or_else(|| exec_datafusion_err!("a file of the lake has a topic that nobody knows"))?;
    let wire = Wire { records: table.kind() == LakeKind::Records, parts };
    serde_json::to_vec(&wire).map(Some).map_err(|e| exec_datafusion_err!("a table of the lake: {e}"))
}

/// The table that [`encode`] made this of.
pub(super) fn decode(bytes: &[u8]) -> Result<Arc<dyn TableProvider>> {
    let bad = |what: String| exec_datafusion_err!("a table of the lake: {what}");
    let wire: Wire = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
    let part = |WirePart(path, bytes, rows, topic, partition, first, next, day, event_type): WirePart| {
        let topic = Topic::from_code(i64::from(topic)).ok_or_else(|| bad(format!("topic {topic}")))?;
        let event_type = match event_type {
            Some(name) => Some(EventType::from_name(&name).ok_or_else(|| bad(format!("type {name:?}")))?),
            None => None,
        };
        Ok(LakePart {
            path,
            bytes,
            rows,
            topic: topic.name(),
            partition,
            offsets: (first, next),
            day,
            event_type,
        })
    };
    let parts = wire.parts.into_iter().map(part).collect::<Result<Vec<LakePart>>>()?;
    let kind = if wire.records { LakeKind::Records } else { LakeKind::Events };
    Ok(Arc::new(LakeTable::new(kind, ObjectStoreUrl::parse(LAKE_URL)?, parts, Arc::new(Opened::default()))))
}
