//! `topics grow` and `topics status`: more partitions by a larger generation of topics, while everything runs.

use std::process::ExitCode;

use crate::app::Refused;
use crate::args::With;

#[cfg(feature = "services")]
pub use real::{grow, status};

#[cfg(not(feature = "services"))]
pub async fn grow(_: Option<u32>, _: u64, _: With) -> anyhow::Result<ExitCode> {
    Err(absent().into())
}

#[cfg(not(feature = "services"))]
pub async fn status(_: With) -> anyhow::Result<ExitCode> {
    Err(absent().into())
}

#[cfg(not(feature = "services"))]
fn absent() -> Refused {
    Refused(
        "topics in Kafka need a binary with the clients of the services: cargo build --release".to_owned(),
    )
}

#[cfg(feature = "services")]
mod real {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use anyhow::Context;
    use shoptide_config::{Config, LogKind, StoreKind};
    use shoptide_jobs::grow;
    use shoptide_log::{Generation, Log, NewRecord, ReadMax, first_offset};
    use shoptide_schemas::Topic;
    use shoptide_store::{Growth, StoreError, Truth};

    use super::{ExitCode, Refused, With};
    use crate::commands::load_config;
    use crate::data_dir::DataDir;
    use crate::outln;
    use crate::render::table;
    use crate::services;

    /// Between two looks at what others fold.
    const LOOK_AGAIN: Duration = Duration::from_millis(200);
    /// Every broker knows of a seal well before that; the ends must stand still for so long.
    const STILL: Duration = Duration::from_secs(1);
    /// After the switch, readers of before may write budgets where users lived for so long.
    const LATE: Duration = Duration::from_secs(3);
    /// Between two words about the progress.
    const SAY: Duration = Duration::from_secs(5);
    /// Shards that are taken over by others while users move cost another round each.
    const ROUNDS_MAX: u32 = 20;
    /// Records of one read behind a seal.
    const READ: ReadMax = ReadMax { records: 1_000, bytes: 4 * 1024 * 1024 };

    /// What the commands work with.
    struct Place {
        config: Config,
        log: Arc<dyn Log>,
        truth: Arc<dyn Truth>,
    }

    impl Place {
        async fn open(with: &With) -> anyhow::Result<Self> {
            let config = load_config(with.config.as_deref())?;
            if config.log.kind != LogKind::Kafka {
                let message = "log.kind is \"embedded\": its partitions are fixed when it is made; import into a new \
                    data directory with another log.partitions";
                return Err(Refused(message.to_owned()).into());
            }
            if config.store.kind != StoreKind::Mysql {
                let message =
                    "store.kind is \"embedded\": a truth that other processes share is needed to grow";
                return Err(Refused(message.to_owned()).into());
            }
            // Neither of the two uses the folder.
            let data = DataDir::create(&std::env::temp_dir())?;
            let log = services::open_log_patiently(&config, &data).await?;
            let truth = services::open_truth(&config, &data).await?;
            Ok(Self { config, log, truth })
        }

        async fn close(self) {
            self.log.close().await;
            self.truth.close().await;
        }
    }

