//! `micro events`: topics, what is in them, and who consumes them.

use crate::{
    fake::Fake,
    terminal::{Terminal, assert_all},
};

#[test]
fn events_are_published_shown_and_counted() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let table = "TOPIC    EVENTS   NEXT   GROUPS\norders   3        3      0\n";
    assert_all(
        &ada,
        &[
            (&["events", "topics"], "", "", 0),
            (
                &["events", "publish", "orders", "{\"id\": 7}", "-m", "source=till"],
                "",
                "",
                0,
            ),
            (&["events", "publish", "orders", "two", "words"], "", "", 0),
            (&["events", "publish", "orders", "-3"], "", "", 0),
            (&["events", "topics"], table, "", 0),
            (&["events", "topics", "--prefix", "x"], "", "", 0),
            (
                &["events", "tail", "orders", "--oldest", "-n", "3"],
                "{\"id\": 7}\ntwo words\n-3\n",
                "",
                0,
            ),
            (
                &["events", "tail", "orders", "--number", "1", "-n", "1"],
                "two words\n",
                "",
                0,
            ),
            (
                &["events", "tail", "orders", "--since", "1h", "-n", "1"],
                "{\"id\": 7}\n",
                "",
                0,
            ),
            (&["events", "groups"], "", "", 0),
            (&["events", "publish", "", "x"], "", "Missing topic\n", 127),
            (
                &["events", "publish", "orders", "x", "-m", "nonsense"],
                "",
                "\"nonsense\" is no metadata: write NAME=VALUE\n",
                1,
            ),
            (
                &["events", "tail", "orders", "--since", "soon"],
                "",
                "\"soon\" is no span of time. Try 90s or 1h30m\n",
                1,
            ),
            (&["events", "seek", "orders", "nobody"], "", "group not found\n", 127),
            (&["events", "replay", "orders", "nobody"], "", "group not found\n", 127),
            (&["events", "delete", "orders", "nobody"], "", "group not found\n", 127),
            (&["events", "letters", "orders", "nobody"], "", "", 0),
            (&["events", "delete", "orders"], "", "", 0),
            (&["events", "delete", "orders"], "", "topic not found\n", 127),
            (&["events", "topics"], "", "", 0),
        ],
    );
    let json = ada.run(&["events", "tail", "orders", "--oldest", "-n", "0", "-o", "json"]);
    assert_eq!((json.0.as_str(), json.1.as_str()), ("", ""));
}

#[test]
fn programs_get_events_a_line_each() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    ada.silent(&[
        "events",
        "publish",
        "orders",
        "{\"id\": 7}",
        "--metadata",
        "source=till",
    ]);
    let line = ada
        .run(&["events", "tail", "orders", "--oldest", "-n", "1", "-o", "json"])
        .0;
    let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((line.lines().count(), &event["payload"]["id"]), (1, &7.into()));
    assert_eq!(
        (&event["metadata"]["source"], &event["number"]),
        (&"till".into(), &0.into())
    );
}
