//! Imports from outside: every named mapping on a few own rows, packed and plain, and what bad rows and bad mappings say.

use std::io::Write;

use crate::import_support::{all, fixture, import, import_named};
use shoptide_jobs::import::{BAD_LINES_MAX, Import, ImportError, Mapping, NAMED_MAPPINGS};
use shoptide_schemas::wire::{self, WireEvent, WireTime};

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("-")
}

/// An event in one line, for tables of expectations.
fn line(e: &WireEvent) -> String {
    let Some(WireTime::Ms(ms)) = e.occurred_at else { panic!("imports write milliseconds") };
    assert!(e.historical);
    format!("{} {} {} {ms}", text(&e.event_type), text(&e.user_id), text(&e.item_id))
}

#[test]
fn every_named_mapping_is_valid() {
    for (name, _) in NAMED_MAPPINGS {
        Mapping::find(name).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn retailrocket_in_both_of_its_versions() {
    let dir = tempfile::tempdir().unwrap();
    for (name, rows) in [
        (
            "events.csv",
            "timestamp,visitorid,event,itemid\n1430623510,7,view,68\n1430623535,7,addtocart,68\n1430623644,7,transaction,68\n",
        ),
        (
            "full.csv",
            "timestamp,visitorid,event,itemid,transactionid\n1430623510000,7,view,68,\n1430623535000,7,addtocart,68,\n1430623644000,7,transaction,68,4000\n",
        ),
    ] {
        let (events, _, report) = import_named(&fixture(&dir, name, rows), "retailrocket");
        let lines: Vec<_> = events.iter().map(line).collect();
        assert_eq!(
            lines,
            ["view_item 7 68 1430623510000", "add_to_cart 7 68 1430623535000", "purchase 7 68 1430623644000"]
        );
        let order = name.starts_with("full").then(|| "4000".to_owned());
        assert_eq!((events[2].order_id.clone(), report.bad, report.events), (order, 0, 3));
    }
}

#[test]
fn tmall_knows_buys_carts_and_favourites() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "user_id,item_id,behavior_type,timestamp\n1,2,fav,1511539200\n1,2,cart,1511539201\n1,2,buy,1511539202\n1,2,rob,1511539203\n";
    let (events, _, report) = import_named(&fixture(&dir, "t.csv", rows), "tmall");
    let types: Vec<_> = events.iter().map(|e| text(&e.event_type)).collect();
    assert_eq!(types, ["add_to_wishlist", "add_to_cart", "purchase"]);
    assert_eq!((report.rows, report.bad_by_reason["unknown_type"], report.bad_lines[0].line), (4, 1, 5));
}

#[test]
fn rees46_rows_also_make_catalogue_entries() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n\
        2019-10-01 00:00:00 UTC,view,44,9,,shiseido,35.79,5,s-1\n\
        2019-10-01 00:00:01 UTC,purchase,44,9,,shiseido,35.79,5,s-1\n\
        2019-10-01 00:00:02 UTC,cart,45,9,appliances.kitchen,,10.00,6,s-2\n\
        2019-10-01 00:00:03 UTC,view,46,9,,,,6,s-2\n";
    let (events, catalogue, report) = import_named(&fixture(&dir, "r.csv", rows), "rees46");
    assert_eq!(line(&events[0]), "view_item 5 44 1569888000000");
    assert_eq!((text(&events[0].session_id), text(&events[0].price)), ("s-1", "-"));
    assert_eq!((text(&events[1].price), text(&events[1].currency)), ("35.79", "USD"));
    let titles: Vec<_> = catalogue
        .iter()
        .map(|c| (text(&c.title), text(&c.brand), text(&c.category), text(&c.price)))
        .collect();
    assert_eq!(
        titles,
        [
            ("shiseido 44", "shiseido", "-", "35.79"),
            ("appliances.kitchen 45", "-", "appliances/kitchen", "10.00"),
            ("46", "-", "-", "-"),
        ]
    );
    assert_eq!((report.events, report.catalogue, report.bought_micros), (4, 3, 35_790_000));
}

