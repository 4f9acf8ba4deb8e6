//! Bounds of money, time, partitions and stored bytes, each side of each edge.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use shoptide_schemas::limits::{FUTURE_MS, LATE_MS};
use shoptide_schemas::list::ListError;
use shoptide_schemas::partition::{murmur2, partition_of};
use shoptide_schemas::time::{EVENT_MS_MAX, EVENT_MS_MIN};
use shoptide_schemas::wire::{from_hex, to_hex};
use shoptide_schemas::{Code, Currency, EventMs, ListEntry, Micros, StoredList, TimeVerdict};

#[test]
fn time_verdicts_change_exactly_at_their_bounds() {
    let appended = EventMs(1_777_896_000_000);
    for (ms, historical, expected) in [
        (0, false, TimeVerdict::InTime),
        (FUTURE_MS, false, TimeVerdict::InTime),
        (FUTURE_MS + 1, false, TimeVerdict::Future { ahead_ms: FUTURE_MS + 1 }),
        (FUTURE_MS + 1, true, TimeVerdict::Future { ahead_ms: FUTURE_MS + 1 }),
        (-LATE_MS, false, TimeVerdict::InTime),
        (-LATE_MS - 1, false, TimeVerdict::Late),
        (-LATE_MS - 1, true, TimeVerdict::InTime),
    ] {
        assert_eq!(EventMs(appended.0 + ms).verdict(appended, historical), expected, "{ms} {historical}");
    }
    assert_eq!((LATE_MS, FUTURE_MS), (30 * 24 * 3_600_000, 300_000));
    let far = EventMs(i64::MAX).verdict(EventMs(i64::MIN), false);
    assert_eq!(far, TimeVerdict::Future { ahead_ms: i64::MAX }, "no overflow");
    assert_eq!(EventMs(i64::MIN).verdict(EventMs(i64::MAX), false), TimeVerdict::Late);
}

#[test]
fn months_and_days_turn_at_midnight_utc() {
    for (text, month) in [
        ("2025-12-31T23:59:59.999Z", 202_512),
        ("2026-01-01T00:00:00Z", 202_601),
        ("2025-12-31T20:00:00-05:00", 202_601),
        ("2026-01-01T07:59:59+08:00", 202_512),
        ("2024-02-29T23:59:59Z", 202_402),
        ("2024-03-01T00:00:00Z", 202_403),
        ("1990-01-01T00:00:00Z", 199_001),
        ("2099-12-31T23:59:59.999Z", 209_912),
    ] {
        assert_eq!(EventMs::from_rfc3339(text).unwrap().month(), month, "{text}");
    }
    assert_eq!((EventMs(86_399_999).day(), EventMs(86_400_000).day(), EventMs(-1).day()), (0, 1, 0));
}

#[test]
fn times_are_read_to_the_millisecond_or_refused() {
    for (text, ms) in [
        ("2026-05-04T12:00:00Z", 1_777_896_000_000),
        ("2026-05-04t12:00:00z", 1_777_896_000_000),
        ("2026-05-04 12:00:00Z", 1_777_896_000_000),
        ("2026-05-04T20:00:00.123456789+08:00", 1_777_896_000_123),
        ("2026-05-04T12:00:00.9999-00:00", 1_777_896_000_999),
        ("2016-12-31T23:59:60Z", 1_483_228_799_000),
        ("2017-01-01T07:59:60+08:00", 1_483_228_799_000),
        ("2100-01-01T00:00:00+00:01", EVENT_MS_MAX - 60_000),
        ("1989-12-31T23:59:00-00:01", EVENT_MS_MIN),
    ] {
        assert_eq!(EventMs::from_rfc3339(text), Ok(EventMs(ms)), "{text}");
        assert_eq!(EventMs::from_rfc3339(&EventMs(ms).to_rfc3339()), Ok(EventMs(ms)), "{text}");
    }
    for text in [
        "",
        "yesterday",
        "2026-05-04",
        "2026-05-04T12:00:00",
        "2026-05-04T12:00Z",
        "2026-05-04T12:00:00+0800",
        "20260504T120000Z",
        "2026-05-04T12:00:00+08",
        "2026-05-04T12:00:00Z[UTC]",
        "2026-05-04T12:00:00+08:00[Asia/Shanghai]",
        "2026-02-29T12:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-05-04T24:00:00Z",
        "2026-05-04T12:60:00Z",
        "2026-05-04T12:00:61Z",
        "2026-05-04T12:00:00.Z",
        "2026-05-04T12:00:00,5Z",
        "2026-05-04T12:00:00.1234567890Z",
        " 2026-05-04T12:00:00Z",
        "2026-05-04T12:00:00Z\n",
        "-002026-05-04T12:00:00Z",
        "+002026-05-04T12:00:00Z",
        "2026-05-04T12:00:00+24:00",
        "2026-05-04T12:00:00+08:60",
        "２０２６-05-04T12:00:00Z",
        "1777896000000",
    ] {
        assert_eq!(EventMs::from_rfc3339(text).unwrap_err().code, Code::BadValue, "{text}");
    }
    for text in [
        "0000-01-01T00:00:00Z",
        "1601-01-01T00:00:00Z",
        "1989-12-31T23:59:59.999Z",
        "2100-01-01T00:00:00Z",
        "9999-12-31T00:00:00Z",
    ] {
        assert_eq!(EventMs::from_rfc3339(text).unwrap_err().code, Code::OutOfRange, "{text}");
    }
    for (ms, good) in [
        (EVENT_MS_MIN - 1, false),
        (EVENT_MS_MIN, true),
        (EVENT_MS_MAX - 1, true),
        (EVENT_MS_MAX, false),
        (i64::MIN, false),
    ] {
        assert_eq!(EventMs::from_ms(ms).is_ok(), good, "{ms}");
    }
    assert!(EventMs::from_ms(1_777_896_000).unwrap_err().message.contains("are these seconds"));
    assert!(!EventMs::from_ms(-5).unwrap_err().message.contains("are these seconds"));
}

