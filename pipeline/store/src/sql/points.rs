//! The fail points of a transaction, the same for every database. In a program that is shipped they are nothing, and
//! [`commit`] is the one statement it sends.

use shoptide_faults::{Point, pass};

use super::conn::SqlConn;
use super::writes::Write;
use crate::StoreError;

/// All rows of a write are there, uncommitted.
pub async fn written(store: &'static str, write: &Write) -> Result<(), StoreError> {
    let fails = match write {
        Write::Commit(_) => pass(Point::W3).await,
        Write::SetBudget { .. } => pass(Point::W12).await,
        Write::PublishModel(_) => pass(Point::W13Row).await,
        _ => false,
    };
    if fails { Err(StoreError::Unavailable { store, reason: "a fail point".into() }) } else { Ok(()) }
}

/// Sends COMMIT.
pub async fn commit<C: SqlConn>(conn: &mut C, store: &'static str, write: &Write) -> Result<(), StoreError> {
    if !matches!(write, Write::Commit(_)) {
        return conn.run("COMMIT").await;
    }
    let lost = || StoreError::Unavailable { store, reason: "a fail point".into() };
    if pass(Point::W4Lost).await {
        return Err(lost());
    }
    shoptide_faults::begun(Point::W4Sent, conn.run("COMMIT")).await?;
    if pass(Point::W4).await { Err(lost()) } else { Ok(()) }
}