#[test]
fn online_retail_keeps_repeats_and_knows_what_came_back() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n\
        536365,85123A,WHITE HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n\
        536365,85123A,WHITE HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n\
        C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom\n\
        536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom\n\
        536589,21777,damaged,-10,12/1/2010 16:50,0.0,,United Kingdom\n\
        A563185,B,Adjust bad debt,1,2011-08-12 14:50:00,11062.06,,United Kingdom\n\
        A563186,B,Adjust bad debt,1,2011-08-12 14:51:00,-11062.06,,United Kingdom\n\
        536590,X,,1,2010-12-01 11:52:00,-1.0,5.0,United Kingdom\n\
        536591,22139,\"RETRO, \"\"RED\"\"\",1,2010-12-01 12:00:00,4.25,5.0,United Kingdom\n";
    let (events, catalogue, report) = import_named(&fixture(&dir, "online.csv", rows), "online-retail");
    let seen: Vec<_> = events
        .iter()
        .map(|e| (text(&e.event_type), text(&e.user_id), e.quantity, text(&e.order_id)))
        .collect();
    assert_eq!(
        seen,
        [
            ("purchase", "17850", Some(6), "536365"),
            ("purchase", "17850", Some(6), "536365"),
            ("refund", "14527", Some(1), "C536379"),
            ("purchase", "invoice:536414", Some(56), "536414"),
            ("refund", "invoice:536589", Some(10), "536589"),
            ("purchase", "5", Some(1), "536591"),
        ]
    );
    assert_ne!(events[0].event_id, events[1].event_id);
    assert_ne!(events[0].order_line, events[1].order_line);
    assert_eq!(report.bad_by_reason.clone().into_iter().collect::<Vec<_>>(), [("adjustment".to_owned(), 3)]);
    assert_eq!(report.rows, report.events + report.bad + report.ignored);
    assert_eq!((report.bought_micros, report.refunded_micros), (34_850_000, 27_500_000));
    // One up, one down, and a price below 0 of an ordinary invoice.
    assert_eq!((report.rejected_micros, report.rejected_unreadable), (-1_000_000, 0));
    assert_eq!(report.sum_micros(), 6_350_000, "what came in and what did not is what the file has");
    let titles: Vec<_> = catalogue.iter().map(|c| (text(&c.item_id), text(&c.title))).collect();
    // The row without a description names nothing; the next one of that item does.
    assert_eq!(titles, [("85123A", "WHITE HOLDER"), ("22139", "RETRO, \"RED\"")]);
}

#[test]
fn otto_lines_hold_many_events() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "{\"session\":0,\"events\":[{\"aid\":15,\"ts\":1659304800025,\"type\":\"clicks\"},{\"aid\":15,\"ts\":1659304904511,\"type\":\"carts\"},{\"aid\":15,\"ts\":1659304904512,\"type\":\"orders\"}]}\n\
        {\"session\":1}\n{\"session\":2,\"events\":[{\"aid\":16,\"ts\":1659304800025,\"type\":\"clicks\"},{\"ts\":1659304800025,\"type\":\"clicks\"}]}\n[1]\n{\"session\":";
    let path = fixture(&dir, "o.jsonl", rows);
    let (events, _, report) = import_named(&path, "otto");
    let lines: Vec<_> = events.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "view_item 0 15 1659304800025",
            "add_to_cart 0 15 1659304904511",
            "purchase 0 15 1659304904512",
            "view_item 2 16 1659304800025",
        ]
    );
    let bad: Vec<_> = report.bad_lines.iter().map(|b| (b.line, b.reason.as_str())).collect();
    assert_eq!(
        bad,
        [(2, "missing:rows"), (3, "missing:item_id"), (4, "malformed_json"), (5, "malformed_json")]
    );
    assert_eq!(report.rows, 8);
    // Small batches cut a line's events without losing any.
    let mut one_by_one = Import::open(&path, Mapping::find("otto").unwrap()).unwrap();
    let mut singles = Vec::new();
    while let Some(batch) = one_by_one.next_batch(1).unwrap() {
        assert_eq!(batch.events.len(), 1);
        singles.extend(batch.events.into_iter().map(|e| e.event_id));
    }
    assert_eq!(singles, events.into_iter().map(|e| e.event_id).collect::<Vec<_>>());
}

