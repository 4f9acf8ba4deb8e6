//! Imports of the real files that `SHOPTIDE_DATA` points to; skipped with a line where it is absent. None of that data
//! is part of this repository.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Instant;

use shoptide_jobs::import::{Import, Mapping, Report};
use shoptide_schemas::catalogue;

fn data(file: &str) -> Option<PathBuf> {
    let path =
        std::env::var_os("SHOPTIDE_DATA").map(|dir| PathBuf::from(dir).join(file)).filter(|p| p.exists());
    if path.is_none() {
        println!("skipped: {file} needs the folder of real data in SHOPTIDE_DATA");
    }
    path
}

/// Imports a file and checks what must hold of every import.
fn report_of(file: &str, mapping: &str) -> Option<Report> {
    let path = data(file)?;
    let begun = Instant::now();
    let mut import = Import::open(&path, Mapping::find(mapping).unwrap()).unwrap();
    let (mut ids, mut events, mut items) = (HashSet::new(), 0, 0);
    while let Some(batch) = import.next_batch(5_000).unwrap() {
        events += batch.events.len() as u64;
        items += batch.catalogue.len() as u64;
        for event in batch.events {
            assert!(ids.insert(event.event_id.unwrap()), "ids are unique");
        }
        for row in batch.catalogue {
            catalogue::check(row).unwrap();
        }
    }
    let report = import.report().clone();
    println!(
        "{file}: {} rows in {:.2?}: {}",
        report.rows,
        begun.elapsed(),
        serde_json::to_string(&Report { bad_lines: vec![], ..report.clone() }).unwrap()
    );
    assert_eq!((report.events, report.catalogue), (events, items));
    assert_eq!(report.rows, report.events + report.ignored + report.bad);
    Some(report)
}

#[test]
fn retailrocket() {
    let Some(report) = report_of("retailrocket/events.csv.gz", "retailrocket") else { return };
    assert_eq!((report.rows, report.events, report.bad), (92_601, 92_601, 0));
}

#[test]
fn tmall() {
    let Some(report) = report_of("tmall/events_buy_cart_fav.csv.gz", "tmall") else { return };
    assert_eq!((report.rows, report.events), (357_412, 357_412));
}

/// The known sum of quantity times price is 9,747,747.934; three adjustments of bad debt (one up, two down) are bad rows.
#[test]
fn online_retail() {
    let Some(report) = report_of("online_retail/online_retail.csv.gz", "online-retail") else { return };
    assert_eq!(
        (report.rows, report.events, report.bad_by_reason["adjustment"], report.bad),
        (541_909, 541_906, 3, 3)
    );
    assert_eq!(report.rejected_micros_by_reason["adjustment"], -11_062_060_000);
    assert_eq!((report.sum_micros(), report.rejected_unreadable), (9_747_747_934_000, 0));
}

#[test]
fn rees46() {
    let Some(report) = report_of("rees46_2019oct_head/2019-Oct_head.csv.gz", "rees46") else { return };
    assert_eq!((report.rows, report.events), (17_434, 17_434));
    assert!(1_000 < report.catalogue);
}

#[test]
fn otto() {
    let Some(report) = report_of("otto_fixture/train.jsonl.gz", "otto") else { return };
    assert_eq!(report.bad, 0);
    assert!(20 < report.events);
}

#[test]
fn movielens() {
    let Some(report) = report_of("ml-latest-small/ratings.csv.gz", "movielens") else { return };
    assert_eq!((report.rows, report.events), (100_836, 100_836));
}

#[test]
fn serenade() {
    for (file, rows) in [("train", 113_601), ("valid", 1_451)] {
        let Some(report) = report_of(&format!("serenade_example/{file}.txt.gz"), "serenade") else { return };
        assert_eq!((report.rows, report.events), (rows, rows));
    }
}
