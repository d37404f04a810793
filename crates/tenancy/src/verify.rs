//! From a presented token to who it is: signature, time and revocation, with a cache in front.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use ring::digest;
use time::OffsetDateTime;

use crate::{
    Principal, Revocations,
    bounded::Bounded,
    tokens::{Purpose, Tokens},
};

/// Says whose an access token is.
#[async_trait]
pub trait Verify: Send + Sync + 'static {
    /// The account, if the token is good now. While a token is remembered, it is the same value each time.
    async fn verify(&self, token: &str, now: OffsetDateTime) -> Option<Arc<Principal>>;
}

/// A token that is good now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub principal: Arc<Principal>,
    /// The service, `<namespace>/<name>`, that it was made for; none for one that opens our doors.
    pub service: Option<String>,
}

/// Verifies tokens of this environment. What was verified is remembered by its SHA-256 until it expires, as
/// long as nothing was revoked since; then only that is looked at again.
pub struct Verifier {
    tokens: Arc<Tokens>,
    revocations: Arc<Revocations>,
    seen: Bounded<[u8; 32], Arc<Seen>>,
}

/// What is kept of a token, for as many as there are: whose it is, and when it was issued and expires (Unix seconds).
struct Seen {
    verified: Verified,
    issued_at: i64,
    expires_at: i64,
    epoch: AtomicU64,
}

impl Verifier {
    /// How many tokens are remembered.
    const CAPACITY: usize = 20_000;

    /// A verifier with an empty cache.
    pub fn new(tokens: Arc<Tokens>, revocations: Arc<Revocations>) -> Self {
        Self {
            tokens,
            revocations,
            seen: Bounded::new(Self::CAPACITY),
        }
    }

    /// Whose the token is and what for: one that opens our doors, or one exchanged for a service.
    pub fn inspect(&self, token: &str, now: OffsetDateTime) -> Option<Verified> {
        self.look(token, now).map(|seen| seen.verified.clone())
    }

    fn look(&self, token: &str, now: OffsetDateTime) -> Option<Arc<Seen>> {
        let digest: [u8; 32] = digest::digest(&digest::SHA256, token.as_bytes())
            .as_ref()
            .try_into()
            .ok()?;
        // Read before the list, so that a revocation in between only costs another look.
        let epoch = self.revocations.epoch();
        let seen = match self.seen.get(&digest) {
            Some(seen) if now.unix_timestamp() < seen.expires_at => seen,
            Some(_) => return None,
            None => {
                let seen = Arc::new(self.read(token, now)?);
                self.seen.insert(digest, seen.clone());
                seen
            }
        };
        if seen.epoch.load(Ordering::Relaxed) != epoch {
            if self.revocations.covers_issued(&seen.verified.principal, seen.issued_at) {
                return None;
            }
            seen.epoch.store(epoch, Ordering::Relaxed);
        }
        Some(seen)
    }

    fn read(&self, token: &str, now: OffsetDateTime) -> Option<Seen> {
        let claims = self
            .tokens
            .verify(token, Purpose::Access, now)
            .or_else(|_| self.tokens.verify_exchanged(token, now))
            .ok()?;
        let verified = Verified {
            principal: Arc::new(self.tokens.principal(&claims)),
            service: claims.service().map(str::to_owned),
        };
        // No epoch has this number: the list is looked at before the first answer.
        Some(Seen {
            verified,
            issued_at: claims.iat,
            expires_at: claims.exp,
            epoch: AtomicU64::new(u64::MAX),
        })
    }
}

