//! What `deploy/` gives to Prometheus and Grafana: every metric and label in it exists, every expression parses, every alert
//! fires when it should, says what to do, and is explained to whoever is woken by it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use prometheus::core::Collector;
use serde_json::{Value, json};
use shoptide_live::{Metrics, names};

/// What Prometheus adds to every series, and to the buckets of histograms.
const ADDED: [&str; 3] = ["job", "instance", "le"];
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

fn deployed(file: &str) -> PathBuf {
    PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../..").join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(deployed(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Every metric with its labels.
fn labels() -> BTreeMap<String, Vec<String>> {
    let m = Metrics::new().unwrap();
    let all: [&dyn Collector; 37] = [
        &m.records,
        &m.shard_up,
        &m.lag,
        &m.freshness,
        &m.batch_records,
        &m.commit,
        &m.commit_failures,
        &m.lists_made,
        &m.list_age,
        &m.model_version,
        &m.model_failures,
        &m.catalogue_items,
        &m.train,
        &m.quality,
        &m.collected,
        &m.http,
        &m.http_requests,
        &m.cache_reads,
        &m.cache_state,
        &m.cache_failures,
        &m.dependency_up,
        &m.shard_truncated,
        &m.dead_letters,
        &m.quality_measured,
        &m.model_adopted,
        &m.build_info,
        &m.store_connections,
        &m.log_queue,
        &m.resident_bytes,
        &m.assistant_turns,
        &m.assistant_seconds,
        &m.assistant_tokens,
        &m.jobs.runs,
        &m.jobs.seconds,
        &m.jobs.succeeded,
        &m.jobs.period,
        &m.jobs.leader,
    ];
    let descs = all.into_iter().flat_map(Collector::desc);
    descs.map(|desc| (desc.fq_name.clone(), desc.variable_labels.clone())).collect()
}

/// The words of a list between brackets.
fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// What an expression names that does not exist.
fn unknown(expr: &str, known: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut allowed: BTreeSet<&str> = ADDED.into();
    for (start, _) in expr.match_indices("shoptide_") {
        let rest = &expr[start..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let base = SUFFIXES.iter().find_map(|s| name.strip_suffix(s)).unwrap_or(name);
        let Some(labels) = known.get(base) else {
            wrong.push(format!("{name} is no metric"));
            continue;
        };
        allowed.extend(labels.iter().map(String::as_str));
        let Some(matchers) = after.strip_prefix('{') else { continue };
        // A value may hold braces and commas: only what stands outside of quotes counts.
        let mut inside = false;
        let outside: String = matchers
            .chars()
            .take_while(|c| {
                inside ^= *c == '"';
                inside || *c != '}'
            })
            .collect();
        for matcher in outside.split('"').step_by(2) {
            let label = matcher.trim_matches(|c: char| " ,=~!".contains(c));
            if !label.is_empty() && !labels.iter().any(|l| l == label) && !ADDED.contains(&label) {
                wrong.push(format!("{name} has no label {label}"));
            }
        }
    }
    for grouping in ["by (", "on (", "ignoring (", "without ("] {
        for (start, _) in expr.match_indices(grouping) {
            let list = &expr[start + grouping.len()..];
            let list = &list[..list.find(')').unwrap()];
            wrong.extend(
                words(list).filter(|l| !allowed.contains(l)).map(|l| format!("nothing has label {l}")),
            );
        }
    }
    wrong
}

/// Expressions of the alert rules, by name of the alert.
fn alerts() -> BTreeMap<String, (String, Vec<String>)> {
    let rules = text("deploy/prometheus/shoptide.rules.yml");
    let mut found: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    let mut last = String::new();
    for line in rules.lines().map(str::trim) {
        let Some((key, value)) = line.trim_start_matches("- ").split_once(": ") else { continue };
        match key {
            "alert" => {
                last = value.to_owned();
                assert!(found.insert(last.clone(), Default::default()).is_none(), "{value} twice");
            }
            "expr" => found.get_mut(&last).unwrap().0 = value.trim_matches('\'').to_owned(),
            _ if !last.is_empty() => found.get_mut(&last).unwrap().1.push(key.to_owned()),
            _ => {}
        }
    }
    found
}

fn dashboard() -> Value {
    serde_json::from_str(&text("deploy/grafana/shoptide.json")).unwrap()
}

/// Expressions of the dashboard, by title of the panel, with its variables filled in.
fn drawn() -> Vec<(String, String)> {
    let filled = |expr: &Value| {
        let expr = expr.as_str().unwrap().replace("$__rate_interval", "5m");
        expr.replace("$job", "shoptide-.*").replace("$instance", ".*")
    };
    let mut found = Vec::new();
    for panel in dashboard()["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(!title.is_empty());
        for target in panel["targets"].as_array().unwrap_or(&Vec::new()) {
            found.push((title.to_owned(), filled(&target["expr"])));
        }
    }
    found
}

#[test]
fn the_labels_of_every_metric_are_known_here() {
    let known = labels();
    let mut all: Vec<&str> = names::ALL.to_vec();
    all.sort_unstable();
    assert_eq!(known.keys().map(String::as_str).collect::<Vec<_>>(), all);
}

#[test]
fn what_does_not_exist_is_noticed() {
    let known = labels();
    for (expr, wrong) in [
        ("sum(shoptide_nothing)", "shoptide_nothing is no metric"),
        ("shoptide_lag_records{shrad=\"1\"}", "shoptide_lag_records has no label shrad"),
        (
            "sum by (topik) (shoptide_records_total{topic=\"a,b}\", outcome!~\"x\"})",
            "nothing has label topik",
        ),
    ] {
        assert_eq!(unknown(expr, &known), [wrong], "{expr}");
    }
    let fine = "sum by (le, route) (rate(shoptide_http_request_seconds_bucket{route=\"GET /{id}\", job=~\"a\"}[5m]))";
    assert!(unknown(fine, &known).is_empty());
}

#[test]
fn every_alert_names_what_exists_and_says_what_to_do() {
    let (known, alerts) = (labels(), alerts());
    let tests = text("deploy/prometheus/shoptide.rules.test.yml");
    let explained = text("docs/operations.md") + &text("docs/jobs.md");
    assert!(20 <= alerts.len(), "the rules were not read");
    for (name, (expr, keys)) in &alerts {
        let wrong = unknown(expr, &known);
        assert!(!expr.is_empty() && wrong.is_empty(), "{name}: {wrong:?}");
        for key in ["labels", "summary", "what_to_do"] {
            assert!(keys.iter().any(|k| k == key), "{name} has no {key}");
        }
        let tested = [format!("alertname=\"{name}\", alertstate"), format!("alertname: {name}\n")];
        assert!(tested.iter().any(|how| tests.contains(how)), "{name} is not tested");
        assert!(
            explained.contains(&format!("`{name}`")),
            "{name} is not explained in docs/operations.md or docs/jobs.md"
        );
    }
}

#[test]
fn every_panel_shows_what_exists_and_none_hides_another() {
    let (known, board) = (labels(), dashboard());
    let drawn = drawn();
    for (title, expr) in &drawn {
        let wrong = unknown(expr, &known);
        assert!(wrong.is_empty(), "{title}: {wrong:?}");
    }
    // Every metric is to be seen somewhere.
    let all: String = drawn.iter().map(|(_, expr)| expr.as_str()).collect::<Vec<_>>().join(" ");
    for name in names::ALL {
        assert!(all.contains(name), "{name} is on no panel");
    }
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in board["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "panel {} twice", panel["id"]);
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24 && 0 < at("w") * at("h"), "{}", panel["title"]);
        for (x, y) in
            (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
        {
            assert!(cells.insert((x, y)), "{} lies over another panel at {x}, {y}", panel["title"]);
        }
        let mut refs = BTreeSet::new();
        for target in panel["targets"].as_array().unwrap_or(&Vec::new()) {
            assert!(refs.insert(target["refId"].to_string()), "{}", panel["title"]);
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
        assert_eq!(refs.is_empty(), panel["type"] == "row", "{}", panel["title"]);
    }
}

/// Prometheus' own word on all of it.
#[test]
fn prometheus_accepts_rules_scrapes_and_expressions() {
    let promtool = |args: &[&str]| {
        let done = Command::new("promtool").args(args).current_dir(deployed("deploy/prometheus")).output();
        match done {
            Ok(done) => {
                let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
                Some((done.status.success(), said))
            }
            Err(error) if std::env::var_os("CI").is_some() => {
                panic!("promtool: {error}; .ci/run installs it")
            }
            Err(_) => None,
        }
    };
    let file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    // JSON is YAML.
    let written = |exprs: &[(String, String)]| {
        let rules: Vec<Value> = exprs
            .iter()
            .enumerate()
            .map(|(n, (_, expr))| json!({"record": format!("panel:{n}"), "expr": expr}))
            .collect();
        let group = json!({"groups": [{"name": "dashboard", "rules": rules}]});
        std::fs::write(file.path(), group.to_string()).unwrap();
    };
    let path = file.path().to_str().unwrap();
    written(&drawn());
    for args in [
        &["check", "rules", "shoptide.rules.yml"][..],
        &["check", "config", "prometheus.yml"],
        &["test", "rules", "shoptide.rules.test.yml"],
        &["check", "rules", path],
    ] {
        let Some((accepted, said)) = promtool(args) else {
            println!("skipped: no promtool here (Debian's package prometheus has it)");
            return;
        };
        assert!(accepted, "promtool {args:?}: {said}");
    }
    written(&[("broken".to_owned(), "sum(rate(shoptide_records_total)".to_owned())]);
    assert!(!promtool(&["check", "rules", path]).unwrap().0, "what does not parse must be noticed");
}
