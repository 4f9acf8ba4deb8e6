//! Reports over a log (and a lake) of which another count is known, and pages whose texts are hostile.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use shoptide_jobs::import::{LogSink, Outgoing, Sink};
use shoptide_jobs::report::*;
use shoptide_log::{Log, MemoryLog, MemoryLogOptions};
use shoptide_models::blend::Source;
use shoptide_models::list::list_name;
use shoptide_models::report::{Credit, Dimension, Period, Rules, Seen};
use shoptide_schemas::catalogue::WireCatalogue;
use shoptide_schemas::time::DAY_MS;
use shoptide_schemas::wire::{WireEvent, WireTime};
use shoptide_schemas::{ItemId, UserId};

const NOW_MS: i64 = 1_777_896_000_000;
const WINDOW: i64 = DAY_MS;
const SOURCES: [Source; 3] = [Source::Factors, Source::ItemItem, Source::Popularity];

fn log() -> Arc<MemoryLog> {
    MemoryLog::new(MemoryLogOptions {
        partitions: 4,
        clock: Arc::new(|| NOW_MS),
        queue_records_max: 1_000_000,
    })
}

fn event(id: String, event_type: &str, user: usize, item: usize, at: i64) -> WireEvent {
    let bought = matches!(event_type, "purchase" | "refund");
    WireEvent {
        event_id: Some(id),
        event_type: Some(event_type.to_owned()),
        user_id: Some(format!("u{user}")),
        item_id: Some(format!("i{item}")),
        occurred_at: Some(WireTime::Ms(at)),
        price: bought.then(|| "2.50".to_owned()),
        currency: bought.then(|| "CNY".to_owned()),
        quantity: bought.then_some(2),
        ..WireEvent::default()
    }
}

fn item(id: &str, title: &str, category: &str) -> Outgoing {
    Outgoing::Item(WireCatalogue {
        event_id: Some(format!("c-{id}")),
        event_type: Some("item_upsert".to_owned()),
        item_id: Some(id.to_owned()),
        occurred_at: Some(WireTime::Ms(NOW_MS - 20 * DAY_MS)),
        title: Some(title.to_owned()),
        category: Some(category.to_owned()),
        ..WireCatalogue::default()
    })
}

/// The same numbers on any machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }
}

/// What visitors of a small shop did, and lists whose names say their sources.
struct Visits {
    events: Vec<WireEvent>,
    lists: BTreeMap<String, (u64, Vec<(usize, Source)>)>,
}

fn visits(seed: u64) -> Visits {
    let mut dice = Dice(seed);
    let (mut events, mut lists) = (Vec::new(), BTreeMap::new());
    let mut id = 0;
    let mut tell = |what: &str, user: usize, item: usize, at: i64, list: Option<&str>| {
        id += 1;
        let list_id = list.map(str::to_owned);
        events.push(WireEvent { list_id, ..event(format!("e{id}"), what, user, item, at) });
    };
    for user in 0..60 {
        for visit in 0..8 {
            // All that follows has happened by now.
            let begin = NOW_MS - 10 * DAY_MS + (dice.below(5 * DAY_MS as usize / 1_000) as i64) * 1_000;
            let model = 1 + dice.below(3) as u64;
            let places: Vec<(usize, Source)> =
                (0..5).map(|place| (place * 8 + dice.below(8), SOURCES[dice.below(3)])).collect();
            let ids: Vec<ItemId> =
                places.iter().map(|(n, _)| ItemId::parse(&format!("i{n}")).unwrap()).collect();
            let base = format!("p-{}-{:016x}-1-{visit}", user % 4, user);
            let name = list_name(&base, model, ids.iter().zip(places.iter().map(|(_, source)| *source)));
            for (item, _) in &places {
                tell("recommendation_shown", user, *item, begin, Some(&name));
                if dice.below(3) == 0 {
                    let clicked = begin + dice.below(2 * WINDOW as usize) as i64;
                    tell("recommendation_clicked", user, *item, clicked, Some(&name));
                    if dice.below(2) == 0 {
                        tell("add_to_cart", user, *item, clicked + 1 + dice.below(1_000) as i64, None);
                    }
                    if dice.below(2) == 0 {
                        tell("purchase", user, *item, clicked + dice.below(2 * WINDOW as usize) as i64, None);
                    }
                }
            }
            lists.insert(name, (model, places));
        }
    }
    // Half of the first hundred are sent again.
    let again: Vec<WireEvent> = events.iter().take(100).step_by(2).cloned().collect();
    events.extend(again);
    Visits { events, lists }
}

