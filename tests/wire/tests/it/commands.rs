//! Each recorded command line, run by our command line tool on the recorded replies.

use std::path::Path;

use anyhow::{Context, Result};
use bytes::Bytes;
use micro_clock::{Clock, SystemClock};
use micro_e2e::{
    home::{Home, Output},
    platform::bin_dir,
};
use micro_proto::auth::TokenResponse;
use micro_rpc::Codec;
use micro_wire::{
    differences::{self, Found},
    fake::{Asked, Fake},
    messages,
    vectors::{self, Command, Exchange, Side},
};
use serde_json::{Value, json};

/// The name that the recording gives its server.
const ENVIRONMENT: &str = "rec";
/// The folder that the recording ran a service from.
const SOURCE: &str = "/src/work/dir/test/services/helloworld";

#[test]
fn our_command_line_prints_as_recorded() -> Result<()> {
    let table = differences::table();
    let fake = Fake::start()?;
    let home = Home::new(bin_dir().join("micro"))?;
    let address = fake.address.to_string();
    home.run(&["env", "add", ENVIRONMENT, &address])?.ok()?;
    // A folder of a module, whose root is what is uploaded.
    let source = home.path().join("dir/test/services/helloworld");
    std::fs::create_dir_all(&source)?;
    std::fs::write(home.path().join("dir/go.mod"), "module test\n")?;
    std::fs::write(source.join("main.go"), "package main\n")?;

    let (mut found, mut alike) = (Found::new(), 0);
    for command in vectors::commands() {
        prepare(command.n, &home)?;
        let ours = run(&command, &home, &fake, &source)?;
        let mut different = compare(&command, &ours);
        different.extend(questions(&command, &fake.asked())?);
        alike += usize::from(different.is_empty());
        for (what, sides) in different {
            found.insert((command.n.to_string(), what), format!("  {:?}\n{sides}", command.argv));
        }
    }
    println!("{alike} commands print as recorded, {} differences", found.len());
    let wrong = differences::unexpected(&found, &table.commands);
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    Ok(())
}

/// What the recording left out before a command.
fn prepare(n: u32, home: &Home) -> Result<()> {
    if n == 18 {
        home.run(&["user", "config", "set", "a.b", "1"])?.ok()?;
    }
    Ok(())
}

fn run(command: &Command, home: &Home, fake: &Fake, source: &Path) -> Result<Output> {
    let mut exchanges: Vec<Exchange> = command.exchanges.iter().map(up_to_date).collect::<Result<_>>()?;
    exchanges.extend(also_asked(command.n));
    fake.play(&exchanges);
    let source = source.to_str().context("a path in UTF-8")?;
    let argv: Vec<&str> = command
        .argv
        .iter()
        .map(|word| if word == SOURCE { source } else { word })
        .collect();
    home.run(&argv)
}

/// What our command line asks where upstream's does not, as the recorded server answers it elsewhere.
fn also_asked(n: u32) -> Vec<Exchange> {
    // `kill` looks which versions there are.
    let alike = |n: u32| {
        vectors::commands()
            .into_iter()
            .find(|c| c.n == n)
            .expect("recorded")
            .exchanges
    };
    if n == 92 { alike(11) } else { vec![] }
}

/// The exchange with tokens that last as long from now as they did from then.
fn up_to_date(exchange: &Exchange) -> Result<Exchange> {
    let mut exchange = exchange.clone();
    if exchange.path != "/auth.Auth/Token" {
        return Ok(exchange);
    }
    for message in exchange.messages.iter_mut().filter(|m| m.from == Side::Server) {
        let mut answer: TokenResponse = Codec::Proto.decode(message.bytes.clone())?;
        let token = answer.token.as_mut().context("a token")?;
        let now = SystemClock.now().unix_timestamp();
        // Recorded tokens last a minute, which is when ours are renewed; ours are asked for a day.
        (token.created, token.expiry) = (now, now + 86_400);
        message.bytes = Codec::Proto.encode(&answer);
    }
    Ok(exchange)
}

/// What differs: the name of it, and both sides.
fn compare(command: &Command, ours: &Output) -> Vec<(String, String)> {
    let mut found = vec![];
    let mut note = |what: &str, theirs: &str, ours: &str| {
        if theirs != ours {
            found.push((what.to_owned(), format!("  theirs {theirs:?}\n  ours   {ours:?}")));
        }
    };
    // Upstream says why it failed on stdout or on stderr; ours always on stderr (reference/micro-wire §10.3 no. 64).
    let (stdout, stderr) = match command.exit {
        0 => (command.stdout.clone(), command.stderr.clone()),
        _ => (String::new(), format!("{}{}", command.stdout, command.stderr)),
    };
    note("stdout", &settled(&stdout), &settled(&ours.stdout));
    note(
        "stderr",
        &settled(&stderr),
        &settled(without_advice(&ours.stderr, &stderr)),
    );
    note("exit", &command.exit.to_string(), &ours.exit.to_string());
    found
}

/// What is said, without what to do next: a line behind upstream's own words, which names a command.
fn without_advice<'o>(ours: &'o str, theirs: &str) -> &'o str {
    match ours.strip_prefix(theirs) {
        Some(advice) if advice.lines().count() == 1 && advice.contains("`micro ") => &ours[..theirs.len()],
        _ => ours,
    }
}

/// What it asks otherwise than upstream's: every call upstream makes, and with which messages.
fn questions(command: &Command, asked: &[Asked]) -> Result<Vec<(String, String)>> {
    // Told to the makers of upstream's client, who ignore the answer themselves.
    let kept = command.exchanges.iter().filter(|e| e.service() != "alert");
    let theirs = kept.map(|e| {
        let namespace = e.headers.get("micro-namespace").map(|values| values[0].as_str());
        said(&e.path, namespace, e.codec(), &e.sent_by(Side::Client))
    });
    let theirs: Vec<_> = theirs.collect::<Result<_>>()?;
    let ours = asked
        .iter()
        .map(|a| said(&a.path, a.namespace.as_deref(), a.codec, &a.messages));
    let ours: Vec<_> = ours.collect::<Result<_>>()?;
    if theirs == ours {
        return Ok(vec![]);
    }
    Ok(vec![(
        "asked".to_owned(),
        format!("  theirs {theirs:?}\n  ours   {ours:?}"),
    )])
}

fn said(path: &str, namespace: Option<&str>, codec: Codec, messages: &[Bytes]) -> Result<Value> {
    let value = |message: &Bytes| match messages::sent(path, Side::Client) {
        Some(known) => Ok(known.value(codec, message.clone())?),
        None => Ok(serde_json::from_slice(message)?),
    };
    let messages: Vec<Value> = match path {
        // The recording leaves them out.
        "/runtime.Source/Upload" => vec![],
        _ => messages.iter().map(value).collect::<Result<_>>()?,
    };
    Ok(json!({ "path": path, "namespace": namespace, "messages": messages }))
}

/// The text without what depends on when it was printed: how long ago, and the tabs that its length moves.
fn settled(text: &str) -> String {
    let line = |line: &str| {
        let cells = line.split('\t').filter(|cell| !cell.is_empty());
        let cells = cells.map(|cell| if cell.ends_with(" ago") { "<time> ago" } else { cell });
        cells.collect::<Vec<_>>().join("\t")
    };
    if !text.contains(" ago\t") {
        return text.to_owned();
    }
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
