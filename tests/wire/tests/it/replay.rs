//! Each recorded command's requests, asked of our local server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use micro_e2e::{local::Local, platform::eventually};
use micro_proto::{config, registry, runtime, store};
use micro_rpc::Codec;
use micro_wire::{
    call::{Reply, call},
    compare,
    differences::{self, Found},
    fake::Fake,
    session::Session,
    vectors::{self, Exchange, Side},
};
use tokio::runtime::Runtime;

const UPLOAD: &str = "/runtime.Source/Upload";
const SOURCE: &[u8] = b"package main\n";
/// Longer than expiry and a failing build take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Our server as a recorded client sees it.
struct Replay {
    server: Local,
    session: Session,
    runtime: Runtime,
}

impl Replay {
    fn ask(&mut self, exchange: &Exchange) -> Result<Reply> {
        let requests = match exchange.path.as_str() {
            UPLOAD => upload()?,
            _ => self.session.requests(exchange)?,
        };
        let asked = call(self.server.at.proxy, exchange, self.session.token(), requests);
        let reply = self.runtime.block_on(asked)?;
        self.session.learn(exchange, &reply)?;
        Ok(reply)
    }

    /// A call that is not of the recording, with the headers of one that is.
    fn also(&self, like: &Exchange, path: &str, message: Bytes) -> Result<Reply> {
        let mut like = like.clone();
        path.clone_into(&mut like.path);
        self.runtime
            .block_on(call(self.server.at.proxy, &like, self.session.token(), vec![message]))
    }

    /// What the recording left out before a command, or what stood behind it.
    fn prepare(&self, n: u32, like: &Exchange, helloworld: &Fake) -> Result<()> {
        match n {
            33 => {
                let request = config::DeleteRequest {
                    namespace: "micro".into(),
                    path: "x.y".into(),
                };
                self.also(like, "/config.Config/Delete", Codec::Proto.encode(&request))?;
            }
            49 => {
                let request = store::DeleteRequest {
                    key: "k1".into(),
                    ..Default::default()
                };
                self.also(like, "/store.Store/Delete", Codec::Proto.encode(&request))?;
            }
            108 => {
                let registered = registered(helloworld)?;
                let reply = self.also(like, "/registry.Registry/Register", registered)?;
                ensure!(reply.status.is_none(), "{:?}", reply.status);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether time has done what it had when the recorded client asked.
fn is_settled(n: u32, reply: &Reply) -> Result<bool> {
    Ok(match n {
        // A key that expires has expired.
        53 => reply.status.is_some(),
        // What was run runs, or has failed.
        105 => {
            let answer: runtime::ReadResponse = Codec::Proto.decode(reply.messages[0].clone())?;
            matches!(answer.services[0].status, 4 | 7)
        }
        _ => true,
    })
}

/// What the recording leaves out: a plain tar in chunks of 1024 bytes.
fn upload() -> Result<Vec<Bytes>> {
    let mut tar = tar::Builder::new(vec![]);
    let mut header = tar::Header::new_gnu();
    header.set_size(SOURCE.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "test/services/helloworld/main.go", SOURCE)?;
    let tar = tar.into_inner()?;
    let messages = tar.chunks(1024).enumerate().map(|(at, data)| {
        let service = (at == 0).then(|| runtime::Service {
            name: "helloworld".into(),
            version: "latest".into(),
            ..Default::default()
        });
        let data = data.to_vec();
        Codec::Proto.encode(&runtime::UploadRequest { service, data })
    });
    Ok(messages.collect())
}

/// The recorded registration of helloworld, at another address.
fn registered(at: &Fake) -> Result<Bytes> {
    let recorded = vectors::services().remove("helloworld").context("recorded")?;
    let exchange = recorded
        .iter()
        .find(|e| e.path.ends_with("/Register"))
        .context("recorded")?;
    let message = exchange.sent_by(Side::Client).remove(0);
    let mut service: registry::Service = Codec::Proto.decode(message)?;
    for node in &mut service.nodes {
        node.address = at.address.to_string();
    }
    Ok(Codec::Proto.encode(&service))
}

#[test]
fn our_server_answers_as_recorded() -> Result<()> {
    let helloworld = Fake::start()?;
    let wrong = replayed(&helloworld)?;
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    Ok(())
}

fn replayed(helloworld: &Fake) -> Result<Vec<String>> {
    let table = differences::table();
    let mut replay = Replay {
        server: Local::start(&[])?,
        session: Session::default(),
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
    };
    let commands = vectors::commands();
    // The first recorded call has a token of a login before it.
    let login = commands.iter().find(|c| c.n == 8).context("a login")?;
    replay.ask(&login.exchanges[0])?;
    let (mut found, mut answered) = (Found::new(), 0);
    for command in &commands {
        helloworld.play(&command.exchanges);
        for exchange in &command.exchanges {
            replay.prepare(command.n, exchange, helloworld)?;
            let reply = eventually("it is settled", PATIENCE, || {
                let reply = replay.ask(exchange)?;
                Ok(is_settled(command.n, &reply)?.then_some(reply))
            })?;
            let at = format!("{} {}", command.n, exchange.path);
            for (what, (theirs, ours)) in compare::answers(exchange, &reply).with_context(|| at.clone())? {
                found.insert((at.clone(), what), format!("  theirs {theirs}\n  ours   {ours}"));
            }
            answered += 1;
        }
    }
    println!("{answered} exchanges answered, {} differences", found.len());
    Ok(differences::unexpected(&found, &table.server))
}