/// shown, clicked, touches, carted, converted, lines; the plainest way, event against event.
type Sums = (u64, u64, u64, u64, u64, u64);

fn counted(visits: &Visits, period: Period, only: &dyn Fn(&str, &str) -> bool) -> Sums {
    let mut events: Vec<&WireEvent> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for event in &visits.events {
        if ids.insert(event.event_id.clone()) {
            events.push(event);
        }
    }
    let at = |e: &WireEvent| match e.occurred_at {
        Some(WireTime::Ms(ms)) => ms,
        _ => unreachable!(),
    };
    let of =
        |what: &'static str| events.iter().copied().filter(move |e| e.event_type.as_deref() == Some(what));
    let same = |a: &WireEvent, b: &WireEvent| a.user_id == b.user_id && a.item_id == b.item_id;
    let wanted = |e: &WireEvent| {
        let inside = period.from <= at(e) && at(e) < period.to;
        inside && only(e.list_id.as_deref().unwrap(), e.item_id.as_deref().unwrap())
    };
    let within = |from: i64, to: i64| from <= to && to - from <= WINDOW;
    // The last click on the item before, by its time and then by what it is called; lists differ, items may repeat.
    let credited = |e: &WireEvent| -> Option<&WireEvent> {
        of("recommendation_clicked")
            .filter(|c| same(c, e) && at(c) <= at(e))
            .max_by_key(|c| at(c))
            .filter(|c| within(at(c), at(e)))
    };
    let shown: Vec<&WireEvent> = of("recommendation_shown").filter(|e| wanted(e)).collect();
    let clicks: Vec<&WireEvent> = of("recommendation_clicked").filter(|e| wanted(e)).collect();
    let clicked = shown.iter().filter(|s| {
        of("recommendation_clicked").any(|c| same(c, s) && c.list_id == s.list_id && within(at(s), at(c)))
    });
    let got = |what: &'static str| {
        let credits: Vec<&WireEvent> = of(what).filter_map(credited).collect();
        let hit = clicks.iter().filter(|c| credits.iter().any(|k| k.event_id == c.event_id)).count() as u64;
        (hit, credits.iter().filter(|c| wanted(c)).count() as u64)
    };
    let (carted, _) = got("add_to_cart");
    let (converted, lines) = got("purchase");
    (shown.len() as u64, clicked.count() as u64, clicks.len() as u64, carted, converted, lines)
}

async fn filled(visits: &Visits) -> Arc<MemoryLog> {
    let log = log();
    let mut sink = LogSink::new(log.clone());
    let items = (0..40).map(|n| item(&format!("i{n}"), &format!("Item {n}"), ["tech", "sport"][n % 2]));
    sink.send(items.collect()).await.unwrap();
    for some in visits.events.chunks(500) {
        let sent = sink.send(some.iter().cloned().map(Outgoing::Event).collect()).await.unwrap();
        assert_eq!(sent.rejected, 0, "{:?}", sent.verdicts.iter().find(|v| v.code.is_some()));
    }
    log
}

async fn context(log: &Arc<MemoryLog>, period: Period) -> ReportContext {
    ReportContext {
        events: Arc::new(LogEvents(log.clone())),
        catalogue: Arc::new(catalogue_of(&**log).await.unwrap()),
        segments: None,
        rules: Rules::new(period, WINDOW, Credit::LastClick).unwrap(),
        out: None,
        progress: Default::default(),
    }
}

fn sums(row: &GroupRow) -> Sums {
    let (shown, touches) = (row.click_through.of, row.conversion.of);
    (shown, row.click_through.n, touches, row.add_to_cart.n, row.conversion.n, row.lines)
}

