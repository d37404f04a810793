//! A customer with something in every service: canaries that nobody else may ever see.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use micro_clock::Ids;
use micro_e2e::signup;
use micro_proto::registry::{Node, Options, Service};
use micro_rpc::{Codec, MethodKind};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::doors::{Answer, Door, Doors, Question, Shown};

/// How long a service may take to start on a busy machine.
const START: Duration = Duration::from_secs(60);
/// Of the accounts that are no administrators.
const HELPERS_SECRET: &str = "a long enough secret";

/// Who signed up, and with what.
#[derive(Clone, Debug)]
pub struct Customer {
    /// Whose it is.
    pub email: String,
    /// What was chosen.
    pub password: String,
    /// What was made.
    pub namespace: String,
}

impl From<&signup::Customer> for Customer {
    fn from(signed_up: &signup::Customer) -> Self {
        Self {
            email: signed_up.email.clone(),
            password: signed_up.password.clone(),
            namespace: signed_up.namespace.clone(),
        }
    }
}

/// What is planted: ids that no request has in it, and contents.
const PLANTED: [&str; 16] = [
    "account", "rule", "service", "key", "path", "topic", "metadata", "value", "tag", "contents", "note", "setting",
    "secret", "log", "variable", "node",
];

/// Of these, what is no name of anything: it stands in no log.
const CONTENTS: [&str; 9] = [
    "metadata", "value", "tag", "contents", "note", "setting", "secret", "log", "variable",
];

/// What an attacker knows already and puts into requests: ids are not secret.
#[derive(Clone, Debug)]
pub struct Known {
    /// The namespace's name.
    pub namespace: String,
    /// The owner's address.
    pub email: String,
    /// An account.
    pub account: String,
    /// A rule.
    pub rule: String,
    /// A running service.
    pub service: String,
    /// A record of the store.
    pub key: String,
    /// A blob.
    pub blob: String,
    /// A path of the configuration.
    pub path: String,
    /// A topic of events.
    pub topic: String,
    /// Where a watch of its services stands.
    pub revision: String,
    /// Which bytes the blob has.
    pub blob_revision: String,
    /// An upload that has not ended.
    pub upload: String,
}

/// One planted string.
#[derive(Clone, Debug)]
pub struct Canary {
    /// Where it was planted.
    pub what: &'static str,
    /// As it is.
    text: String,
    /// As JSON has it where it is bytes.
    base64: String,
}

/// The victim.
pub struct Victim {
    /// Who it is.
    pub customer: Customer,
    /// The owner's token.
    pub token: SecretString,
    /// What is no secret.
    pub known: Known,
    /// What is.
    pub canaries: Vec<Canary>,
    mark: String,
}

impl Canary {
    fn new(what: &'static str, text: String) -> Self {
        let base64 = STANDARD.encode(&text);
        Self { what, text, base64 }
    }

    /// Whether it is something that people wrote, and no name of it.
    pub fn is_content(&self) -> bool {
        CONTENTS.contains(&self.what)
    }

    /// Whether it is in `answer`.
    pub fn sings_in(&self, answer: &str) -> bool {
        answer.contains(&self.text) || answer.contains(&self.base64)
    }
}

impl Victim {
    /// A customer with nothing yet.
    pub async fn new(doors: &Doors, customer: Customer) -> Result<Self> {
        let token = log_in(doors, &customer.email, &customer.password, &customer.namespace).await?;
        let mark = Ids.random().simple().to_string()[..12].to_owned();
        let named = |what: &str| format!("known-{what}-{mark}");
        let known = Known {
            namespace: customer.namespace.clone(),
            email: customer.email.clone(),
            account: named("account"),
            rule: named("rule"),
            service: named("service"),
            key: named("key"),
            blob: named("blob"),
            path: format!("{}.inner", named("path")),
            topic: named("topic"),
            revision: String::new(),
            blob_revision: String::new(),
            upload: String::new(),
        };
        let canary = |what| Canary::new(what, format!("canary-{what}-{mark}"));
        Ok(Self {
            canaries: PLANTED.map(canary).to_vec(),
            customer,
            token,
            known,
            mark,
        })
    }

    fn named(&self, what: &str) -> String {
        format!("canary-{what}-{}", self.mark)
    }

    /// Begins an upload, whose id somebody may have seen.
    pub async fn begin_upload(&mut self, doors: &Doors) -> Result<()> {
        let begun = json!({ "key": "half-way" });
        let begun = doors.tell("/store.Blobs/Begin", begun, &self.token).await?;
        self.known.upload = begun["upload"].as_str().context("an upload")?.to_owned();
        Ok(())
    }