    pub async fn grow(partitions: Option<u32>, wait_s: u64, with: With) -> anyhow::Result<ExitCode> {
        let place = Place::open(&with).await?;
        let folded = place.truth.generation().await?;
        let (from, to) = topics(&place, folded, partitions).await?;
        services::seal_topics(&place.config, from.number).await?;
        outln!("generation {} takes no more events, generation {} does", from.number, to.number)?;
        let mut growth = Growth {
            generation: to.number,
            from: from.partitions,
            to: to.partitions,
            ends: Vec::new(),
            begin: first_offset(to.number),
        };
        let until = Instant::now() + Duration::from_secs(wait_s);
        for round in 1.. {
            growth.ends = drained(&place, &from, until).await?;
            match grow::enter(&*place.truth, &growth).await {
                Ok(()) => break,
                // Whoever took a shard over has nothing to fold in it; users who moved have moved.
                Err(error @ StoreError::Fenced { .. }) if round < ROUNDS_MAX => {
                    tracing::info!(%error, round, "a shard was taken over meanwhile, once more");
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(error) => return Err(error).context("users could not move; the same command goes on"),
            }
        }
        outln!("generation {} is folded, with {} partitions", to.number, to.partitions)?;
        tokio::time::sleep(LATE).await;
        place.truth.move_late_budgets(&growth).await?;
        let late = bring_over(&place, &from, &growth.ends).await?;
        if 0 < late {
            outln!("{late} events were behind the seal and were appended again")?;
        }
        place.close().await;
        Ok(ExitCode::SUCCESS)
    }

    /// The generation that is folded and the one to enter, which is made if it is not there.
    async fn topics(
        place: &Place,
        folded: u32,
        partitions: Option<u32>,
    ) -> anyhow::Result<(Generation, Generation)> {
        let of = |found: &[Generation], number: u32| found.iter().find(|g| g.number == number).cloned();
        let refused = |message: String| anyhow::Error::from(Refused(message));
        let found = services::generations(&place.config).await?;
        let from = of(&found, folded).ok_or_else(|| {
            refused(format!("the truth folds generation {folded}, which Kafka does not have"))
        })?;
        let next = folded.saturating_add(1);
        match (of(&found, next), partitions) {
            (Some(to), asked) if asked.is_none_or(|asked| asked == to.partitions) => return Ok((from, to)),
            (Some(to), _) => {
                let message = format!(
                    "a growth to {} partitions is not finished; leave --partitions out to go on with it",
                    to.partitions
                );
                return Err(refused(message));
            }
            (None, None) => {
                let message = "nothing to go on with: no growth was begun; say --partitions".to_owned();
                return Err(refused(message));
            }
            (None, Some(asked)) => {
                for name in services::grow_topics(&place.config, next, asked).await? {
                    outln!("made {name}")?;
                }
            }
        }
        let found = services::generations(&place.config).await?;
        let to = of(&found, next).context("the new topics are not there yet; the same command goes on")?;
        Ok((from, to))
    }

    /// Waits until all that a sealed generation holds is folded; where each partition ended then.
    async fn drained(
        place: &Place,
        from: &Generation,
        until: Instant,
    ) -> anyhow::Result<Vec<(Topic, u32, i64)>> {
        let (mut before, mut since, mut said) = (Vec::new(), Instant::now(), Instant::now());
        loop {
            let ends = services::partition_ends(&place.config, from).await?;
            if ends != before {
                (before, since) = (ends, Instant::now());
            }
            let left = left(place, &before).await?;
            let behind: i64 = left.iter().map(|(.., left)| *left).sum();
            if behind == 0 && STILL <= since.elapsed() {
                return Ok(left.into_iter().map(|(topic, shard, at, _)| (topic, shard, at)).collect());
            }
            if until <= Instant::now() {
                anyhow::bail!(
                    "{behind} events of generation {} are not folded yet: do stream processes run? the same command goes on",
                    from.number
                );
            }
            if SAY <= said.elapsed() {
                said = Instant::now();
                outln!("{behind} events of generation {} are not folded yet", from.number)?;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Of each partition where the truth stands, and what is left before its end.
    async fn left(place: &Place, ends: &[(Topic, u32, i64)]) -> anyhow::Result<Vec<(Topic, u32, i64, i64)>> {
        let rows = place.truth.offsets().await?;
        let mut found = Vec::with_capacity(ends.len());
        for &(topic, shard, end) in ends {
            let row = rows.iter().find(|row| (row.topic, row.shard) == (topic, shard));
            // Nobody has folded anything of a partition without a row.
            let at = row.map_or(end.min(first_offset(shoptide_log::generation_of(end))), |row| row.next_off);
            let mut left = end.saturating_sub(at).max(0);
            // What ended another producer's transaction is an offset, not a record.
            if 0 < left && left < 10 && place.log.read(topic, shard, at, READ).await?.is_empty() {
                left = 0;
            }
            found.push((topic, shard, at, left));
        }
        Ok(found)
    }

    /// Appends again what came to a generation behind its end, which a broker that was slow to seal may have taken.
    async fn bring_over(
        place: &Place,
        from: &Generation,
        ended: &[(Topic, u32, i64)],
    ) -> anyhow::Result<usize> {
        let mut late = 0;
        for &(topic, shard, end) in ended {
            for record in place.log.read(topic, shard, end, READ).await? {
                let (Some(key), Some(value)) = (record.key, record.value) else { continue };
                place.log.append(vec![NewRecord { topic, key, value }]).await?;
                late += 1;
            }
        }
        if 0 < late {
            tracing::warn!(generation = from.number, late, "events came behind the seal");
        }
        Ok(late)
    }

    pub async fn status(with: With) -> anyhow::Result<ExitCode> {
        let place = Place::open(&with).await?;
        let folded = place.truth.generation().await?;
        let found = services::generations(&place.config).await?;
        let written = found.iter().rev().find(|g| {
            g.number == 1 || found.iter().any(|before| before.number + 1 == g.number && before.sealed)
        });
        let written = written.map_or(1, |g| g.number);
        let (mut rows, mut fine) = (Vec::new(), true);
        for generation in &found {
            let ends = services::partition_ends(&place.config, generation).await?;
            let first = first_offset(generation.number);
            let (state, left) = if generation.number < folded {
                let ended = place.truth.ended(generation.number).await?;
                let mut behind = 0;
                for (topic, shard, at) in &ended {
                    behind += place.log.read(*topic, *shard, *at, READ).await?.len();
                }
                fine &= behind == 0;
                ("left", format!("{behind} behind the seal"))
            } else if generation.number == folded {
                let left = left(&place, &ends).await?;
                ("folded", format!("{} to fold", left.iter().map(|(.., left)| *left).sum::<i64>()))
            } else {
                let waiting: i64 = ends.iter().map(|(.., end)| end.saturating_sub(first)).sum();
                ("waits", format!("{waiting} to fold"))
            };
            let written = if generation.number == written { "written" } else { "" };
            let sealed = if generation.sealed { "sealed" } else { "" };
            rows.push(vec![
                generation.number.to_string(),
                generation.partitions.to_string(),
                state.to_owned(),
                written.to_owned(),
                sealed.to_owned(),
                left,
            ]);
        }
        crate::out!("{}", table(&["generation", "partitions", "", "", "", "events"], &rows))?;
        if folded < written {
            outln!("\na growth is not finished; `shoptide topics grow` goes on with it")?;
            fine = false;
        }
        place.close().await;
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