#[test]
fn movielens_and_serenade_have_one_type() {
    let dir = tempfile::tempdir().unwrap();
    let ratings = fixture(
        &dir,
        "ratings.csv",
        "userId,movieId,rating,timestamp\r\n1,31,4.5,964982703\r\n1,32,5.5,964982703\r\n",
    );
    let (events, _, report) = import_named(&ratings, "movielens");
    assert_eq!((line(&events[0]).as_str(), events[0].rating), ("rate_item 1 31 964982703000", Some(4.5)));
    assert_eq!(report.bad_by_reason["bad_rating"], 1);
    let clicks =
        fixture(&dir, "train.txt", "SessionId\tItemId\tTime\n36\t957\t1592337718.5\n36\t\"9\t1592337719.0\n");
    let (events, _, _) = import_named(&clicks, "serenade");
    assert_eq!(line(&events[0]), "view_item 36 957 1592337718500");
    assert_eq!((text(&events[0].session_id), text(&events[1].item_id)), ("36", "\"9"));
}

#[test]
fn packing_is_told_by_content_and_ids_by_name_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "\u{feff}userId,movieId,rating,timestamp\n1,31,4.5,964982703\n";
    let plain = import_named(&fixture(&dir, "a.csv", rows), "movielens").0;
    // Two gzip members one after the other, as `cat a.gz b.gz` makes them; and names that say nothing.
    let (head, tail) = rows.split_at(12);
    let mut gzip = Vec::new();
    let gzipped = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    for part in [head, tail] {
        gzip.extend(gzipped(part.as_bytes()));
    }
    let zstd = zstd::encode_all(rows.as_bytes(), 1).unwrap();
    for (name, bytes, same_name) in
        [("a.csv.gz", &gzip, true), ("a.csv.zst", &zstd, true), ("b", &gzip, false), ("c.csv", &zstd, false)]
    {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let events = import_named(&path, "movielens").0;
        assert_eq!(line(&events[0]), line(&plain[0]), "{name}");
        assert_eq!(events[0].event_id == plain[0].event_id, same_name, "{name}");
        assert!(events[0].event_id.as_ref().unwrap().len() <= 64);
    }
    let mut renamed =
        Import::open_as(&dir.path().join("b"), "a.csv", Mapping::find("movielens").unwrap()).unwrap();
    assert_eq!(all(&mut renamed).0[0].event_id, plain[0].event_id);
    // A damaged package is an error that says where, after what could be read was handed out.
    let mut cut = fixture(&dir, "cut.gz", "");
    let mut rows = b"userId,movieId,rating,timestamp\n".to_vec();
    (0..20_000_u32)
        .for_each(|n| rows.extend(format!("{n},{},4,{}\n", n * 7919 % 997, 964_982_703 + n).bytes()));
    let whole = gzipped(&rows);
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let mut import = Import::open(&cut, Mapping::find("movielens").unwrap()).unwrap();
    let mut good = 0;
    let line = loop {
        match import.next_batch(1_000) {
            Ok(batch) => good += batch.unwrap().events.len() as u64,
            Err(ImportError::File { line, .. }) => break line,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(1_000 < good && good == import.report().events && good + 1 == line, "{good} of {line} lines");
    cut.set_file_name("none");
    let error = Import::open(&cut, Mapping::find("movielens").unwrap()).unwrap_err();
    assert!(matches!(&error, ImportError::File { line: 0, .. }), "{error}");
}

/// `export.csv` of Monday and of Tuesday are two files; one that has grown since is the same, and so is one in another folder.
#[test]
fn files_of_one_name_are_told_apart_by_their_first_row() {
    let dir = tempfile::tempdir().unwrap();
    let header = "userId,movieId,rating,timestamp";
    let ids = |folder: &str, rows: &[&str]| {
        let path = dir.path().join(folder);
        std::fs::create_dir(&path).unwrap();
        let rows: String = std::iter::once(&header).chain(rows).flat_map(|row| [row, "\n"]).collect();
        std::fs::write(path.join("export.csv"), rows).unwrap();
        let events = import_named(&path.join("export.csv"), "movielens").0;
        events.into_iter().map(|event| event.event_id.unwrap()).collect::<Vec<_>>()
    };
    let (long, broken) = ("9".repeat(70_000), "not a row");
    let (first, second, third) = ("1,31,4,964982703", "1,32,4,964982704", "1,33,4,964982705");
    let monday = ids("monday", &[first, second]);
    let tuesday = ids("tuesday", &[second, third]);
    assert!(monday.iter().all(|id| !tuesday.contains(id)), "{monday:?} {tuesday:?}");
    assert_eq!(ids("evening", &[first, second, third])[..2], monday);
    // What cannot be read is a first row too, and one that is too long is none.
    let (odd, other) = (ids("odd", &[broken, second]), ids("other", &[broken, second, third]));
    assert_eq!((&odd[..], odd.len()), (&other[..1], 1));
    assert_ne!(odd[0], monday[1]);
    let (one, two) = (ids("long", &[&long, first, second]), ids("longer", &[&long, second, first]));
    assert!(one.len() == 2 && one.iter().all(|id| !two.contains(id)), "{one:?} {two:?}");
}

#[test]
fn bad_rows_are_counted_listed_and_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = b"userId,movieId,rating,timestamp\n".to_vec();
    rows.extend(b"1,1,4,964982703\n");
    rows.extend(b"1,2,4\n"); // 3
    rows.extend(b"1,3,4,yesterday\n"); // 4
    rows.extend(b"1,4,good,964982703\n"); // 5
    rows.extend(b",5,4,964982703\n"); // 6
    rows.extend(b"1,,4,964982703\n"); // 7
    rows.extend(b"1,\xff,4,964982703\n"); // 8
    rows.extend(format!("1,{},4,964982703\n", "9".repeat(64 * 1024)).as_bytes()); // 9
    rows.extend(format!("1,{},4,964982703\n", "9".repeat(129)).as_bytes()); // 10
    rows.extend(b"\n \n"); // blank lines are no rows
    rows.extend(b"1,\"13,4,964982703\n"); // 13: never closed
    rows.extend(b"1,14,4,964982703\n");
    rows.extend(b"1,\"15\n15\",4,964982703\n"); // 15 and 16 are one row, and a quote closes within it
    rows.extend(b"1,17,4,1\n"); // 17: 1970
    rows.extend(b"1,18,4,964982703"); // no line end
    let path = dir.path().join("bad.csv");
    std::fs::write(&path, rows).unwrap();
    let (events, _, report) = import_named(&path, "movielens");
    let items: Vec<_> = events.iter().map(|e| text(&e.item_id)).collect();
    let bad: Vec<_> = report.bad_lines.iter().map(|b| (b.line, b.reason.as_str())).collect();
    assert_eq!(
        bad,
        [
            (3, "field_count"),
            (4, "bad_time"),
            (5, "bad_rating"),
            (6, "missing:user_id"),
            (7, "missing:item_id"),
            (8, "not_utf8"),
            (9, "line_too_long"),
            (10, "too_long:item_id"),
            (13, "unclosed_quote"),
            (17, "out_of_range:occurred_at"),
        ]
    );
    assert_eq!(items, ["1", "14", "15\n15", "18"]);
    assert_eq!(report.rows, report.events + report.bad);
}

