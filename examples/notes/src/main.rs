//! Keeps notes: records in the store, a limit from config, an event for each note, which it counts itself.
//!
//! `micro run examples/notes`, then `micro notes add --title milk --text "two litres"`, `micro notes list`, and
//! `micro config set notes.longest 20`.

use micro_sdk::{Context, Error, Service, Streaming, log};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize)]
struct Note {
    #[serde(default)]
    title: String,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct Title {
    #[serde(default)]
    title: String,
}

#[derive(Deserialize)]
struct All {}

#[derive(Serialize)]
struct Counted {
    added: u64,
}

/// Where the notes lie; the count has a key of its own beside them.
fn key(title: &str) -> String {
    format!("note/{title}")
}

async fn add(context: Context, note: Note) -> Result<Note, Error> {
    if note.title.is_empty() {
        return Err(Error::bad_request("a note needs a title: --title milk"));
    }
    let longest = context.config().get("notes.longest").await?.unwrap_or(1_000);
    if note.text.len() > longest {
        return Err(Error::bad_request(format!("a note has at most {longest} bytes (notes.longest)")));
    }
    context.store().write(&key(&note.title), &note).await?;
    context.events().publish("notes", &note).await?;
    Ok(note)
}

async fn read(context: Context, wanted: Title) -> Result<Note, Error> {
    let note = context.store().read(&key(&wanted.title)).await?;
    note.ok_or_else(|| Error::not_found(format!("no note is called {:?}", wanted.title)))
}

async fn delete(context: Context, wanted: Title) -> Result<(), Error> {
    context.store().delete(&key(&wanted.title)).await
}

async fn list(context: Context, _: All) -> Result<Streaming<Note>, Error> {
    let notes = context.store().read_prefix(&key("")).await?;
    Ok(Streaming::of(|sender| async move {
        for (_, note) in notes {
            sender.send(note).await?;
        }
        Ok(())
    }))
}

async fn count(context: Context, _: All) -> Result<Counted, Error> {
    let added = context.store().read("added").await?.unwrap_or(0);
    Ok(Counted { added })
}

/// Each event comes to one instance at a time, so the count needs no lock.
async fn added(context: Context, note: Note) -> Result<(), Error> {
    let added: u64 = context.store().read("added").await?.unwrap_or(0);
    context.store().write("added", &(added + 1)).await?;
    log::info("counted", &[("title", &note.title), ("added", &(added + 1))]);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Service::new("notes")
        .handle("Notes.Add", add)
        .handle("Notes.Read", read)
        .handle("Notes.Delete", delete)
        .handle("Notes.Count", count)
        .stream("Notes.List", list)
        .on_event("notes", added)
        .run()
        .await
}
