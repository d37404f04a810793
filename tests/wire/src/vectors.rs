//! The recordings, as `vectors/README.md` describes them.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use micro_rpc::Codec;
use serde::{Deserialize, Deserializer};

/// How a token stands in the recording.
const OVERWRITTEN: &str = "Bearer xxxx";

/// What the command line did, in the order given.
pub fn commands() -> Vec<Command> {
    let file: CommandsFile =
        serde_json::from_str(include_str!("../vectors/cli.json")).expect("the recording is as described");
    file.commands
}

/// What services did from boot to stop, by service.
pub fn services() -> BTreeMap<String, Vec<Exchange>> {
    serde_json::from_str(include_str!("../vectors/service.json")).expect("the recording is as described")
}

#[derive(Deserialize)]
struct CommandsFile {
    commands: Vec<Command>,
}

/// One run of the command line tool.
#[derive(Clone, Debug, Deserialize)]
pub struct Command {
    /// Its number; some steps between were left out.
    pub n: u32,
    /// The words after `micro`.
    pub argv: Vec<String>,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
    /// How it ended.
    pub exit: i32,
    /// What it asked, in order.
    pub exchanges: Vec<Exchange>,
}

/// One call.
#[derive(Clone, Debug, Deserialize)]
pub struct Exchange {
    /// `/auth.Auth/Token`
    pub path: String,
    /// Of the request.
    pub headers: BTreeMap<String, Vec<String>>,
    /// In time order.
    pub messages: Vec<Message>,
    /// How it ended.
    pub grpc_code: u8,
    /// Micro's error JSON where the server sent one.
    pub grpc_message: Option<String>,
    /// Whether the client ended its side before the reply.
    pub client_half_closed: bool,
}

/// One message without its frame.
#[derive(Clone, Debug, Deserialize)]
pub struct Message {
    /// Who sent it.
    pub from: Side,
    /// What was sent.
    #[serde(rename = "hex", deserialize_with = "unhex")]
    pub bytes: Bytes,
}

/// The two ends of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Asks.
    Client,
    /// Answers.
    Server,
}

impl Exchange {
    /// How its messages are written.
    pub fn codec(&self) -> Codec {
        let content_type = &self.headers["content-type"][0];
        Codec::of_content_type(content_type).unwrap_or_else(|| panic!("{content_type} is no codec"))
    }

    /// The recorded headers, with a live token in place of the x's.
    pub fn live_headers<'h>(&'h self, token: Option<&'h str>) -> impl Iterator<Item = (&'h str, Cow<'h, str>)> {
        let all = self
            .headers
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |v| (name.as_str(), v)));
        all.filter_map(move |(name, value)| {
            let live = match token {
                _ if !value.starts_with(OVERWRITTEN) => Cow::Borrowed(value.as_str()),
                Some(token) => Cow::Owned(format!("Bearer {token}")),
                None => return None,
            };
            Some((name, live))
        })
    }

    /// What one side sent.
    pub fn sent_by(&self, side: Side) -> Vec<Bytes> {
        let sent = self.messages.iter().filter(|m| m.from == side);
        sent.map(|m| m.bytes.clone()).collect()
    }

    /// First part of the path: `auth`.
    pub fn service(&self) -> &str {
        let parsed = micro_rpc::Path::parse(&self.path).expect("a recorded path is one");
        parsed.service
    }
}

fn unhex<'de, D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(from)?;
    hex::decode(text).map(Bytes::from).map_err(serde::de::Error::custom)
}