#[test]
fn a_stray_quote_costs_one_row() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = "userId,movieId,rating,timestamp\n1,\"oops,4,964982703\n".to_owned();
    for item in 0..1_000 {
        rows.push_str(&format!("1,{item},4,964982703\n"));
    }
    let (events, _, report) = import_named(&fixture(&dir, "q.csv", &rows), "movielens");
    assert_eq!((events.len(), report.bad_by_reason["unclosed_quote"], report.bad), (1_000, 1, 1));
    assert_eq!(report.bad_lines[0].line, 2);
}

#[test]
fn the_list_of_bad_lines_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let rows = format!("userId,movieId,rating,timestamp\n{}", "1,1,9,964982703\n".repeat(1_000));
    let (_, _, report) = import_named(&fixture(&dir, "b.csv", &rows), "movielens");
    assert_eq!((report.bad, report.bad_lines.len()), (1_000, BAD_LINES_MAX));
}

#[test]
fn a_file_without_the_columns_says_which() {
    let dir = tempfile::tempdir().unwrap();
    for (rows, shown) in [("a,b\n1,2\n", "it has a, b"), ("", "it has ")] {
        let error =
            Import::open(&fixture(&dir, "x.csv", rows), Mapping::find("retailrocket").unwrap()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(
                "mapping retailrocket: fields.user is \"visitorid\", a column that the file lacks"
            ),
            "{text}"
        );
        assert!(text.ends_with(shown), "{text}");
    }
}

