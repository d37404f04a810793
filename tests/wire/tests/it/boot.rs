//! What a Go service does from boot to stop, at our local server's door.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use micro_e2e::local::Local;
use micro_proto::{auth, registry};
use micro_rpc::{Codec, Message};
use micro_wire::{
    call::{Reply, call},
    compare,
    session::Session,
    vectors::{self, Exchange, Side},
};

struct Service {
    server: Local,
    session: Session,
    recorded: Vec<Exchange>,
}

impl Service {
    /// The recorded call of that method, made again.
    async fn again(&mut self, method: &str) -> Result<Reply> {
        let recorded = self.recorded(method)?;
        let requests = self.session.requests(&recorded)?;
        let reply = call(self.server.at.proxy, &recorded, self.session.token(), requests).await?;
        self.session.learn(&recorded, &reply)?;
        let different = compare::answers(&recorded, &reply)?;
        ensure!(different.is_empty(), "{method}: {different:#?}");
        Ok(reply)
    }

    /// A call that a service makes while it runs, with the headers that its others have.
    async fn while_running<M: Message>(&self, path: &str, request: &impl Message) -> Result<M> {
        let mut like = self.recorded("Register")?;
        path.clone_into(&mut like.path);
        let request = Codec::Proto.encode(request);
        let reply = call(self.server.at.proxy, &like, self.session.token(), vec![request]).await?;
        ensure!(reply.status.is_none(), "{path}: {:?}", reply.status);
        let answer: Bytes = reply.messages.first().context("an answer")?.clone();
        Ok(Codec::Proto.decode(answer)?)
    }

    fn recorded(&self, method: &str) -> Result<Exchange> {
        let found = self.recorded.iter().find(|e| e.path.ends_with(method));
        found.cloned().with_context(|| format!("{method} was recorded"))
    }

    async fn registered(&self) -> Result<Vec<registry::Service>> {
        let request = registry::ListRequest {
            options: Some(registry::Options {
                domain: "micro".into(),
                ttl: 0,
            }),
        };
        let path = "/registry.Registry/ListServices";
        let all: registry::ListResponse = self.while_running(path, &request).await?;
        Ok(all.services.into_iter().filter(|s| s.name == "helloworld").collect())
    }
}

/// From boot to stop, in the order recorded; only the credentials that the runtime gave are an admin's here.
#[tokio::test]
async fn every_recorded_service_gets_the_recorded_answers() -> Result<()> {
    for (name, recorded) in vectors::services() {
        let server = Local::start(&[])?;
        let mut session = Session::default();
        for exchange in &recorded {
            let requests = session.requests(exchange)?;
            let reply = call(server.at.proxy, exchange, session.token(), requests).await?;
            session.learn(exchange, &reply)?;
            let different = compare::answers(exchange, &reply)?;
            ensure!(different.is_empty(), "{name} {}: {different:#?}", exchange.path);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_go_service_boots_works_and_stops() -> Result<()> {
    let mut service = Service {
        server: Local::start(&[])?,
        session: Session::default(),
        recorded: vectors::services().remove("helloworld").context("recorded")?,
    };
    service.again("Token").await?;

    service.again("Register").await?;
    let request = service.recorded("Register")?.sent_by(Side::Client).remove(0);
    let asked: registry::Service = Codec::Proto.decode(request)?;
    let listed = service.registered().await?;
    ensure!(
        listed.len() == 1 && listed[0].endpoints == asked.endpoints,
        "endpoints are echoed unchanged: {listed:#?}"
    );
    service.again("Register").await?;
    ensure!(
        service.registered().await?.len() == 1,
        "a heartbeat is no second service"
    );

    let options = || {
        Some(auth::Options {
            namespace: "micro".into(),
        })
    };
    let request = auth::ListRequest { options: options() };
    let rules: auth::ListResponse = service.while_running("/auth.Rules/List", &request).await?;
    ensure!(!rules.rules.is_empty(), "a service without rules refuses every call");

    let request = auth::InspectRequest {
        token: service.session.token().context("a token")?.to_owned(),
        options: options(),
    };
    let whose: auth::InspectResponse = service.while_running("/auth.Auth/Inspect", &request).await?;
    ensure!(
        whose.account.is_some_and(|a| a.issuer == "micro"),
        "the caller is known"
    );

    service.again("Deregister").await?;
    ensure!(service.registered().await?.is_empty(), "it is gone at once");
    Ok(())
}

/// What is renewed with a refresh token stays renewable, and one that is none is told so in the words that a
/// service looks for.
#[tokio::test]
async fn a_go_service_renews_its_token() -> Result<()> {
    let mut service = Service {
        server: Local::start(&[])?,
        session: Session::default(),
        recorded: vectors::services().remove("helloworld").context("recorded")?,
    };
    let first = service.again("Token").await?;
    let mut refresh = refresh_token(&first)?;
    let renewal = |refresh: String| auth::TokenRequest {
        refresh_token: refresh,
        token_expiry: 600,
        options: Some(auth::Options {
            namespace: "micro".into(),
        }),
        ..Default::default()
    };
    for _ in 0..2 {
        let renewed: auth::TokenResponse = service.while_running("/auth.Auth/Token", &renewal(refresh)).await?;
        refresh = renewed.token.context("a token")?.refresh_token;
    }
    let refused = service
        .while_running::<auth::TokenResponse>("/auth.Auth/Token", &renewal("nobody's".into()))
        .await
        .expect_err("it is no token")
        .to_string();
    ensure!(refused.contains("invalid token provided"), "{refused}");
    Ok(())
}

fn refresh_token(reply: &Reply) -> Result<String> {
    let answer: auth::TokenResponse = Codec::Proto.decode(reply.messages[0].clone())?;
    Ok(answer.token.context("a token")?.refresh_token)
}
