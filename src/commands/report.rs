//! `report`: what the lists earn, or why one user sees what he sees.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use serde_json::Value;
use shoptide_config::{Config, StoreKind};
use shoptide_jobs::report::{
    Events, LogEvents, Report, ReportContext, Segments, StoredSegments, Why, catalogue_of, report_once, why,
};
use shoptide_live::fold::state_of;
use shoptide_live::{Live, Metrics};
use shoptide_log::Log;
use shoptide_models::catalogue::Catalogue;
use shoptide_models::list::{ListScratch, PARTS, UNNUMBERED, score_parts};
use shoptide_models::report::{Credit, Dimension, Period, Rate, Rules};
use shoptide_schemas::partition::partition_of;
use shoptide_schemas::{EventMs, ItemId, USER_TOPICS, UserId};
use shoptide_store::Truth;

use crate::app::Refused;
use crate::args;
use crate::commands::ask::{escaped, found, list_table};
use crate::commands::drawn::Drawn;
use crate::commands::load_config;
use crate::data_dir::DataDir;
use crate::render::table;
use crate::services;
use crate::{out, outln};

/// Groups of one kind that the terminal shows; the files have all of them.
const GROUPS: usize = 50;
/// Places of the user's list that a page shows.
const PLACES: usize = 20;

pub async fn run(args: args::Report) -> anyhow::Result<ExitCode> {
    let rules = rules(&args)?;
    let user = args
        .user
        .as_deref()
        .map(UserId::parse)
        .transpose()
        .map_err(|e| Refused(format!("--user: {}", e.message)))?;
    let config = load_config(args.place.config.as_deref())?;
    let data = DataDir::with_log_of(&config, &args.place.data_dir)?;
    // What the API says of one user is asked before the log is opened here.
    let mut said = match &user {
        Some(user) => Some(said_of(&config, &data, &args.place, user).await?),
        None => None,
    };
    let log = services::open_log_patiently(&config, &data).await?;
    let asked = user.as_ref().zip(said.as_mut().map(|(_, list)| list));
    let (catalogue, truth) = known(&config, &data, &log, asked).await?;
    let (progress, drawn) = Drawn::start("report", args.json);
    let context = ReportContext {
        events: events(&args, &config, &data, &log).await?,
        catalogue,
        segments: segments(truth.as_ref(), &log).await?,
        rules,
        out: args.out.clone(),
        progress,
    };
    match user.zip(said) {
        Some((user, (profile, list))) => {
            let why = why(&context, &user, profile, list).await;
            drawn.end().await;
            let why = why?;
            if args.json { outln!("{}", serde_json::to_string(&why)?)? } else { print_why(&why)? }
        }
        None => {
            let outcome = report_once(&context).await;
            drawn.end().await;
            let outcome = outcome?;
            if args.json {
                outln!("{}", serde_json::to_string(&outcome.report)?)?
            } else {
                print(&outcome.report)?
            }
        }
    }
    log.close().await;
    if let Some(truth) = truth {
        truth.close().await;
    }
    if let (Some(out), false) = (&args.out, args.json) {
        outln!("\n{}", out.join("index.html").display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Profile and list, as the API answers now; nothing where nothing was folded yet.
async fn said_of(
    config: &Config,
    data: &DataDir,
    place: &args::Place,
    user: &UserId,
) -> anyhow::Result<(Value, Value)> {
    if config.store.kind == StoreKind::Embedded && !data.truth_path().exists() {
        return Ok((Value::Null, Value::Null));
    }
    let user = escaped(&user.to_string());
    let profile = found(place, &format!("/v1/users/{user}/profile")).await?;
    let list = found(place, &format!("/v1/users/{user}/recommendations?explain=true&n={PLACES}")).await?;
    Ok((profile.unwrap_or_default(), list.unwrap_or_default()))
}

async fn events(
    args: &args::Report,
    config: &Config,
    data: &DataDir,
    log: &Arc<dyn Log>,
) -> anyhow::Result<Arc<dyn Events>> {
    match (args.source.as_deref(), lake(args, config, data).await?) {
        (_, Some(lake)) => Ok(lake),
        (Some("lake"), None) => Err(Refused(format!(
            "--source lake: nothing is archived in {}; run `shoptide jobs archive` first",
            data.path().display()
        ))
        .into()),
        (_, None) => Ok(Arc::new(LogEvents(log.clone()))),
    }
}

/// The lake, if there is one and it is not the log that is asked for.
#[cfg(feature = "lake")]
async fn lake(
    args: &args::Report,
    config: &Config,
    data: &DataDir,
) -> anyhow::Result<Option<Arc<dyn Events>>> {
    let options = shoptide_lake::LakeOptions::of(&config.lake, data.path());
    // Opening a folder would make it.
    let absent = !options.url.contains("://") && !std::path::Path::new(&options.url).exists();
    if args.source.as_deref() == Some("log") || absent {
        return Ok(None);
    }
    let lake = shoptide_lake::Lake::open(&options).await.map_err(crate::commands::lake::told)?;
    let events = shoptide_jobs::report::LakeEvents::open(lake).await?;
    Ok(if events.is_empty() { None } else { Some(Arc::new(events)) })
}

#[cfg(not(feature = "lake"))]
async fn lake(args: &args::Report, _: &Config, _: &DataDir) -> anyhow::Result<Option<Arc<dyn Events>>> {
    match args.source.as_deref() {
        Some("lake") => Err(crate::commands::lake::without("report --source lake")),
        _ => Ok(None),
    }
}

/// What the truth says of items, and of the list of the user who is `asked` for, where there is a truth; else the items that the log's own records make.
async fn known(
    config: &Config,
    data: &DataDir,
    log: &Arc<dyn Log>,
    asked: Option<(&UserId, &mut Value)>,
) -> anyhow::Result<(Arc<Catalogue>, Option<Arc<dyn Truth>>)> {
    if config.store.kind == StoreKind::Embedded && !data.truth_path().exists() {
        return Ok((Arc::new(catalogue_of(&**log).await?), None));
    }
    let truth = services::open_truth_to_read(config, data).await?;
    let metrics = Arc::new(Metrics::new().context("metrics")?);
    let live = Live::start(log.clone(), truth.clone(), data.model_files(config), metrics).await?;
    let catalogue = live.catalogue();
    if let Some((user, list)) = asked {
        add_parts(config, &*truth, &live, log.partitions(USER_TOPICS[0]), user, list).await?;
    }
    live.stop();
    Ok((catalogue, Some(truth)))
}

/// Adds to each place of a list what every source says of it now.
async fn add_parts(
    config: &Config,
    truth: &dyn Truth,
    live: &Live,
    partitions: u32,
    user: &UserId,
    list: &mut Value,
) -> anyhow::Result<()> {
    let shard = partition_of(user.as_bytes(), partitions);
    let row = truth.users(shard, std::slice::from_ref(user)).await?.into_iter().next();
    let state = row.map(|row| state_of(&row.parts)).transpose()?.unwrap_or_default();
    let linked = live.linked();
    let Some(places) = list.get_mut("items").and_then(Value::as_array_mut) else { return Ok(()) };
    let number = |place: &Value| {
        let id = ItemId::parse(place.get("item_id")?.as_str()?).ok()?;
        linked.catalogue().number(&id)
    };
    let numbers: Vec<u32> = places.iter().map(|place| number(place).unwrap_or(UNNUMBERED)).collect();
    let parts = score_parts(&state, &linked, &numbers, &config.list_params(), &mut ListScratch::default());
    for (place, parts) in places.iter_mut().zip(parts) {
        let (Some(place), Some(parts)) = (place.as_object_mut(), parts) else { continue };
        let named = PARTS.iter().zip(parts).map(|(name, part)| ((*name).to_owned(), Value::from(part)));
        place.insert("parts".to_owned(), Value::Object(named.collect()));
    }
    Ok(())
}

/// Groups of users, if a run has found any.
async fn segments(
    truth: Option<&Arc<dyn Truth>>,
    log: &Arc<dyn Log>,
) -> anyhow::Result<Option<Arc<dyn Segments>>> {
    let Some(truth) = truth else { return Ok(None) };
    let found = StoredSegments::open(truth.clone(), log.partitions(USER_TOPICS[0])).await?;
    Ok(found.map(|found| Arc::new(found) as Arc<dyn Segments>))
}

fn rules(args: &args::Report) -> anyhow::Result<Rules> {
    let moment = |text: &Option<String>, flag: &str, open: i64| match text {
        None => Ok(open),
        Some(text) => moment(text).ok_or_else(|| {
            Refused(format!(
                "{flag} is {text:?}, expected RFC 3339 or a day of 1990 to 2100 such as 2026-01-31"
            ))
        }),
    };
    let from = moment(&args.from, "--from", i64::MIN)?;
    let to = moment(&args.to, "--to", i64::MAX)?;
    if to <= from {
        let (from, to) = (args.from.as_deref().unwrap_or_default(), args.to.as_deref().unwrap_or_default());
        return Err(Refused(format!("--to is {to}, expected a moment behind --from, which is {from}")).into());
    }
    let window = span_ms(&args.window).ok_or_else(|| {
        Refused(format!("--window is {:?}, expected a whole number of m, h or d, such as 7d", args.window))
    })?;
    let credit = if args.credit == "shown" { Credit::LastShown } else { Credit::LastClick };
    Ok(Rules::new(Period { from, to }, window, credit)
        .map_err(|e| Refused(format!("--window {}: {e}", args.window)))?)
}

fn moment(text: &str) -> Option<i64> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    EventMs::from_rfc3339(&whole).ok().map(|at| at.0)
}

/// `30m`, `12h`, `7d`.
fn span_ms(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let digits = text.get(..text.len() - 1)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

fn print(report: &Report) -> anyhow::Result<()> {
    let reading = &report.reading;
    let (events, users) = (reading.events, report.totals.users);
    outln!("{events} events from the {}; {users} users did something in the period", reading.source)?;
    let share = |rate: &Rate| rate.rate.map_or(String::new(), |rate| format!("{:.2} %", rate * 100.0));
    for dimension in Dimension::ALL {
        let rows: Vec<Vec<String>> = report
            .of_dimension(dimension)
            .map(|row| {
                vec![
                    row.group.clone(),
                    row.click_through.of.to_string(),
                    share(&row.click_through),
                    row.conversion.of.to_string(),
                    share(&row.add_to_cart),
                    share(&row.conversion),
                    share(&row.satisfaction),
                ]
            })
            .collect();
        if !rows.is_empty() {
            let (shown, more) = (rows.get(..GROUPS).unwrap_or(&rows), rows.len().saturating_sub(GROUPS));
            let headings = [
                dimension.as_str(),
                "shown",
                "click-through",
                "clicks",
                "add-to-cart",
                "conversion",
                "satisfied",
            ];
            out!("\n{}", table(&headings, shown))?;
            if 0 < more {
                outln!("{more} more in groups.csv of --out, and in --json")?;
            }
        }
    }
    let members: Vec<Vec<String>> = report
        .members
        .groups
        .iter()
        .map(|g| {
            vec![
                g.name.to_owned(),
                g.members.to_string(),
                format!("{:.1}", g.days_since_last),
                g.value.clone(),
            ]
        })
        .collect();
    if !members.is_empty() {
        out!("\n{}", table(&["members", "users", "days since", "value"], &members))?;
    }
    Ok(())
}

fn print_why(why: &Why) -> anyhow::Result<()> {
    if let Some(segment) = &why.segment {
        outln!("segment {segment}\n")?;
    }
    out!("{}", list_table(&why.list))?;
    let moments: Vec<Vec<String>> = why
        .moments
        .iter()
        .map(|m| {
            let texts = [&m.at, m.what, &m.item_id, m.list, m.source, &m.then];
            texts.map(str::to_owned).to_vec()
        })
        .collect();
    out!("\n{}", table(&["at", "what", "item", "list", "source", "then"], &moments))?;
    Ok(())
}