#[async_trait]
impl Verify for Verifier {
    async fn verify(&self, token: &str, now: OffsetDateTime) -> Option<Arc<Principal>> {
        let seen = self.look(token, now)?;
        seen.verified.service.is_none().then(|| seen.verified.principal.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use micro_clock::{Clock, Ids, TestClock};
    use micro_domain::{InstanceId, SessionId};
    use secrecy::{ExposeSecret, SecretString};
    use time::Duration;

    use super::*;
    use crate::{
        Revocation,
        tests::ada,
        tokens::{Exchange, KeyRing, SigningKey},
    };

    struct World {
        clock: TestClock,
        tokens: Arc<Tokens>,
        revocations: Arc<Revocations>,
        verifier: Verifier,
    }

    impl World {
        fn new() -> Self {
            let tokens = Arc::new(Tokens::new(
                KeyRing::new(&SigningKey::generate(), []),
                "test",
                "main",
                false,
            ));
            let revocations = Arc::<Revocations>::default();
            let verifier = Verifier::new(tokens.clone(), revocations.clone());
            Self {
                clock: TestClock::default(),
                tokens,
                revocations,
                verifier,
            }
        }

        fn token(&self, principal: &Principal) -> SecretString {
            self.tokens
                .issue(Purpose::Access, principal, Duration::minutes(15), self.clock.now())
                .token
        }

        async fn who(&self, token: &SecretString) -> Option<Arc<Principal>> {
            self.verifier.verify(token.expose_secret(), self.clock.now()).await
        }
    }

    fn logged_in() -> Principal {
        Principal {
            session: Some(SessionId::new(Ids.random())),
            ..ada()
        }
    }

    #[tokio::test]
    async fn a_remembered_token_ends_with_its_expiry() {
        let world = World::new();
        let token = world.token(&logged_in());
        assert!(world.who(&token).await.is_some());
        world.clock.advance(Duration::minutes(14));
        assert!(world.who(&token).await.is_some());
        world.clock.advance(Duration::minutes(1));
        assert!(world.who(&token).await.is_none());
    }

    #[tokio::test]
    async fn a_revoked_session_ends_at_once_and_others_go_on() {
        let world = World::new();
        let (gone, stays) = (logged_in(), logged_in());
        let (gone_token, stays_token) = (world.token(&gone), world.token(&stays));
        assert!(world.who(&gone_token).await.is_some());
        let session = Revocation::Session(gone.session.expect("set"));
        world.revocations.add([(session, world.clock.now())], world.clock.now());
        assert!(world.who(&gone_token).await.is_none());
        assert!(world.who(&stays_token).await.is_some());
    }

    #[tokio::test]
    async fn a_revoked_account_loses_the_tokens_it_has_and_not_those_of_its_namesake() {
        let world = World::new();
        let token = world.token(&ada());
        let account = Revocation::Account(ada().namespace.id, ada().account);
        world.revocations.add([(account, world.clock.now())], world.clock.now());
        assert!(world.who(&token).await.is_none());
        world.clock.advance(Duration::SECOND);
        assert!(world.who(&world.token(&ada())).await.is_some());
    }

    #[tokio::test]
    async fn an_instances_token_ends_with_the_instance() {
        let world = World::new();
        let instance = InstanceId::new(Ids.random());
        let token = world.token(&Principal {
            instance: Some(instance),
            ..ada()
        });
        assert!(world.who(&token).await.is_some());
        world
            .revocations
            .add([(Revocation::Instance(instance), world.clock.now())], world.clock.now());
        assert!(world.who(&token).await.is_none());
    }

    #[tokio::test]
    async fn an_exchanged_token_opens_no_door_and_says_whom_it_is_for() {
        let world = World::new();
        let token = world.tokens.exchange(&logged_in(), "ada-ns/greeter", world.clock.now());
        assert!(world.who(&token).await.is_none());
        let read = world
            .verifier
            .inspect(token.expose_secret(), world.clock.now())
            .expect("good");
        assert_eq!(read.service.as_deref(), Some("ada-ns/greeter"));
        assert_eq!(read.principal.account, ada().account);
    }

    #[tokio::test]
    async fn a_remembered_token_is_much_quicker_than_a_new_one() {
        let world = World::new();
        let fresh: Vec<_> = (0..200).map(|_| world.token(&logged_in())).collect();
        let started = Instant::now();
        for token in &fresh {
            assert!(world.who(token).await.is_some());
        }
        let full = started.elapsed() / 200;
        let started = Instant::now();
        for _ in 0..20 {
            for token in &fresh {
                assert!(world.who(token).await.is_some());
            }
        }
        let cached = started.elapsed() / 4_000;
        println!("verified in {full:?}, remembered in {cached:?}");
        assert!(cached * 2 < full, "{cached:?} {full:?}");
    }
}
