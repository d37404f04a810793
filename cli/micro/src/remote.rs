//! The way to a server: one connection, and who calls over it.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use micro_client::{Client, Endpoint};
use micro_error::{Error, Kind};
use micro_proto::{
    auth::{AccountsClient, AuthClient, RulesClient, SessionsClient, UsageClient},
    config::{ConfigClient, WatcherClient},
    events::{AckRequest, ConsumeRequest, Event, GroupsClient, StreamClient, TopicsClient},
    network::NetworkClient,
    registry::RegistryClient,
    runtime::{ReleasesClient, RuntimeClient, SourceClient},
    signup::SessionClient,
    store::{BlobStoreClient, BlobsClient, SnapshotsClient, StoreClient},
};
use micro_rpc::{Channel, Codec, MethodKind, Outgoing, Payload, Streaming};
use micro_tenancy::{Caller, Metadata};
use secrecy::SecretString;

use crate::{
    ctx::DEFAULT_NAMESPACE,
    envs::Env,
    exit::{Exit, Failure, Result},
    login,
};

const NAMESPACE_HEADER: &str = "micro-namespace";

/// Whether a server would be on this machine.
fn is_here(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// A connection to an environment's server, and who calls over it.
pub struct Session {
    /// Which server.
    pub env: Env,
    /// The namespace in use there.
    pub namespace: String,
    client: Client,
    token: Option<SecretString>,
}

impl Session {
    /// Connects as nobody.
    pub async fn open(env: Env, namespace: String) -> Result<Self> {
        let endpoint = Endpoint::parse(&env.address)
            .map_err(|_| Failure::plain(format!("the environment {:?} has no address to call", env.name)))?;
        let (place, here) = (endpoint.to_string(), is_here(endpoint.host()));
        let client = Client::connect(endpoint).await.map_err(|_| {
            let next = match here {
                true => "Start one with `micro server`, or use another with `micro env set NAME`.",
                false => "Is this machine on the network? `micro env` shows other servers.",
            };
            Failure::new(
                Exit::NotReached,
                format!("Failed to connect to micro server at {place}\n{next}"),
            )
        })?;
        Ok(Self {
            env,
            namespace,
            client,
            token: None,
        })
    }

    /// The same connection for the holder of a token.
    #[must_use]
    pub fn authorised(mut self, token: SecretString) -> Self {
        self.token = Some(token);
        self
    }

    /// The same connection with another limit on how long a call may take.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.client = self.client.with_timeout(limit);
        self
    }

    /// Whether somebody is logged in.
    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The token that goes with each call.
    pub fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    /// Who calls the core's services: they are everybody's, the message names the namespace.
    pub fn caller(&self) -> Caller {
        self.caller_in(DEFAULT_NAMESPACE, Metadata::new())
    }

    /// Who calls a service of a namespace.
    pub fn caller_in(&self, namespace: &str, mut metadata: Metadata) -> Caller {
        metadata.insert(NAMESPACE_HEADER.into(), namespace.into());
        Caller::outgoing(self.token.clone(), metadata)
    }

    /// What to tell the person about an error of the server.
    pub fn explain(&self, error: &Error) -> Failure {
        let nobody =
            error.kind() == Kind::Unauthenticated && (!self.has_token() || error.message() == "An account is required");
        if nobody {
            login::required(&self.env)
        } else {
            Failure::of(error)
        }
    }

    /// `auth.Auth`
    pub fn auth(&self) -> AuthClient<Client> {
        AuthClient::new(self.client.clone())
    }

    /// `auth.Accounts`
    pub fn accounts(&self) -> AccountsClient<Client> {
        AccountsClient::new(self.client.clone())
    }

    /// `auth.Rules`
    pub fn rules(&self) -> RulesClient<Client> {
        RulesClient::new(self.client.clone())
    }

    /// `auth.Usage`
    pub fn usage(&self) -> UsageClient<Client> {
        UsageClient::new(self.client.clone())
    }

    /// `auth.Sessions`
    pub fn logins(&self) -> SessionsClient<Client> {
        SessionsClient::new(self.client.clone())
    }

    /// `network.Network`
    pub fn network(&self) -> NetworkClient<Client> {
        NetworkClient::new(self.client.clone())
    }

    /// `registry.Registry`
    pub fn registry(&self) -> RegistryClient<Client> {
        RegistryClient::new(self.client.clone())
    }

    /// `runtime.Runtime`
    pub fn runtime(&self) -> RuntimeClient<Client> {
        RuntimeClient::new(self.client.clone())
    }

    /// `runtime.Source`
    pub fn source(&self) -> SourceClient<Client> {
        SourceClient::new(self.client.clone())
    }

    /// `runtime.Releases`
    pub fn releases(&self) -> ReleasesClient<Client> {
        ReleasesClient::new(self.client.clone())
    }

    /// `store.Store`
    pub fn store(&self) -> StoreClient<Client> {
        StoreClient::new(self.client.clone())
    }

    /// `store.BlobStore`
    pub fn blob_store(&self) -> BlobStoreClient<Client> {
        BlobStoreClient::new(self.client.clone())
    }

    /// `store.Blobs`
    pub fn blobs(&self) -> BlobsClient<Client> {
        BlobsClient::new(self.client.clone())
    }

    /// `store.Snapshots`
    pub fn snapshots(&self) -> SnapshotsClient<Client> {
        SnapshotsClient::new(self.client.clone())
    }

    /// `events.Stream`
    pub fn events(&self) -> StreamClient<Client> {
        StreamClient::new(self.client.clone())
    }

    /// `events.Stream/Consume`, whose requests are of two kinds: one that says what is asked for, then
    /// acknowledgements.
    pub async fn consume(
        &self,
        request: &ConsumeRequest,
        acks: Streaming<AckRequest>,
    ) -> std::result::Result<Streaming<Event>, Error> {
        const CODEC: Codec = Codec::Proto;
        let first = CODEC.encode(request);
        let acks = acks.map(|ack| Ok(CODEC.encode(&ack?)));
        let call = Outgoing {
            path: "/events.Stream/Consume".into(),
            codec: CODEC,
            kind: MethodKind::Bidi,
            payload: Payload::Many(stream::once(async { Ok(first) }).chain(acks).boxed()),
        };
        Ok(self.client.call(&self.caller(), call).await?.typed(CODEC))
    }

    /// `events.Groups`
    pub fn groups(&self) -> GroupsClient<Client> {
        GroupsClient::new(self.client.clone())
    }

    /// `events.Topics`
    pub fn topics(&self) -> TopicsClient<Client> {
        TopicsClient::new(self.client.clone())
    }

    /// `config.Config`
    pub fn config(&self) -> ConfigClient<Client> {
        ConfigClient::new(self.client.clone())
    }

    /// `config.Watcher`
    pub fn watcher(&self) -> WatcherClient<Client> {
        WatcherClient::new(self.client.clone())
    }

    /// `signup.Session`
    pub fn signup(&self) -> SessionClient<Client> {
        SessionClient::new(self.client.clone())
    }

    /// One JSON message to any service, one back.
    pub async fn call_json(
        &self,
        caller: &Caller,
        service: &str,
        endpoint: &str,
        body: String,
    ) -> std::result::Result<Bytes, Error> {
        self.client
            .call_json(caller, service, endpoint, Bytes::from(body))
            .await
    }

    /// One JSON message to any service, many back.
    pub async fn stream_json(
        &self,
        caller: &Caller,
        service: &str,
        endpoint: &str,
        body: String,
    ) -> std::result::Result<Streaming<Bytes>, Error> {
        self.client
            .stream_json(caller, service, endpoint, Bytes::from(body))
            .await
    }
}