#[tokio::test]
async fn the_sums_of_a_shop_are_those_of_another_count() {
    for seed in [1, 2] {
        println!("seed {seed}");
        let visits = visits(seed);
        let log = filled(&visits).await;
        let some = Period { from: NOW_MS - 8 * DAY_MS, to: NOW_MS - 4 * DAY_MS };
        for period in [Period::ALL, some] {
            let context = context(&log, period).await;
            let outcome = report_once(&context).await.unwrap();
            let shown = context.progress.look();
            assert_eq!(shown.phase, "reading events");
            assert!(0 < shown.done && shown.done == shown.total, "{shown:?}");
            let total = outcome.report.of_dimension(Dimension::Total).next().unwrap();
            assert_eq!(sums(total), counted(&visits, period, &|_, _| true));
            assert!(0 < total.lines && total.conversion.n < total.conversion.of);
            let number = |item: &str| item[1..].parse::<usize>().unwrap();
            for source in SOURCES {
                let of = |list: &str, item: &str| visits.lists[list].1.contains(&(number(item), source));
                let row = outcome.report.of_dimension(Dimension::Source).find(|r| r.group == source.as_str());
                assert_eq!(sums(row.unwrap()), counted(&visits, period, &of), "{source:?}");
            }
            for model in 1..=3 {
                let of = |list: &str, _: &str| visits.lists[list].0 == model;
                let row =
                    outcome.report.of_dimension(Dimension::Model).find(|r| r.group == model.to_string());
                assert_eq!(sums(row.unwrap()), counted(&visits, period, &of), "model {model}");
            }
            for (place, category) in ["tech", "sport"].into_iter().enumerate() {
                let of = |_: &str, item: &str| number(item) % 2 == place;
                let row = outcome.report.of_dimension(Dimension::Category).find(|r| r.group == category);
                assert_eq!(sums(row.unwrap()), counted(&visits, period, &of), "{category}");
            }
            assert_eq!(outcome.report.exposure.shown, total.click_through.of);
            assert!(period != Period::ALL || outcome.report.totals.repeats == 50);
        }
    }
}

/// A source that says that it has far more than it has.
struct Claims(LogEvents);

#[async_trait]
impl Events for Claims {
    fn name(&self) -> &'static str {
        "log"
    }

    async fn groups(&self, period: Period) -> Result<Vec<EventGroup>, ReportError> {
        let groups = self.0.groups(period).await?;
        Ok(groups.into_iter().map(|group| EventGroup { events_max: 6_500_000, ..group }).collect())
    }

    async fn read(
        &self,
        group: &EventGroup,
        period: Period,
        take: &mut (dyn for<'a> FnMut(Seen<'a>) + Send),
    ) -> Result<(), ReportError> {
        self.0.read(group, period, take).await
    }
}

#[tokio::test]
async fn reading_in_shares_of_the_users_changes_nothing() {
    let log = filled(&visits(4)).await;
    let mut context = context(&log, Period::ALL).await;
    let once = report_once(&context).await.unwrap();
    context.events = Arc::new(Claims(LogEvents(log.clone())));
    assert_eq!(report_once(&context).await.unwrap().report, once.report);
}

#[tokio::test]
async fn the_erased_the_late_and_what_the_stream_tells_again_are_left_out() {
    let visits = visits(5);
    let log = filled(&visits).await;
    let before = report_once(&context(&log, Period::ALL).await).await.unwrap().report;
    let mut sink = LogSink::new(log.clone());
    let future = event("future".to_owned(), "recommendation_clicked", 1, 1, NOW_MS + DAY_MS);
    sink.send(vec![Outgoing::Event(future)]).await.unwrap();
    let late = event("late".to_owned(), "recommendation_clicked", 1, 1, NOW_MS - 31 * DAY_MS);
    sink.send(vec![Outgoing::Event(late)]).await.unwrap();
    let copy = WireEvent {
        list_id: Some("t-1-2".to_owned()),
        ..event("due:1:4:0:7".to_owned(), "recommendation_shown", 2, 1, NOW_MS - DAY_MS)
    };
    let record = shoptide_log::NewRecord {
        topic: shoptide_schemas::Topic::Feedback,
        key: "u2".into(),
        value: serde_json::to_vec(&copy).unwrap().into(),
    };
    log.append(vec![record]).await.unwrap();
    let after = report_once(&context(&log, Period::ALL).await).await.unwrap().report;
    assert_eq!((after.reading.late, after.reading.copies), (1, 1));
    assert_eq!(after.groups, before.groups);

    let erased = WireEvent {
        event_id: Some("x".to_owned()),
        event_type: Some("user_erased".to_owned()),
        user_id: Some("u7".to_owned()),
        occurred_at: Some(WireTime::Ms(NOW_MS)),
        ..WireEvent::default()
    };
    sink.send(vec![Outgoing::Event(erased)]).await.unwrap();
    let after = report_once(&context(&log, Period::ALL).await).await.unwrap().report;
    assert_eq!((after.reading.erased_users, after.totals.users), (1, before.totals.users - 1));
    let of_u7 =
        |list: &str, _: &str| visits.lists[list].1.is_empty() || list.contains(&format!("-{:016x}-", 7));
    let theirs = counted(&visits, Period::ALL, &of_u7).0;
    assert_eq!(after.groups[0].click_through.of, before.groups[0].click_through.of - theirs);
}

