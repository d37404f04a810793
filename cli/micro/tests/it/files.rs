//! `micro store blob`, `snapshot`, `restore` and `sync`: what goes from files into the store, and back.

use std::fs;

use crate::{
    fake::Fake,
    terminal::{Terminal, assert_all},
};

#[test]
fn a_file_goes_in_and_comes_out_as_it_was() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let content: Vec<u8> = (0..9_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let (file, copy) = (ada.path("photo.png"), ada.path("copy.png"));
    fs::write(&file, &content).expect("written");
    let [file, copy] = [&file, &copy].map(|path| path.to_str().expect("text").to_owned());
    ada.silent(&["store", "blob", "put", &file]);
    ada.silent(&["store", "blob", "put", &file, "photos/ada.png"]);
    ada.silent(&["store", "blob", "get", "photos/ada.png", &copy]);
    assert!(fs::read(&copy).expect("there") == content);
    let left = fs::read_dir(ada.path("")).expect("a folder");
    let parts = left.filter(|f| {
        f.as_ref()
            .is_ok_and(|f| f.file_name().to_string_lossy().ends_with(".part"))
    });
    assert_eq!(parts.count(), 0, "no half file stays");
    let listed = ada.run(&["store", "blob", "list"]);
    let keys: Vec<_> = listed
        .0
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(keys, ["KEY", "photo.png", "photos/ada.png"]);
    assert!(listed.0.contains("8.6 MiB"), "{}", listed.0);
    let json = ada.run(&["store", "blob", "list", "-p", "photos/", "-o", "json"]).0;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["blobs"][0]["bytes"], 9_000_000);
    assert_eq!(json["blobs"].as_array().map(Vec::len), Some(1));
    ada.silent(&["store", "blob", "delete", "photos/ada.png"]);
    fs::write(&file, "").expect("written");
    assert_all(
        &ada,
        &[
            (&["store", "blob", "get", "photos/ada.png", &copy], "", "Not found\n", 1),
            (
                &["store", "blob", "put", &file],
                "",
                &format!("{file} is empty: there is nothing to store\n"),
                1,
            ),
        ],
    );
}

/// What a download that was cut off has left is taken as it is; what is not that blob's is found out at the end.
#[test]
fn a_download_goes_on_behind_what_is_there() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    let (file, copy) = (ada.path("a"), ada.path("b"));
    fs::write(&file, "0123456789").expect("written");
    let [file, out] = [&file, &copy].map(|path| path.to_str().expect("text").to_owned());
    ada.silent(&["store", "blob", "put", &file]);
    // Its place has the revision in its name: the first try shows it.
    let revision = {
        ada.silent(&["store", "blob", "get", "a", &out]);
        let json = ada.run(&["store", "blob", "list", "-o", "json"]).0;
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        json["blobs"][0]["revision"].as_str().expect("named").to_owned()
    };
    let part = ada.path(&format!("b.{revision}.part"));
    fs::write(&part, "01234").expect("written");
    ada.silent(&["store", "blob", "get", "a", &out]);
    assert_eq!(fs::read_to_string(&copy).expect("there"), "0123456789");
    fs::write(&part, "wrong").expect("written");
    let refused = ada.run(&["store", "blob", "get", "a", &out]);
    assert_eq!(refused.1, "What arrived is not what was stored: get it again\n");
    assert!(!part.exists());
    ada.silent(&["store", "blob", "get", "a", &out]);
}

#[test]
fn a_snapshot_is_put_back_as_it_was() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    ada.silent(&["store", "write", "visits", "7"]);
    ada.silent(&["store", "write", "--table", "notes", "a", "hello", "world"]);
    ada.silent(&["store", "write", "--table", "notes", "--expiry", "1h", "b", "x"]);
    let path = ada.path("all.snapshot");
    let file = path.to_str().expect("text").to_owned();
    let url = format!("file://{file}");
    let verbose = &["store", "read", "--table", "notes", "-p", "-v", ""][..];
    let before = ada.run(verbose).0;
    assert_all(
        &ada,
        &[
            (&["store", "snapshot", "--destination", &url], "", "3 records\n", 0),
            (&["store", "delete", "visits"], "", "", 0),
            (&["store", "write", "--table", "notes", "a", "changed"], "", "", 0),
            (
                &["store", "restore", "--source", &file],
                "",
                "3 written, 0 expired\n",
                0,
            ),
            (&["store", "read", "visits"], "7\n", "", 0),
            (&["store", "read", "--table", "notes", "a"], "hello world\n", "", 0),
        ],
    );
    // But for the seconds that have passed.
    let first_lines = |text: &str| text.lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(first_lines(&ada.run(verbose).0), first_lines(&before));
    let whole = fs::read_to_string(&path).expect("there");
    fs::write(&path, whole.rsplit_once("{\"records\"").expect("its foot").0).expect("written");
    ada.silent(&["store", "delete", "visits"]);
    let cut = format!("Couldn't use {file}: the snapshot was cut off: it has 3 records and no end\n");
    assert_all(
        &ada,
        &[
            (&["store", "restore", "--source", &file], "", &cut, 1),
            (&["store", "read", "visits"], "", "Not found\n", 1),
            (
                &["store", "snapshot", "--destination", "s3://bucket/x"],
                "",
                "S3://bucket/x is no place for a snapshot: give a path, or file:// and a path\n",
                1,
            ),
        ],
    );
}

#[test]
fn a_table_is_copied_into_another() {
    let fake = Fake::start();
    let ada = Terminal::logged_in(&fake);
    ada.silent(&["store", "write", "--table", "notes", "a", "1"]);
    ada.silent(&["store", "write", "--table", "copies", "b", "stays"]);
    assert_all(
        &ada,
        &[
            (
                &["store", "sync", "--from-table", "notes", "--to-table", "copies"],
                "",
                "1 written, 0 expired\n",
                0,
            ),
            (&["store", "read", "--table", "copies", "-p", ""], "1\nstays\n", "", 0),
            (
                &["store", "sync"],
                "",
                "From and to are the same store: there is nothing to copy\n",
                1,
            ),
        ],
    );
}
