//! Questions to the lake that a cluster answers.

use std::process::ExitCode;

use shoptide_query::Statement;

use super::answer::Target;
use crate::args::Sql;

#[cfg(feature = "scale")]
pub async fn run(
    args: &Sql,
    scheduler: &str,
    statements: Vec<Statement>,
    target: &Target,
) -> anyhow::Result<ExitCode> {
    use std::time::Duration;

    use anyhow::Context;
    use shoptide_query::QueryError;
    use shoptide_query::scale::{ClusterShop, ScaleError};

    use crate::app::{Refused, Signals};
    use crate::args::LakeAt;
    use crate::commands::cluster::open_lake;
    use crate::outln;

    /// For the scheduler, and then for an executor: somebody looks on.
    const PATIENCE: Duration = Duration::from_secs(15);
    // Nothing is held fixed by who asks.
    let at = LakeAt { lake: args.lake.clone(), held_mib: 1, place: args.place.clone() };
    let lake = open_lake(&at).await?;
    let snapshot = lake.lake.snapshot().await.context("the lake")?;
    let shop =
        ClusterShop::open(&lake.cluster, scheduler, PATIENCE, &snapshot).await.map_err(|e| match e {
            ScaleError::Refused(what) => anyhow::Error::from(Refused(what)),
            other => other.into(),
        })?;
    let mut signals = Signals::catch()?;
    for (place, statement) in statements.into_iter().enumerate() {
        if 0 < place {
            outln!()?;
        }
        let answer = async { target.write(shop.run(statement).await?).await };
        let answered = tokio::select! {
            answered = answer => answered,
            () = signals.next() => Err(QueryError::Ended.into()),
        };
        if answered.is_err() {
            // Else executors go on with it, and nobody else is answered.
            shop.cancel().await;
        }
        answered?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "scale"))]
pub async fn run(_: &Sql, _: &str, _: Vec<Statement>, _: &Target) -> anyhow::Result<ExitCode> {
    Err(crate::commands::cluster::not_built())
}
