//! Output, from the program's write to a follower's hands.

use std::time::Duration;

use micro_sandbox::{Entry, LogReader, LogWriter, Stream};
use time::OffsetDateTime;

use crate::support::{Workplace, confined, texts};

#[tokio::test]
async fn ten_thousand_lines_arrive_whole_and_in_order() {
    let place = Workplace::new();
    let keeper = confined()
        .launch(place.script("i=0; while [ $i -lt 10000 ]; do echo line $i; i=$((i+1)); done"))
        .await;
    let keeper = keeper.expect("started");
    let mut reader = LogReader::from(keeper.log_dir(), 0);
    let mut texts = Vec::new();
    while texts.len() < 10_001 {
        for entry in reader.follow(500).await.expect("readable") {
            let Entry::Line(record) = entry else { panic!("a gap") };
            assert_eq!(record.sequence, texts.len() as u64 + 1);
            texts.push(record.text);
        }
    }
    keeper.wait().await.expect("ended");
    assert_eq!(texts.pop().as_deref(), Some("exited with code 0"));
    for (i, text) in texts.iter().enumerate() {
        assert_eq!(*text, format!("line {i}"));
    }
}

#[tokio::test]
async fn long_lines_are_cut_and_a_last_line_needs_no_end() {
    let place = Workplace::new();
    let spec = place.script("head -c 40000 /dev/zero | tr '\\0' x; echo; printf 'last words'");
    confined()
        .launch(spec)
        .await
        .expect("started")
        .wait()
        .await
        .expect("ended");
    let texts = texts(&place);
    assert_eq!(
        texts.iter().map(String::len).take(3).collect::<Vec<_>>(),
        [16384, 16384, 7232]
    );
    assert_eq!(texts[3], "last words");
}

#[tokio::test]
async fn the_servers_words_stand_in_the_same_log() {
    let place = Workplace::new();
    let spec = place.command(["sleep", "1000"]);
    std::fs::create_dir_all(place.state_dir().join("logs")).expect("a directory");
    let mut writer = LogWriter::open(&place.state_dir().join("logs"), 1 << 20).expect("a log");
    writer
        .append(OffsetDateTime::UNIX_EPOCH, Stream::System, "building\ndone")
        .expect("written");
    drop(writer);

    let keeper = confined().launch(spec).await.expect("started");
    assert!(
        LogWriter::open(&keeper.log_dir(), 1 << 20).is_err(),
        "the keeper has it"
    );
    keeper.note("restarted twice").await.expect("noted");
    keeper.stop(Duration::ZERO).await.expect("ended");
    assert_eq!(
        texts(&place),
        ["building", "done", "restarted twice", "ended by signal 15"]
    );
}

#[tokio::test]
async fn a_log_stays_within_its_bound_and_a_slow_reader_learns_of_the_gap() {
    let place = Workplace::new();
    let dir = place.path("log");
    std::fs::create_dir(&dir).expect("a directory");
    let mut writer = LogWriter::open(&dir, 1 << 20).expect("a log");
    for i in 0..50_000 {
        writer
            .append(OffsetDateTime::UNIX_EPOCH, Stream::Stdout, format!("line {i:060}"))
            .expect("written");
    }
    writer.flush().expect("written");
    let kept: u64 = std::fs::read_dir(&dir)
        .expect("listed")
        .map(|e| e.expect("an entry").metadata().expect("size").len())
        .sum();
    assert!(kept <= 1 << 20, "{kept} bytes");

    let entries = LogReader::from(&dir, 1).read(usize::MAX).expect("readable");
    let Some(Entry::Gap { missed }) = entries.first() else {
        panic!("no gap")
    };
    assert_eq!(*missed as usize + entries.len() - 1, 50_000);
    let tail = LogReader::tail(&dir, 3)
        .expect("readable")
        .read(usize::MAX)
        .expect("readable");
    let Some(Entry::Line(first)) = tail.first() else {
        panic!("a gap in a tail")
    };
    assert_eq!((tail.len(), first.sequence), (3, 49_998));
}