#[tokio::test]
async fn hostile_texts_are_text() {
    let log = log();
    let mut sink = LogSink::new(log.clone());
    let bad = "\"><img src=x onerror=alert(1)>";
    let title = "<script>alert('1')</script>\u{202e}\u{1b}[2J";
    let category = "</text><script>x</script>";
    sink.send(vec![item(bad, title, category), item("=HYPERLINK(1)", "+1", "@sum")]).await.unwrap();
    for (n, id) in [bad, "=HYPERLINK(1)"].into_iter().enumerate() {
        for what in ["recommendation_shown", "recommendation_clicked", "purchase"] {
            let told = WireEvent {
                item_id: Some(id.to_owned()),
                user_id: Some("<b>u</b>".to_owned()),
                list_id: Some("<svg onload=alert(1)>".to_owned()),
                ..event(format!("{what}{n}"), what, 0, 0, NOW_MS - 1_000)
            };
            sink.send(vec![Outgoing::Event(told)]).await.unwrap();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut context = context(&log, Period::ALL).await;
    let out = dir.path().join("report");
    context.out = Some(out.clone());
    let outcome = report_once(&context).await.unwrap();
    assert_eq!(outcome.report.of_dimension(Dimension::List).next().unwrap().group, "unknown");
    let clean = |page: &str| {
        for evil in ["<script", "<img", "onload=alert(1)>", "<b>u", "</text><s", "\u{202e}", "\u{1b}"] {
            assert!(!page.contains(evil), "{evil}");
        }
        assert!(page.contains("&lt;script&gt;") && page.contains("default-src 'none'"));
    };
    clean(&std::fs::read_to_string(out.join("index.html")).unwrap());
    let items = std::fs::read_to_string(out.join("items.csv")).unwrap();
    assert!(items.contains("'=HYPERLINK(1),'+1,1,1,1"), "{items}");

    let list: Value =
        serde_json::json!({"list_id": "<script>", "items": [{"title": title, "reason": {"text": "<img"}}]});
    let profile = serde_json::json!({"tastes": [{"item_id": bad, "title": title}]});
    let user = UserId::parse("<b>u</b>").unwrap();
    let told = why(&context, &user, profile, list).await.unwrap();
    assert_eq!(told.moments.len(), 6);
    clean(&std::fs::read_to_string(out.join("index.html")).unwrap());
    assert!(
        out.join("moments.csv").is_file() && !out.join("items.csv").exists(),
        "one report, not two mixed"
    );
}

#[tokio::test]
async fn one_users_page_says_what_led_to_what() {
    let log = log();
    let mut sink = LogSink::new(log.clone());
    let begin = NOW_MS - 5 * DAY_MS;
    let list = list_name("t-3-9", 3, [(&ItemId::parse("i1").unwrap(), Source::Trending)].into_iter());
    let mut events = Vec::new();
    for (what, user, at) in [
        ("recommendation_shown", 1, begin),
        ("recommendation_clicked", 1, begin + 5),
        ("purchase", 1, begin + WINDOW + 5),
        ("purchase", 1, begin + WINDOW + 6),
        ("recommendation_clicked", 2, begin),
    ] {
        let list_id = what.starts_with("rec").then(|| list.clone());
        let id = format!("{what}{at}");
        events.push(Outgoing::Event(WireEvent { list_id, ..event(id, what, user, 1, at) }));
    }
    sink.send(events).await.unwrap();
    sink.send(vec![item("i1", "Lamp", "home")]).await.unwrap();
    let context = context(&log, Period::ALL).await;
    let told = why(&context, &UserId::parse("u1").unwrap(), Value::Null, Value::Null).await.unwrap();
    let rows: Vec<(&str, &str, Option<u64>, &str)> =
        told.moments.iter().map(|m| (m.what, m.source, m.model, m.then.as_str())).collect();
    assert_eq!(
        rows,
        [
            ("bought", "unknown", None, "2 pieces at 2.50 CNY, no list has a part in it"),
            ("bought", "trending", Some(3), "2 pieces at 2.50 CNY, credited to 2026-04-29T12:00:00.005Z"),
            ("clicked", "trending", Some(3), "bought"),
            ("shown", "trending", Some(3), "clicked"),
        ]
    );
    assert_eq!(told.reading.events, 4, "nobody else's");
}

#[tokio::test]
async fn a_period_without_events_is_an_empty_page() {
    let log = filled(&visits(6)).await;
    let dir = tempfile::tempdir().unwrap();
    let mut context = context(&log, Period { from: 700_000_000_000, to: 700_000_000_001 }).await;
    context.out = Some(dir.path().join("r"));
    let outcome = report_once(&context).await.unwrap();
    assert_eq!((outcome.rows, outcome.report.groups.len()), (0, 0));
    let page = std::fs::read_to_string(dir.path().join("r/index.html")).unwrap();
    assert!(page.contains("Nothing in this period.") && !page.contains("NaN"), "{page}");
    assert_eq!(std::fs::read_to_string(dir.path().join("r/days.csv")).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_folder_is_a_report_or_what_was_there_before() {
    let log = filled(&visits(7)).await;
    let dir = tempfile::tempdir().unwrap();
    let mut context = context(&log, Period::ALL).await;
    let foreign = dir.path().join("photos");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("cat.jpg"), "cat").unwrap();
    for (path, why) in [(foreign.clone(), "other things"), (foreign.join("cat.jpg"), "no folder")] {
        context.out = Some(path);
        let error = report_once(&context).await.unwrap_err();
        assert!(matches!(&error, ReportError::Out { .. }) && error.to_string().contains(why), "{error}");
    }
    assert_eq!(std::fs::read(foreign.join("cat.jpg")).unwrap(), b"cat");
    let out = dir.path().join("made/on/the/way");
    context.out = Some(out.clone());
    report_once(&context).await.unwrap();
    let page = std::fs::read(out.join("index.html")).unwrap();
    report_once(&context).await.unwrap();
    assert_eq!(std::fs::read(out.join("index.html")).unwrap(), page, "the same events, the same bytes");
    // The source fails half way: the report before stays, and nothing lies beside it.
    context.events = Arc::new(Fails);
    assert!(report_once(&context).await.is_err());
    assert_eq!(std::fs::read(out.join("index.html")).unwrap(), page);
    assert_eq!(std::fs::read_dir(out.parent().unwrap()).unwrap().count(), 1);
}

/// What is in a folder, by name.
fn held(folder: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let bytes = if entry.path().is_dir() { Vec::new() } else { std::fs::read(entry.path()).unwrap() };
        (entry.file_name().into_string().unwrap(), bytes)
    };
    std::fs::read_dir(folder).unwrap().map(entry).collect()
}

#[tokio::test]
async fn other_peoples_files_are_never_replaced() {
    let log = filled(&visits(7)).await;
    let dir = tempfile::tempdir().unwrap();
    let mut context = context(&log, Period::ALL).await;
    let out = dir.path().join("report");
    context.out = Some(out.clone());
    report_once(&context).await.unwrap();
    let whole = held(&out);
    let user = UserId::parse("u1").unwrap();
    // A file of somebody's beside a report, a folder, and a `report.json` of another program, alone or with our names.
    for (name, bytes, only, said) in [
        ("notes.txt", "mine", false, "notes.txt"),
        (".keep", "", false, ".keep"),
        ("photos/", "", false, "photos"),
        ("report.json", "{\"tests\": 3, \"reading\": \"list\"}", true, "report.json"),
        ("report.json", "not JSON", false, "report.json"),
        ("report.json", "{\"groups\": [], \"totals\": {}}", false, "report.json"),
        ("index.html", "a home page", true, "index.html"),
    ] {
        let theirs = dir.path().join("theirs");
        std::fs::create_dir(&theirs).unwrap();
        for (name, bytes) in whole.iter().filter(|_| !only) {
            std::fs::write(theirs.join(name), bytes).unwrap();
        }
        match name.strip_suffix('/') {
            Some(folder) => std::fs::create_dir(theirs.join(folder)).unwrap(),
            None => std::fs::write(theirs.join(name), bytes).unwrap(),
        }
        let before = held(&theirs);
        context.out = Some(theirs.clone());
        let errors = [
            report_once(&context).await.unwrap_err(),
            why(&context, &user, Value::Null, Value::Null).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(&error, ReportError::Out { .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains("other things") && text.contains(said) && !error.passes(), "{text}");
        }
        assert_eq!(held(&theirs), before, "{name}");
        assert_eq!(held(dir.path()).len(), 2, "nothing lies beside it");
        std::fs::remove_dir_all(&theirs).unwrap();
    }
    // What comes while the report is made counts too.
    context.out = Some(out.clone());
    let late = Arc::new(Meanwhile(LogEvents(log.clone()), out.join("late.txt")));
    context.events = late;
    let error = report_once(&context).await.unwrap_err();
    assert!(error.to_string().contains("late.txt"), "{error}");
    assert_eq!(held(&out).len(), whole.len() + 1);
    std::fs::remove_file(out.join("late.txt")).unwrap();
    assert_eq!(held(&out), whole);
    // Reports of both kinds replace each other.
    context.events = Arc::new(LogEvents(log.clone()));
    for _ in 0..2 {
        why(&context, &user, Value::Null, Value::Null).await.unwrap();
        assert_eq!(held(&out).len(), 3);
        report_once(&context).await.unwrap();
        assert_eq!(held(&out), whole);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_no_folder_of_ours() {
    let log = filled(&visits(7)).await;
    let dir = tempfile::tempdir().unwrap();
    let mut context = context(&log, Period::ALL).await;
    let (real, link) = (dir.path().join("real"), dir.path().join("link"));
    context.out = Some(real.clone());
    report_once(&context).await.unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let before = held(&real);
    context.out = Some(link.clone());
    assert!(report_once(&context).await.unwrap_err().to_string().contains("a link"));
    assert!(link.is_symlink() && held(&real) == before);
}

#[tokio::test]
async fn what_a_killed_publication_leaves_does_not_stop_the_next() {
    let log = filled(&visits(7)).await;
    let dir = tempfile::tempdir().unwrap();
    let mut context = context(&log, Period::ALL).await;
    let out = dir.path().join("report");
    context.out = Some(out.clone());
    report_once(&context).await.unwrap();
    let whole = held(&out);
    // Between the two moves, by a process that had this one's number: in a container it always has.
    let beside = |what: &str| dir.path().join(format!(".report.{what}-{}", std::process::id()));
    std::fs::rename(&out, beside("old")).unwrap();
    std::fs::create_dir(beside("new")).unwrap();
    std::fs::write(beside("new").join("index.html"), "half").unwrap();
    report_once(&context).await.unwrap();
    assert_eq!(held(&out), whole);
    assert_eq!(held(dir.path()).len(), 1, "nothing lies beside it");
}

/// A source during whose reading somebody puts a file into a folder.
struct Meanwhile(LogEvents, std::path::PathBuf);

#[async_trait]
impl Events for Meanwhile {
    fn name(&self) -> &'static str {
        "log"
    }

    async fn groups(&self, period: Period) -> Result<Vec<EventGroup>, ReportError> {
        std::fs::write(&self.1, "late").unwrap();
        self.0.groups(period).await
    }

    async fn read(
        &self,
        group: &EventGroup,
        period: Period,
        take: &mut (dyn for<'a> FnMut(Seen<'a>) + Send),
    ) -> Result<(), ReportError> {
        self.0.read(group, period, take).await
    }
}

#[test]
fn what_would_only_repeat_itself_is_told_apart() {
    use std::io::{Error, ErrorKind};

    let unwritable =
        |kind: ErrorKind| ReportError::Unwritable { path: "r".into(), source: Error::from(kind) };
    let (unusable, reason) = ("of another version".to_owned(), "away".to_owned());
    for (error, passes) in [
        (ReportError::Out { path: "r".into(), reason: "which is no folder".to_owned() }, false),
        (unwritable(ErrorKind::StorageFull), true),
        (unwritable(ErrorKind::PermissionDenied), false),
        (ReportError::Log(shoptide_log::LogError::Unavailable { reason: reason.clone() }), true),
        (ReportError::Log(shoptide_log::LogError::Unusable(unusable.clone())), false),
        (shoptide_store::StoreError::Unavailable { store: "MySQL", reason: reason.clone() }.into(), true),
        (shoptide_store::StoreError::Unusable(unusable).into(), false),
        (ReportError::Lake("a file is damaged".to_owned()), false),
        (ReportError::LakeAway(reason), true),
    ] {
        assert_eq!(error.passes(), passes, "{error}");
    }
}

#[tokio::test]
async fn groups_by_the_hundred_are_all_in_the_files_and_the_page_says_how_many() {
    let log = log();
    let mut sink = LogSink::new(log.clone());
    let groups = 260;
    let items =
        (0..groups).map(|n| item(&format!("i{n}"), &format!("Item {n}"), &format!("category {n:03}")));
    sink.send(items.collect()).await.unwrap();
    let mut events = Vec::new();
    for n in 0..groups {
        let list = format!("p-1-{n:016x}-1-1");
        let list = list_name(
            &list,
            1 + n as u64,
            [(&ItemId::parse(&format!("i{n}")).unwrap(), SOURCES[n % 3])].into_iter(),
        );
        for what in ["recommendation_shown", "recommendation_clicked", "recommendation_feedback", "purchase"]
        {
            let told = WireEvent {
                list_id: what.starts_with("rec").then(|| list.clone()),
                feedback: what.ends_with("feedback").then(|| "like".to_owned()),
                ..event(format!("{what}{n}"), what, n, n, NOW_MS - DAY_MS)
            };
            events.push(Outgoing::Event(told));
        }
    }
    sink.send(events).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut context = context(&log, Period::ALL).await;
    context.out = Some(dir.path().join("r"));
    let report = report_once(&context).await.unwrap().report;
    let total = report.of_dimension(Dimension::Total).next().unwrap();
    assert_eq!((sums(total).0, total.like), (groups as u64, groups as u64));
    for dimension in Dimension::ALL {
        let of = |of: fn(&GroupRow) -> u64| report.of_dimension(dimension).map(of).sum::<u64>();
        let sums = [of(|r| r.click_through.of), of(|r| r.conversion.n), of(|r| r.lines), of(|r| r.like)];
        assert_eq!(sums, [groups as u64; 4], "{dimension:?}");
    }
    let table = std::fs::read_to_string(dir.path().join("r/groups.csv")).unwrap();
    assert_eq!(table.lines().filter(|line| line.starts_with("category,")).count(), groups);
    let page = std::fs::read_to_string(dir.path().join("r/index.html")).unwrap();
    let (_, satisfaction) = page.split_once("<h2>Satisfaction</h2>").unwrap();
    let (satisfaction, rest) = satisfaction.split_once("<h2>").unwrap();
    for (kind, rows) in
        [("total", 1), ("list", 1), ("source", 3), ("segment", 1), ("category", 50), ("model", 50)]
    {
        assert_eq!(satisfaction.matches(&format!("<tr><td>{kind}</td>")).count(), rows, "{kind}");
    }
    for kind in ["category", "model"] {
        assert!(satisfaction.contains(&format!("210 more rows by {kind} in groups.csv.")), "{satisfaction}");
    }
    assert_eq!(page.matches("210 more rows in groups.csv.").count(), 2);
    assert!(rest.contains("210 more rows in categories.csv.") && rest.contains("80 more rows in items.csv."));
    assert_eq!(page.matches(" more rows").count(), 6, "nothing of tables that are whole");
}

#[tokio::test]
async fn a_scheduled_report_is_of_whole_days_and_the_same_when_made_again() {
    use shoptide_store::{SqliteTruth, SqliteTruthOptions, Truth};

    let visits = visits(10);
    let filled = filled(&visits).await;
    let dir = tempfile::tempdir().unwrap();
    let truth = SqliteTruth::open(SqliteTruthOptions::new(dir.path().join("truth.db"))).await.unwrap();
    let (truth, log): (Arc<dyn Truth>, Arc<dyn Log>) = (truth, filled.clone());
    let catalogue = Arc::new(catalogue_of(&*log).await.unwrap());
    let folder = dir.path().join("reports");
    let progress = shoptide_jobs::schedule::Progress::default();
    let make = |now_ms| report_of_days(&log, &truth, catalogue.clone(), None, &folder, now_ms, &progress);
    let morning = make(NOW_MS - 3 * DAY_MS).await.unwrap().report;
    let noon = NOW_MS - NOW_MS.rem_euclid(DAY_MS) - 3 * DAY_MS;
    assert_eq!(make(noon + DAY_MS - 1).await.unwrap().report, morning, "the same day");
    assert_eq!(morning.to.as_deref(), Some("2026-05-01T00:00:00.000Z"));
    let period = Period { from: noon - 30 * DAY_MS, to: noon };
    let shown = counted(&visits, period, &|_, _| true).0;
    assert!(morning.of_dimension(Dimension::Total).all(|row| row.click_through.of == shown) && 0 < shown);
    let made: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(made, ["2026-04-30"]);
    truth.close().await;
}

struct Fails;

#[async_trait]
impl Events for Fails {
    fn name(&self) -> &'static str {
        "log"
    }

    async fn groups(&self, _: Period) -> Result<Vec<EventGroup>, ReportError> {
        Ok(vec![EventGroup { number: 0, events_max: 1 }])
    }

    async fn read(
        &self,
        _: &EventGroup,
        _: Period,
        _: &mut (dyn for<'a> FnMut(Seen<'a>) + Send),
    ) -> Result<(), ReportError> {
        Err(ReportError::Lake("a file is damaged".to_owned()))
    }
}

struct ByParity;

#[async_trait]
impl Segments for ByParity {
    async fn of(&self, users: &[UserId]) -> Result<Vec<Option<String>>, ReportError> {
        let name = |user: &UserId| {
            let n: usize = user.to_string()[1..].parse().unwrap();
            (n % 3 < 2).then(|| ["even", "odd"][n % 3].to_owned())
        };
        Ok(users.iter().map(name).collect())
    }
}

#[tokio::test]
async fn segments_are_a_dimension_where_there_are_any() {
    let visits = visits(8);
    let log = filled(&visits).await;
    let mut context = context(&log, Period::ALL).await;
    context.segments = Some(Arc::new(ByParity));
    let report = report_once(&context).await.unwrap().report;
    let rows: BTreeMap<&str, Sums> =
        report.of_dimension(Dimension::Segment).map(|row| (row.group.as_str(), sums(row))).collect();
    let user = |list: &str| u64::from_str_radix(list.split('-').nth(2).unwrap(), 16).unwrap();
    for (part, name) in ["even", "odd", "unknown"].into_iter().enumerate() {
        let of = |list: &str, _: &str| user(list) % 3 == part as u64;
        assert_eq!(rows[name], counted(&visits, Period::ALL, &of), "{name}");
    }
}

#[cfg(feature = "lake")]
#[tokio::test]
async fn the_lake_gives_the_report_of_the_log() {
    use shoptide_lake::{Archiver, Lake, LakeOptions};

    let mut visits = visits(9);
    // Orders, what came back of them and of others, and what was said.
    for n in 0..60 {
        let at = NOW_MS - 9 * DAY_MS + n as i64 * 3_600_000;
        for (what, order, later) in [("purchase", n % 7, 0), ("refund", n % 5, DAY_MS)] {
            let told = event(format!("o{what}{n}"), what, n % 4, n % 3, at + later);
            visits.events.push(WireEvent { order_id: Some(format!("G{order}")), ..told });
        }
        let told = event(format!("said{n}"), "recommendation_feedback", n % 4, n % 3, at);
        let word = ["like", "dislike", "bought"][n % 3].to_owned();
        visits.events.push(WireEvent { feedback: Some(word), list_id: Some("t-1-10".to_owned()), ..told });
    }
    let log = filled(&visits).await;
    let dir = tempfile::tempdir().unwrap();
    let lake = Lake::open(&LakeOptions::local(dir.path())).await.unwrap();
    assert!(LakeEvents::open(lake.clone()).await.unwrap().is_empty());
    let clock: shoptide_log::Clock = Arc::new(|| NOW_MS);
    let limits = shoptide_lake::ArchiveLimits::default();
    Archiver { lake: lake.clone(), log: log.clone(), clock, limits }.run().await.unwrap();
    for period in [Period::ALL, Period { from: NOW_MS - 8 * DAY_MS, to: NOW_MS - 6 * DAY_MS + 17 }] {
        let mut context = context(&log, period).await;
        let of_log = report_once(&context).await.unwrap().report;
        context.events = Arc::new(LakeEvents::open(lake.clone()).await.unwrap());
        let mut of_lake = report_once(&context).await.unwrap().report;
        assert_eq!(of_lake.reading.source, "lake");
        of_lake.reading.source = "log";
        assert_eq!(of_lake, of_log);
    }
}