#[test]
fn an_own_mapping_can_say_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let mapping = r#"
        format = "csv"
        columns = ["when", "who", "what", "thing", "words", "stars", "n", "cost", "money"]
        delimiter = ";"
        missing = ["", "NULL"]
        rating_max = 10
        [fields]
        user = "who"
        item = "thing"
        type = "what"
        time = "when"
        query = "words"
        rating = "stars"
        quantity = "n"
        price = "cost"
        currency = "money"
        session = "visit?"
        [time]
        unit = "%d.%m.%Y %H:%M"
        utc_offset = "+02:00"
        [types]
        looked = "view_item"
        typed = "search"
        rated = "rate_item"
        bought = "purchase"
        pinged = "ignore"
        [defaults]
        quantity = 2
        currency = "EUR"
        [prefix]
        user = "shop7:"
        item = "p"
    "#;
    let path = dir.path().join("mine.toml");
    std::fs::write(&path, mapping).unwrap();
    let rows = "04.05.2026 14:00;ann;looked;1;;;;;\n\
        04.05.2026 14:00;ann;typed;NULL;rote Schuhe;;;;\n\
        04.05.2026 14:00;ann;rated;1;;9;;;\n\
        04.05.2026 14:00;ann;bought;1;;;;9.5;\n\
        04.05.2026 14:00;ann;bought;1;;;3.0;9.5;CHF\n\
        04.05.2026 14:00;ann;bought;1;;;1.5;9.5;CHF\n\
        04.05.2026 14:00;ann;pinged;1;;;;;\n";
    let mapping = Mapping::find(path.to_str().unwrap()).unwrap();
    let (events, _, report) = import(&fixture(&dir, "mine.csv", rows), mapping);
    assert_eq!(line(&events[0]), "view_item shop7:ann p1 1777896000000");
    assert_eq!((text(&events[1].query), text(&events[1].item_id)), ("rote Schuhe", "-"));
    assert_eq!(events[2].rating, Some(4.5));
    assert_eq!((events[3].quantity, text(&events[3].currency)), (Some(2), "EUR"));
    assert_eq!((events[4].quantity, text(&events[4].currency)), (Some(3), "CHF"));
    assert_eq!(
        (report.rows, report.events, report.ignored, report.bad_by_reason["bad_quantity"]),
        (7, 5, 1, 1)
    );
    assert!(events.into_iter().all(|e| wire::check(e).is_ok()));
}

#[test]
fn ids_in_json_stay_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mapping = "format = \"jsonl\"\n[fields]\nuser = \"u.id\"\nitem = \"i\"\ntime = \"t\"\n[time]\nunit = \"rfc3339\"\n[defaults]\ntype = \"view_item\"\n";
    let rows = "{\"u\":{\"id\":\"01\"},\"i\":18446744073709551615,\"t\":\"2026-05-04T12:00:00Z\"}\n\
        {\"u\":{\"id\":1},\"i\":\"User1 \",\"t\":\"2026-05-04T12:00:00Z\"}\n\
        {\"u\":{\"id\":28446744073709551616},\"i\":\"x\",\"t\":\"2026-05-04T12:00:00Z\"}\n\
        {\"u\":{\"id\":null},\"i\":\"x\",\"t\":\"2026-05-04T12:00:00Z\"}\n";
    let (events, _, report) =
        import(&fixture(&dir, "j.jsonl", rows), Mapping::from_toml("j.toml", mapping).unwrap());
    let ids: Vec<_> = events.iter().map(|e| (text(&e.user_id), text(&e.item_id))).collect();
    assert_eq!(ids, [("01", "18446744073709551615"), ("1", "User1 ")]);
    // A number that no integer holds would come back with other digits: better no id than a wrong one.
    assert_eq!(report.bad_by_reason["missing:user_id"], 2);
}

