//! What the command line prints for people: columns that stay in line, a profile's page.
// The program is compiled once, without tests of its own, because it takes minutes; this room of it stands alone.
#![allow(dead_code)]

#[path = "../src/render/mod.rs"]
mod render;

use render::profile::profile_text;
use render::table;

#[test]
fn wide_characters_and_control_characters_keep_the_columns() {
    let rows = vec![vec!["手机".to_owned(), "1".to_owned()], vec!["a\u{1b}[2Jb".to_owned(), "2".to_owned()]];
    let shown = table(&["name", "n"], &rows);
    assert_eq!(shown, "name    n\n手机    1\na\u{fffd}[2Jb  2\n");
}

#[test]
fn long_cells_are_cut_by_what_a_terminal_shows_and_the_last_column_later() {
    let rows = vec![vec!["手".repeat(40), "x".repeat(100)], vec!["a".repeat(61), "手".repeat(60)]];
    let shown = table(&["name", "why"], &rows);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[1], format!("{}…   {}", "手".repeat(29), "x".repeat(100)));
    assert_eq!(lines[2], format!("{}…  {}…", "a".repeat(59), "手".repeat(54)));
}

#[test]
fn the_page_begins_with_the_user_and_ends_with_what_is_new() {
    let profile = serde_json::json!({
        "brands": [{"name": "Acme", "strength": 2.0}], "counts": {"purchase": 1, "view_item": 7}, "last_event_at": "2026-05-04T12:00:00.000Z",
        "loyalty": "new", "queries": [], "segment": {"id": 3, "name": "technology"}, "user_id": "U1\u{1b}[2J", "tastes": [{"hidden": true, "item_id": "A", "strength": 1.5, "title": "手机"}],
    });
    let expected = "user        U1\u{fffd}[2J\nlast event  2026-05-04T12:00:00.000Z\nsegment     technology\ndid         view_item 7, purchase 1\n\
        \ntastes\nitem  strength  hidden  title\nA     1.5000    yes     手机\n\
        \nbrands\nbrand  strength\nAcme   2.0000\n\nloyalty: new\n";
    assert_eq!(profile_text(&profile), expected);
}
