//! Calls at both public doors: gRPC with JSON messages, and the HTTP API.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::{StreamExt, stream};
use micro_client::{Client, Endpoint as Address};
use micro_rpc::{Channel, Codec, MethodKind, Outgoing, Payload};
use micro_tenancy::{Caller, Metadata};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The longest that any answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a stream that may stay open is listened to.
const LISTEN: Duration = Duration::from_millis(300);

/// Which door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// gRPC.
    Grpc,
    /// The HTTP API.
    Http,
}

/// What was said back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As HTTP has it; 200 is well.
    pub code: u16,
    /// Everything that came: messages and errors.
    pub text: String,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The first part of the path.
    pub service: String,
    /// The second.
    pub handler: String,
    /// The last.
    pub method: String,
    /// Who streams.
    pub kind: MethodKind,
    /// The message.
    pub body: Value,
    /// Whether a stream may stay open.
    pub may_stream: bool,
}

/// What a caller shows.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The bearer token.
    pub token: Option<SecretString>,
    /// The `Micro-Namespace` header.
    pub header: Option<String>,
}

/// Both doors of one platform. Each clone of one has the same connections.
#[derive(Clone)]
pub struct Doors {
    grpc: Client,
    http: reqwest::Client,
    api: SocketAddr,
}

impl Doors {
    /// New connections.
    pub fn of(proxy: SocketAddr, api: SocketAddr) -> Result<Self> {
        Ok(Self {
            grpc: Client::new(Address::parse(&proxy.to_string())?).with_timeout(PATIENCE),
            http: reqwest::Client::builder().timeout(PATIENCE).build()?,
            api,
        })
    }

    /// Asks, and asks again where only the rate of the asking was refused.
    pub async fn ask(&self, door: Door, question: &Question, shown: &Shown) -> Result<Answer> {
        let began = Instant::now();
        loop {
            let answer = match door {
                Door::Grpc => self.grpc(question, shown).await,
                Door::Http => self.http(question, shown).await,
            };
            if answer.code != 429 || !answer.text.contains("per_second") {
                return Ok(answer);
            }
            ensure!(began.elapsed() < PATIENCE, "refused for its rate: {}", answer.text);
            tokio::task::yield_now().await;
        }
    }

    /// A unary question that must be answered well.
    pub async fn tell(&self, path: &str, body: Value, token: &SecretString) -> Result<Value> {
        let question = Question::parse(path, MethodKind::Unary, body)?;
        let shown = Shown {
            token: Some(token.clone()),
            header: None,
        };
        let answer = self.ask(Door::Grpc, &question, &shown).await?;
        ensure!(answer.code == 200, "{path}: {} {}", answer.code, answer.text);
        serde_json::from_str(&answer.text).with_context(|| answer.text)
    }

    /// A call over HTTP that names two namespaces, each in a header of its own.
    pub async fn named_twice(&self, path: &str, names: [&str; 2], token: &SecretString) -> Result<Answer> {
        let mut request = self.http.post(format!("http://{}/{path}", self.api)).body("{}");
        for name in names {
            request = request.header("micro-namespace", name);
        }
        let response = request.bearer_auth(token.expose_secret()).send().await?;
        Ok(Answer {
            code: response.status().as_u16(),
            text: response.text().await?,
        })
    }

    async fn grpc(&self, question: &Question, shown: &Shown) -> Answer {
        let body = Bytes::from(question.body.to_string());
        let payload = match question.kind {
            MethodKind::Unary | MethodKind::ServerStream => Payload::One(body),
            MethodKind::ClientStream | MethodKind::Bidi => Payload::Many(Box::pin(stream::iter([Ok(body)]))),
        };
        let call = Outgoing {
            path: format!("/{}.{}/{}", question.service, question.handler, question.method),
            codec: Codec::Json,
            kind: question.kind,
            payload,
        };
        let header = shown.header.iter().map(|h| ("micro-namespace".to_owned(), h.clone()));
        let caller = Caller::outgoing(shown.token.clone(), header.collect::<Metadata>());
        let mut heard = Answer::nothing_yet();
        let listening = async {
            let mut frames = match self.grpc.call(&caller, call).await {
                Ok(payload) => payload.frames(),
                Err(error) => return heard.failed(&error),
            };
            while let Some(frame) = frames.next().await {
                match frame {
                    Ok(message) => heard.text += &String::from_utf8_lossy(&message),
                    Err(status) => return heard.failed(&status.into()),
                }
            }
        };
        let ended = tokio::time::timeout(question.patience(), listening).await.is_ok();
        heard.or_late(ended || question.may_stay_open())
    }

    async fn http(&self, question: &Question, shown: &Shown) -> Answer {
        let path = format!("{}/{}/{}", question.service, question.handler, question.method);
        let mut request = self
            .http
            .post(format!("http://{}/{path}", self.api))
            .json(&question.body);
        if let Some(token) = &shown.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(header) = &shown.header {
            request = request.header("micro-namespace", header);
        }
        let mut heard = Answer::nothing_yet();
        let listening = async {
            let mut response = request.send().await?;
            heard.code = response.status().as_u16();
            while let Some(chunk) = response.chunk().await? {
                heard.text += &String::from_utf8_lossy(&chunk);
            }
            Ok::<_, reqwest::Error>(())
        };
        let ended = tokio::time::timeout(question.patience(), listening).await;
        match ended {
            Ok(Err(e)) => Answer::broken(&e),
            Ok(Ok(())) => heard,
            Err(_) => heard.or_late(question.may_stay_open()),
        }
    }
}

impl Question {
    /// A question at `/auth.Rules/List`.
    pub fn parse(path: &str, kind: MethodKind, body: Value) -> Result<Self> {
        let path = micro_rpc::Path::parse(path).context("a path")?;
        Ok(Self {
            service: path.service.into(),
            handler: path.handler.into(),
            method: path.method.into(),
            kind,
            body,
            may_stream: true,
        })
    }

    fn may_stay_open(&self) -> bool {
        self.may_stream && self.kind.streams_replies()
    }

    fn patience(&self) -> Duration {
        if self.may_stay_open() { LISTEN } else { PATIENCE }
    }
}

impl Answer {
    fn nothing_yet() -> Self {
        Self {
            code: 200,
            text: String::new(),
        }
    }

    /// The connection was closed in the middle of it: worse than any refusal.
    fn broken(why: &reqwest::Error) -> Self {
        Self {
            code: 599,
            text: format!("{why:?}"),
        }
    }

    fn failed(&mut self, error: &micro_error::Error) {
        self.code = u16::try_from(error.to_wire().code).unwrap_or(500);
        self.text += &error.to_json();
    }

    fn or_late(mut self, ended: bool) -> Self {
        if !ended {
            self.code = 598;
            self.text += " (and no end)";
        }
        self
    }
}