    /// Sends all of it and ends it: nobody has ended it before, or sent anything to it.
    pub async fn finish_upload(&self, doors: &Doors) -> Result<()> {
        let data = self.named("contents");
        let part = json!({ "upload": self.known.upload, "data": STANDARD.encode(&data) });
        let sent = self
            .ask(doors, "/store.Blobs/Send", MethodKind::ClientStream, part)
            .await?;
        ensure!(sent.code == 200, "{sent:?}");
        let upload = json!({ "upload": self.known.upload });
        let blob = doors.tell("/store.Blobs/Finish", upload, &self.token).await?;
        let bytes = blob["bytes"].as_str().context("a length")?.parse::<usize>()?;
        ensure!(bytes == data.len(), "{blob}");
        Ok(())
    }

    /// Plants every canary but those of running services: beside what an attacker knows, and in it.
    pub async fn plant(&self, doors: &Doors) -> Result<()> {
        let known = &self.known;
        self.plant_ids(doors, &known.account, &known.rule, &known.key).await?;
        let hidden = ["account", "rule", "key"].map(|what| self.named(what));
        self.plant_ids(doors, &hidden[0], &hidden[1], &hidden[2]).await?;
        let set = |path: String, text: String, secret: bool| {
            let value = json!({ "data": json!(text).to_string(), "format": "json" });
            let body = json!({ "path": path, "value": value, "options": { "secret": secret } });
            doors.tell("/config.Config/Set", body, &self.token)
        };
        set(known.path.clone(), self.named("setting"), false).await?;
        set(self.named("path"), self.named("setting"), false).await?;
        set(self.secret_path(), self.named("secret"), true).await?;
        let blob = json!({ "key": known.blob, "blob": STANDARD.encode(self.named("contents")) });
        let written = self
            .ask(doors, "/store.BlobStore/Write", MethodKind::ClientStream, blob)
            .await?;
        ensure!(written.code == 200, "{written:?}");
        for topic in [&known.topic, &self.named("topic")] {
            let event = json!({ "topic": topic, "payload": STANDARD.encode(self.named("contents")),
                                "metadata": { "note": self.named("note") } });
            doors.tell("/events.Stream/Publish", event, &self.token).await?;
        }
        Ok(())
    }

    async fn plant_ids(&self, doors: &Doors, account: &str, rule: &str, key: &str) -> Result<()> {
        let plant = |path, body| doors.tell(path, body, &self.token);
        let account = json!({ "id": account, "secret": HELPERS_SECRET, "type": "user", "scopes": ["basic"],
                              "metadata": { "canary": self.named("metadata") } });
        plant("/auth.Auth/Generate", account).await?;
        let resource = json!({ "type": "service", "name": self.named("service"), "endpoint": "*" });
        let rule = json!({ "id": rule, "scope": "nobody", "access": "GRANTED", "priority": 1, "resource": resource });
        plant("/auth.Rules/Create", json!({ "rule": rule })).await?;
        let record = json!({ "key": key, "value": STANDARD.encode(self.named("value")),
                             "metadata": { "tag": { "type": "string", "value": self.named("tag") } } });
        plant("/store.Store/Write", json!({ "record": record })).await?;
        Ok(())
    }

    /// The services to run: one that an attacker knows, one that it does not.
    pub fn services(&self) -> [String; 2] {
        [self.known.service.clone(), self.named("service")]
    }

    /// What its services find in their environment.
    pub fn variable(&self) -> String {
        format!("CANARY={}", self.named("variable"))
    }

    /// A service that says the log's canary, listens, registers a node with a canary by hand, and stays.
    pub fn lay_out(&self, folder: &Path, service: &str, port: u16) -> Result<()> {
        let node = Node {
            id: self.named("node"),
            address: "127.0.0.1".into(),
            port: port.into(),
            ..Node::default()
        };
        let register = Codec::Proto.encode(&Service {
            name: service.to_owned(),
            version: "latest".into(),
            nodes: vec![node],
            // It stays registered as long as it runs.
            options: Some(Options::default()),
            ..Service::default()
        });
        let framed: String = micro_rpc::frame(&register)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let facts = format!(
            "my ($log, $port, $body) = ('{}', {port}, pack 'H*', '{framed}');\n",
            self.named("log")
        );
        fs::create_dir(folder)?;
        fs::write(folder.join("service.pl"), facts + include_str!("service.pl"))?;
        fs::write(
            folder.join("micro.toml"),
            "command = [\"/usr/bin/perl\", \"service.pl\"]\n",
        )?;
        Ok(())
    }

    /// Waits until everything is where the victim sees it.
    pub async fn settled(&self, doors: &Doors) -> Result<()> {
        let began = Instant::now();
        loop {
            let missing = self.missing(doors).await?;
            if missing.is_empty() {
                return Ok(());
            }
            ensure!(
                began.elapsed() < START,
                "the victim does not see its own {missing:?}: {:?}",
                self.logs(doors).await?
            );
        }
    }