#[test]
fn partitions_agree_with_kafka_and_librdkafka() {
    // Kafka's UtilsTest and librdkafka's rdmurmur2.c.
    for (key, expected) in [
        ("abc", 479_470_107_i32.cast_unsigned()),
        ("kafka", 0xd067_cf64),
        ("giberish123456789", 0x8f55_2b0c),
        ("1234", 0x9fc9_7b14),
        ("234", 0xe7c0_09ca),
        ("34", 0x8739_30da),
        ("4", 0x5a4b_5ca1),
        ("PreAmbleWillBeRemoved,ThePrePartThatIs", 0x7842_4f1c),
        ("", 0x106e_08d9),
    ] {
        assert_eq!(murmur2(key.as_bytes()), expected, "{key}");
        assert_eq!(partition_of(key.as_bytes(), 12), (expected & 0x7fff_ffff) % 12, "{key}");
    }
    assert_eq!((partition_of(b"u", 0), partition_of(b"u", 1)), (0, 0));
    let ids = ["User1", "user1", "üser1", "user1 ", "1", "01"];
    assert_eq!(
        ids.map(|id| murmur2(id.as_bytes())).into_iter().collect::<std::collections::HashSet<_>>().len(),
        ids.len()
    );
}

#[test]
fn money_keeps_every_digit() {
    for (text, shown) in [
        ("0.1", "0.10"),
        ("0.10", "0.10"),
        ("00", "0.00"),
        ("999999999.999999", "999999999.999999"),
        ("1.0000000000", "1.00"),
    ] {
        let micros = Micros::parse(text, "price").unwrap();
        assert_eq!(
            (micros.to_string().as_str(), Micros::parse(&micros.to_string(), "price")),
            (shown, Ok(micros)),
            "{text}"
        );
    }
    assert_eq!(Micros(i64::MIN).to_string(), "-9223372036854.775808");
    for (text, code) in [
        ("-1", Code::BadValue),
        ("1e3", Code::BadValue),
        ("0x1", Code::BadValue),
        ("1_000", Code::BadValue),
        ("1.2.3", Code::BadValue),
        ("٣", Code::BadValue),
        ("1000000000", Code::OutOfRange),
        ("0.0000001", Code::OutOfRange),
    ] {
        assert_eq!(Micros::parse(text, "price").unwrap_err().code, code, "{text}");
    }
    assert_eq!(Micros::parse(&"0".repeat(33), "price").unwrap_err().code, Code::TooLong);
    for text in ["cny", "CN", "CNYY", "", "CN1", "ＣＮＹ", "CN "] {
        assert_eq!(Currency::parse(text).unwrap_err().code, Code::BadValue, "{text}");
    }
}

#[test]
fn hexadecimal_goes_there_and_back() {
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(from_hex(&to_hex(&all)).as_deref(), Some(all.as_slice()));
    assert_eq!((to_hex(&[0, 0x1f, 0xff]), from_hex("")), ("001fff".to_owned(), Some(Vec::new())));
    assert_eq!(from_hex("FFab"), Some(vec![0xff, 0xab]));
    for text in ["0", "0g", "g0", "0x00", " 00", "00 ", "+1", "é", "００"] {
        assert_eq!(from_hex(text), None, "{text}");
    }
}

#[test]
fn stored_lists_refuse_foreign_bytes() {
    let entry = ListEntry { item: u32::MAX, score: 0.125, source: 255, evidence: 0 };
    let list = StoredList {
        epoch: i64::MAX,
        revision: -1,
        model_version: u64::MAX,
        as_of: [i64::MIN, 0, 1, 2, i64::MAX],
        entries: vec![entry; 200],
        ..StoredList::default()
    };
    let bytes = list.encode();
    assert_eq!(StoredList::decode(&bytes).as_ref(), Ok(&list));
    for cut in 0..bytes.len() {
        assert!(StoredList::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(StoredList::decode(&longer), Err(ListError::Truncated { bytes: longer.len() }));
    let mut foreign = bytes.clone();
    foreign[0] = 1;
    assert_eq!(StoredList::decode(&foreign), Err(ListError::Format { found: 1 }));
    // A count that no memory holds must not be believed.
    let empty = StoredList::default().encode();
    let (head, tail) = empty.split_at(empty.len() - 3);
    assert_eq!(tail, [0; 3], "no places, a narrow shape, no proofs");
    let huge = [head, &[0xff; 8], &[0x7f, 0, 0]].concat();
    assert!(StoredList::decode(&huge).is_err());
    let key = |epoch, revision| StoredList { epoch, revision, ..StoredList::default() }.version_key();
    assert!(
        key(9, 10) > key(9, 9)
            && key(10, 0) > key(9, i64::MAX)
            && key(1, 2).len() == key(i64::MAX, i64::MAX).len()
    );
}