#[test]
fn bad_mappings_name_file_key_and_bound() {
    let good = "format = \"csv\"\n[fields]\nuser = \"u\"\nitem = \"i\"\ntime = \"t\"\n[time]\nunit = \"s\"\n[defaults]\ntype = \"view_item\"\n";
    Mapping::from_toml("m.toml", good).unwrap();
    let more = |text: &str| format!("{good}{text}");
    let with = |from: &str, to: &str| good.replace(from, to);
    for (text, message) in [
        ("format = 1".to_owned(), "mapping m.toml is not a mapping: line 1: "),
        (with("format", "formt"), "mapping m.toml is not a mapping: line 1: unknown field `formt`"),
        (with("\"csv\"", "\"xls\""), "mapping m.toml is not a mapping: line 1: unknown variant `xls`"),
        (with("item =", "itm ="), "mapping m.toml is not a mapping: line 4: unknown field `itm`"),
        (with("user = \"u\"\n", ""), "mapping m.toml is not a mapping: line 2: missing field `user`"),
        (with("\"u\"", "\"\""), "mapping m.toml: fields.user is empty, expected the name of a column"),
        (with("\"s\"", "\"minutes\""), "mapping m.toml: time.unit is \"minutes\", expected s, ms, epoch"),
        (
            with("unit = \"s\"", "unit = [\"s\", \"ms\"]"),
            "mapping m.toml: time.unit is a list, expected patterns",
        ),
        (
            with("unit = \"s\"", "unit = \"%Y\"\nutc_offset = \"Europe/Berlin\""),
            "mapping m.toml: time.utc_offset is \"Europe/Berlin\"",
        ),
        (
            with("view_item", "look"),
            "mapping m.toml: defaults.type is \"look\", expected ignore or one of view_item",
        ),
        (with("view_item", "user_erased"), "mapping m.toml: defaults.type is \"user_erased\""),
        (with("view_item", "rate_item"), "mapping m.toml: fields.rating is missing, and rate_item needs it"),
        (with("view_item", "search"), "mapping m.toml: fields.query is missing, and search needs it"),
        (with("item = \"i\"\n", ""), "mapping m.toml: fields.item is missing, and view_item needs it"),
        (with("type = \"view_item\"", ""), "mapping m.toml: fields.type is missing, and so is defaults.type"),
        (more("quantity = 0\n"), "mapping m.toml: defaults.quantity is 0, expected 1 to 100000"),
        (more("price = \"1.0\"\n"), "mapping m.toml: defaults.currency is missing, and prices need it"),
        (more("price = \"x\"\ncurrency = \"EUR\"\n"), "mapping m.toml: defaults.price is wrong"),
        (more("currency = \"eur\"\n"), "mapping m.toml: defaults.currency is not three capital letters"),
        (
            more("[types]\nx = \"view_item\"\n"),
            "mapping m.toml: fields.type is missing, and [types] needs it",
        ),
        (more("[rules]\nrefund_order_prefixes = [\"C\"]\n"), "mapping m.toml: fields.order_id is missing"),
        (
            more(&format!("[prefix]\nuser = \"{}\"\n", "x".repeat(33))),
            "mapping m.toml: prefix.user has 33 bytes, expected at most 32",
        ),
        (format!("rating_max = 0.0\n{good}"), "mapping m.toml: rating_max is 0, expected 0.1 to 1000000"),
        (format!("header = false\n{good}"), "mapping m.toml: columns is missing, and header is false"),
        (
            format!("header = true\ncolumns = [\"u\"]\n{good}"),
            "mapping m.toml: columns and header = true exclude each other",
        ),
        (format!("delimiter = \"，\"\n{good}"), "mapping m.toml: delimiter is no single ASCII character"),
        (format!("rows = \"r\"\n{good}"), "mapping m.toml: rows is for jsonl only"),
        (format!("header = true\n{}", with("csv", "jsonl")), "mapping m.toml: header is for csv and tsv"),
        (format!("# {}\n{good}", "x".repeat(65_536)), "mapping m.toml is not a mapping: it has "),
    ] {
        let error = Mapping::from_toml("m.toml", &text).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}\nexpected {message}");
    }
    let error = Mapping::find("no-such-mapping").unwrap_err().to_string();
    assert!(error.contains("no-such-mapping") && error.contains("retailrocket, tmall, rees46"), "{error}");
}