    /// Learns how far its registry is and which bytes its blob has, which somebody who asked once may remember.
    pub async fn learn_revisions(&mut self, doors: &Doors) -> Result<()> {
        let listed = json!({ "prefix": self.known.blob });
        let listed = doors.tell("/store.Blobs/List", listed, &self.token).await?;
        self.known.blob_revision = listed["blobs"][0]["revision"].as_str().context("a blob")?.to_owned();
        let answer = self
            .ask(doors, "/registry.Registry/ListServices", MethodKind::Unary, json!({}))
            .await?;
        let answer: Value = serde_json::from_str(&answer.text)?;
        self.known.revision = answer["revision"].as_str().context("a revision")?.to_owned();
        Ok(())
    }

    /// What its services say and how they are: for a test that fails.
    pub async fn told(&self, doors: &Doors) -> Result<String> {
        let are = self
            .ask(doors, "/runtime.Runtime/Read", MethodKind::Unary, json!({}))
            .await?;
        Ok(format!("{}\n{}", self.logs(doors).await?.text, are.text))
    }

    async fn logs(&self, doors: &Doors) -> Result<Answer> {
        let body = json!({ "service": self.known.service, "count": 100 });
        self.ask(doors, "/runtime.Runtime/Logs", MethodKind::ServerStream, body)
            .await
    }

    fn secret_path(&self) -> String {
        self.named("sealed")
    }

    async fn ask(&self, doors: &Doors, path: &str, kind: MethodKind, body: Value) -> Result<Answer> {
        let shown = Shown {
            token: Some(self.token.clone()),
            header: None,
        };
        doors.ask(Door::Grpc, &Question::parse(path, kind, body)?, &shown).await
    }

    /// What the victim itself does not see where it was planted: canaries, and what attackers aim at.
    pub async fn missing(&self, doors: &Doors) -> Result<Vec<String>> {
        use MethodKind::{ServerStream, Unary};
        let known = &self.known;
        let secret = json!({ "path": self.secret_path(), "options": { "secret": true } });
        let looks = [
            ("/auth.Accounts/List", Unary, json!({})),
            ("/auth.Rules/List", Unary, json!({})),
            ("/runtime.Runtime/Read", Unary, json!({})),
            ("/registry.Registry/ListServices", Unary, json!({})),
            (
                "/registry.Registry/GetService",
                Unary,
                json!({ "service": known.service }),
            ),
            (
                "/store.Store/Read",
                Unary,
                json!({ "key": "", "options": { "prefix": true } }),
            ),
            ("/store.Store/List", ServerStream, json!({})),
            ("/store.BlobStore/Read", ServerStream, json!({ "key": known.blob })),
            ("/config.Config/Get", Unary, json!({})),
            ("/config.Config/Get", Unary, secret),
            ("/events.Store/Read", Unary, json!({ "topic": known.topic })),
            ("/events.Store/Read", Unary, json!({ "topic": self.named("topic") })),
        ];
        let mut seen = self.logs(doors).await?.text;
        for (path, kind, body) in looks {
            let answer = self.ask(doors, path, kind, body).await?;
            // A service that does not run yet is not found.
            ensure!(matches!(answer.code, 200 | 404), "{path}: {answer:?}");
            seen += &answer.text;
        }
        let canaries = self.canaries.iter().filter(|c| !c.sings_in(&seen)).map(|c| c.what);
        let aims = [&known.account, &known.rule, &known.service, &known.key, &known.topic];
        let gone = aims.into_iter().filter(|aim| !seen.contains(*aim)).map(String::as_str);
        Ok(canaries.chain(gone).map(str::to_owned).collect())
    }

    /// A token of the account that is no administrator.
    pub async fn helper(&self, doors: &Doors) -> Result<SecretString> {
        log_in(
            doors,
            &self.known.account,
            "a long enough secret",
            &self.known.namespace,
        )
        .await
    }
}

/// Logs in; the access token.
pub async fn log_in(doors: &Doors, id: &str, secret: &str, namespace: &str) -> Result<SecretString> {
    let body = json!({ "id": id, "secret": secret, "options": { "namespace": namespace } });
    let question = Question::parse("/auth.Auth/Token", MethodKind::Unary, body)?;
    let answer = doors.ask(Door::Grpc, &question, &Shown::default()).await?;
    ensure!(answer.code == 200, "{id} cannot log in: {answer:?}");
    let answer: Value = serde_json::from_str(&answer.text)?;
    Ok(answer["token"]["access_token"].as_str().context("a token")?.into())
}
