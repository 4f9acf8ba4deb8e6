//! Dead letters on the command line: listed, shown whole, tried again.

use bytes::Bytes;
use serde_json::Value;
use shoptide_log::Log;
use shoptide_schemas::Topic;
use shoptide_schemas::partition::partition_of;

use crate::common::{
    Ended, caught_up, now_ms, open_log, path, rested_shop, run, total_of_users, up, verified,
};

#[tokio::test(flavor = "multi_thread")]
async fn refused_records_are_listed_shown_and_tried_again() {
    let temporary = tempfile::tempdir().unwrap();
    let dir = path(temporary.path());
    rested_shop(temporary.path()).await;
    let before = verified(temporary.path());
    let wrong = (partition_of(b"stray", 4) + 1) % 4;
    let stray = format!(
        r#"{{"event_id":"stray-1","type":"view_item","user_id":"stray","item_id":"A","occurred_at":{}}}"#,
        now_ms()
    );
    let log = open_log(temporary.path()).await;
    let text = |text: &str| Some(Bytes::copy_from_slice(text.as_bytes()));
    let strayed = log.append_foreign(Topic::Browse, wrong, text("stray"), text(&stray)).await.unwrap();
    let user_partition = partition_of(b"u", 4);
    let broken =
        log.append_foreign(Topic::Cart, user_partition, text("u"), text("{\"a\u{1b}[2J\":")).await.unwrap();
    log.append_foreign(Topic::Order, 0, None, text("{}")).await.unwrap();
    log.append_foreign(Topic::Forum, 1, text("u"), None).await.unwrap();
    log.close().await;
    folded(temporary.path()).await;

    let letters = |more: &[&str]| run(&[&["dead-letters"], more, &["--data-dir", dir]].concat());
    let rows = |ended: &Ended| -> Vec<Value> {
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = rows(&letters(&["list", "--json"]));
    assert_eq!(all.len(), 4, "{all:?}");
    let page = letters(&["list"]);
    assert!(
        page.out.lines().count() == 5
            && page.out.contains("wrong_partition")
            && page.out.contains("malformed"),
        "{page:?}"
    );
    assert_eq!(rows(&letters(&["list", "--json", "-n", "1"])).len(), 1);
    assert_eq!(
        rows(&letters(&["list", "--json", "--reason", "malformed"])).len(),
        2,
        "no value is malformed too"
    );
    assert_eq!(letters(&["list", "--reason", "never"]).out.lines().count(), 1);

    let broken_id = format!("shop.cart/{}/{}", broken.partition, broken.offset);
    let shown = letters(&["show", &broken_id, "--json"]).json();
    assert_eq!(
        (&shown["code"], &shown["payload"]),
        (&"malformed".into(), &"{\"a\u{1b}[2J\":".into()),
        "{shown}"
    );
    let page = letters(&["show", &broken_id]);
    assert!(
        page.code == Some(0) && page.out.contains("malformed") && !page.out.contains('\u{1b}'),
        "{page:?}"
    );
    for unknown in ["shop.cart/0/999999", "shop.cart/0", "nonsense", "shop.cart/0/1/2", "shop.cart/x/1"] {
        letters(&["show", unknown]).refused(&[unknown]);
    }

    // The stray one finds its partition; the broken one is as broken as before.
    let stray_id = format!("shop.browse/{}/{}", strayed.partition, strayed.offset);
    assert_eq!(letters(&["retry", &stray_id]).out, "1 appended again, 0 without key or payload left");
    assert_eq!(
        letters(&["retry", "--reason", "malformed"]).out,
        "1 appended again, 1 without key or payload left"
    );
    folded(temporary.path()).await;
    let after = rows(&letters(&["list", "--json"]));
    let malformed = after.iter().filter(|letter| letter["code"] == "malformed").count();
    assert_eq!((after.len(), malformed), (5, 3), "{after:?}");
    let report = verified(temporary.path());
    assert_eq!(total_of_users(&report, "applied"), total_of_users(&before, "applied") + 1);
    assert_eq!(total_of_users(&report, "dead_lettered"), total_of_users(&before, "dead_lettered") + 5);
    // What has no key cannot be put anywhere.
    let keyless: Vec<&Value> = after.iter().filter(|letter| letter["key"].is_null()).collect();
    let ended = letters(&["retry", keyless[0]["id"].as_str().unwrap()]);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(0), "0 appended again, 1 without key or payload left")
    );
}

async fn folded(dir: &std::path::Path) {
    let (running, _) = up(dir);
    caught_up(dir).await;
    running.stop();
}
