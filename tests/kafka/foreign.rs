//! Producers of other makes, and the tools that watch a group: kcat with Java's partitioner and with its own, Kafka's console
//! producer, Kafka's group command; and the proof beside a group that it must not disturb.

use std::process::Command;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;
use shoptide_schemas::partition::partition_of;

use crate::common::{PATIENCE, until};
use crate::shop::{PARTITIONS, Shop, view};

const USERS: usize = 40;
const EVENTS: usize = 400;

fn kcat(shop: &Shop, topic: &str, more: &[&str]) -> Command {
    let mut command = Command::new("kcat");
    command.args(["-P", "-b", &shop.kafka, "-t", &shop.topic(topic), "-K", "\t"]).args(more);
    command
}

/// Keyed lines: views of several users, in turns.
fn lines(from: usize) -> Vec<String> {
    let line = |n: usize| {
        let user = format!("user-{}", n % USERS);
        format!("{user}\t{}", view(&user, n))
    };
    (from..from + EVENTS).map(line).collect()
}

fn total(report: &Value, column: &str) -> i64 {
    crate::common::total_of_users(report, column)
}

#[tokio::test(flavor = "multi_thread")]
async fn kcat_with_javas_partitioner_is_a_producer_like_ours() {
    let Some(shop) = Shop::open() else { return };
    Shop::fed(kcat(&shop, "browse", &["-X", "partitioner=murmur2_random"]), &lines(0));
    let (stream, _) = shop.start("stream");
    shop.folded(EVENTS as i64, &stream);
    // A repeat of the last events has no second effect.
    let again = lines(0).split_off(EVENTS - USERS);
    Shop::fed(kcat(&shop, "browse", &["-X", "partitioner=murmur2_random", "-z", "zstd"]), &again);
    shop.folded((EVENTS + USERS) as i64, &stream);
    stream.stop();
    let report = shop.verified();
    let sums = ["applied", "duplicate", "dead_lettered"].map(|column| total(&report, column));
    assert_eq!(sums, [EVENTS as i64, USERS as i64, 0], "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_partitioner_costs_exactly_the_records_that_fell_elsewhere() {
    let Some(shop) = Shop::open() else { return };
    let (stream, _) = shop.start("stream");
    Shop::fed(kcat(&shop, "browse", &["-X", "partitioner=murmur2_random"]), &lines(0));
    Shop::fed(kcat(&shop, "browse", &[]), &lines(EVENTS));
    shop.folded(2 * EVENTS as i64, &stream);
    stream.stop();
    let elsewhere =
        |(partition, _, user): &&(u32, i64, String)| *partition != partition_of(user.as_bytes(), PARTITIONS);
    let mut expected: Vec<_> = shop.records("shop.browse");
    assert_eq!(expected.len(), 2 * EVENTS);
    expected.sort_unstable();
    let expected: Vec<String> = expected
        .iter()
        .filter(elsewhere)
        .map(|(partition, offset, _)| format!("wrong_partition {partition}/{offset}"))
        .collect();
    assert!((EVENTS / 2..EVENTS).contains(&expected.len()), "{} fell elsewhere", expected.len());
    assert_eq!(shop.dead_letters(), expected);
    let report = shop.verified();
    assert_eq!(total(&report, "applied"), (2 * EVENTS - expected.len()) as i64, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn javas_console_producer_and_group_command_are_at_home() {
    let Some(shop) = Shop::open() else { return };
    let topic = shop.topic("browse");
    let args = ["--topic", &topic, "--property", "parse.key=true", "--property", "key.separator=\t"];
    Shop::fed(shop.java("org.apache.kafka.tools.ConsoleProducer", &args), &lines(0));
    let (stream, _) = shop.start("stream");
    shop.folded(EVENTS as i64, &stream);
    // What the stream has stored, the group's offsets say soon after.
    let group = format!("{}.stream", shop.name);
    let described = until("a lag of nothing", || async {
        let mut command = shop.java(
            "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
            &["--describe", "--group", &group],
        );
        let out = String::from_utf8(command.output().unwrap().stdout).unwrap();
        // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG ...
        let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
        let ours: Vec<&Vec<&str>> = rows
            .iter()
            .filter(|row| row.get(1) == Some(&topic.as_str()) && row.get(4) != Some(&"0"))
            .collect();
        let all: usize = ours.iter().filter_map(|row| row.get(3)?.parse::<usize>().ok()).sum();
        (all == EVENTS && ours.iter().all(|row| row.get(5) == Some(&"0"))).then_some(out.clone())
    })
    .await;
    println!("{described}");
    stream.stop();
    let report = shop.verified();
    assert_eq!(
        [total(&report, "applied"), total(&report, "dead_lettered")],
        [EVENTS as i64, 0],
        "{report:#}"
    );
}

/// Reading must not take shards away from those who fold: the group is as it was, right after.
#[tokio::test(flavor = "multi_thread")]
async fn the_proof_does_not_disturb_the_group() {
    let Some(shop) = Shop::open() else { return };
    let (stream, _) = shop.start("stream");
    Shop::fed(kcat(&shop, "browse", &["-X", "partitioner=murmur2_random"]), &lines(0));
    shop.folded(EVENTS as i64, &stream);
    let group = format!("{}.stream", shop.name);
    let asker: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &shop.kafka).create().unwrap();
    let state = || {
        let list = asker.fetch_group_list(Some(&group), PATIENCE).unwrap();
        let group = &list.groups()[0];
        (group.state().to_owned(), group.members().len())
    };
    let epochs = || shop.sql(&format!("SELECT SUM(epoch) FROM {}.stream_offset", shop.name));
    let before = epochs();
    assert_eq!(state(), ("Stable".to_owned(), 1));
    shop.verified();
    shop.records("shop.browse");
    assert_eq!(state(), ("Stable".to_owned(), 1), "somebody joined");
    assert_eq!(epochs(), before, "a shard was taken over again");
    stream.stop();
}
