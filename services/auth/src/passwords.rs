//! Hashing secrets: slowly, on threads of its own, what a person chose; quickly what we drew at random.

use std::sync::{
    Arc, Mutex,
    mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use micro_clock::Ids;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

use crate::AuthError;

/// Hashes at once: each takes 19 MiB and tens of milliseconds of a core.
const THREADS: usize = 2;
/// Hashes that may wait: about two seconds of work. Beyond that the answer is 503.
const QUEUE: usize = 64;
/// The longest secret that is hashed at all.
pub const LONGEST_SECRET: usize = 1_024;
/// What our own secrets' hashes start with.
const RANDOM: &str = "sha256:";
/// A hash of nothing: what a secret is compared with where there is nobody, so that it takes as long.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A secret's hash, as it is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// Reads back what [`Passwords::seal`] gave out.
    pub fn parse(text: String) -> Option<Self> {
        (PasswordHash::new(&text).is_ok_and(|h| h.algorithm.as_str() == "argon2id")).then_some(Self(text))
    }

    /// The text to store.
    pub fn into_text(self) -> String {
        self.0
    }

    fn is_random(&self) -> bool {
        self.0.starts_with(RANDOM)
    }
}

/// A fresh secret of 32 random bytes, and its hash: nobody guesses it, so a quick hash will do.
pub fn random_secret() -> (SecretString, Sealed) {
    let secret = URL_SAFE_NO_PAD.encode(Ids.bytes::<32>());
    let sealed = Sealed(format!("{RANDOM}{}", hex::encode(Sha256::digest(&secret))));
    (secret.into(), sealed)
}

type Job = Box<dyn FnOnce() + Send>;

/// The threads that hash.
pub struct Passwords(SyncSender<Job>);

impl Passwords {
    /// Starts the threads; they end when this is dropped.
    pub fn start() -> Self {
        let (send, receive) = sync_channel::<Job>(QUEUE);
        let receive = Arc::new(Mutex::new(receive));
        for n in 0..THREADS {
            let receive = receive.clone();
            std::thread::Builder::new()
                .name(format!("passwords-{n}"))
                .spawn(move || {
                    while let Some(job) = next(&receive) {
                        job()
                    }
                })
                .expect("the system has threads");
        }
        Self(send)
    }

    /// The hash to store of a secret that somebody chose.
    pub async fn seal(&self, secret: &str) -> Result<Sealed, AuthError> {
        if secret.len() > LONGEST_SECRET {
            return Err(AuthError::Malformed("A secret", LONGEST_SECRET));
        }
        let secret = SecretString::from(secret);
        self.run(move || {
            let salt = Ids.bytes::<16>();
            let hash = argon2().hash_password_with_salt(secret.expose_secret().as_bytes(), &salt);
            Sealed(hash.expect("parameters within argon2's bounds").to_string())
        })
        .await
    }

    /// Whether this is the secret.
    pub async fn verify(&self, secret: &str, sealed: &Sealed) -> Result<bool, AuthError> {
        if secret.len() > LONGEST_SECRET {
            return Ok(false);
        }
        if let Some(digest) = sealed.0.strip_prefix(RANDOM) {
            let presented = hex::encode(Sha256::digest(secret));
            return Ok(presented.as_bytes().ct_eq(digest.as_bytes()).into());
        }
        let (secret, sealed) = (SecretString::from(secret), sealed.clone());
        self.run(move || {
            let hash = PasswordHash::new(&sealed.0);
            hash.is_ok_and(|hash| {
                argon2()
                    .verify_password(secret.expose_secret().as_bytes(), &hash)
                    .is_ok()
            })
        })
        .await
    }

    /// Which of these have this secret. Where none has, as much is hashed as for `most` persons' secrets: nobody learns
    /// how many there were.
    pub async fn verify_each(&self, secret: &str, sealed: &[&Sealed], most: usize) -> Result<Vec<bool>, AuthError> {
        let mut found = Vec::with_capacity(sealed.len());
        for one in sealed {
            found.push(self.verify(secret, one).await?);
        }
        if !found.contains(&true) {
            let persons = sealed.iter().filter(|sealed| !sealed.is_random()).count();
            for _ in persons..most {
                self.verify(secret, &Sealed(NOBODY.into())).await?;
            }
        }
        Ok(found)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AuthError> {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Nobody waits any more once the caller has gone: the work is not worth doing then.
            if !done.is_closed() {
                let _caller_may_have_gone = done.send(work());
            }
        });
        match self.0.try_send(job) {
            Ok(()) => result.await.map_err(|_| AuthError::Busy),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(AuthError::Busy),
        }
    }
}

fn next(receive: &Mutex<Receiver<Job>>) -> Option<Job> {
    receive.lock().ok()?.recv().ok()
}

/// Argon2id with 19 MiB and two passes (OWASP's second choice, RFC 9106 §4).
fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1_024, 2, 1, None).expect("within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Threads as those of [`Passwords::start`], and how many hashes they have made.
#[cfg(test)]
pub fn counted() -> (Passwords, Arc<std::sync::atomic::AtomicUsize>) {
    let (send, receive) = sync_channel::<Job>(QUEUE);
    let hashed = Arc::<std::sync::atomic::AtomicUsize>::default();
    let counter = hashed.clone();
    std::thread::spawn(move || {
        for job in receive {
            counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            job();
        }
    });
    (Passwords(send), hashed)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn a_persons_secret_is_kept_as_argon2id_and_found_again() {
        let passwords = Passwords::start();
        let sealed = passwords.seal("correct horse").await.expect("room");
        assert!(sealed.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", sealed.0);
        assert!(Sealed::parse(sealed.clone().into_text()).is_some());
        assert!(passwords.verify("correct horse", &sealed).await.expect("room"));
        assert!(!passwords.verify("correct horsf", &sealed).await.expect("room"));
        assert!(!passwords.verify("", &Sealed(NOBODY.into())).await.expect("room"));
    }

    #[tokio::test]
    async fn a_random_secret_is_kept_as_a_plain_hash() {
        let passwords = Passwords::start();
        let (secret, sealed) = random_secret();
        assert!(passwords.verify(secret.expose_secret(), &sealed).await.expect("room"));
        assert!(!passwords.verify("another", &sealed).await.expect("room"));
        assert!(
            Sealed::parse(sealed.into_text()).is_none(),
            "nobody outside may hand in a quick hash"
        );
    }

    #[tokio::test]
    async fn however_many_a_wrong_secret_is_compared_with_as_much_is_hashed() {
        let (passwords, hashed) = counted();
        let person = passwords.seal("correct horse").await.expect("room");
        let (_, random) = random_secret();
        for sealed in [
            vec![],
            vec![&person],
            vec![&person; 3],
            vec![&random],
            vec![&random, &person],
        ] {
            let before = hashed.load(Ordering::SeqCst);
            let found = passwords.verify_each("wrong", &sealed, 3).await.expect("room");
            assert_eq!(found, vec![false; sealed.len()]);
            assert_eq!(hashed.load(Ordering::SeqCst) - before, 3, "of {}", sealed.len());
        }
        let found = passwords.verify_each("correct horse", &[&random, &person], 3).await;
        assert_eq!(found.expect("room"), [false, true]);
    }

    #[tokio::test]
    async fn more_at_once_than_may_wait_are_told_to_come_back() {
        let passwords = Passwords::start();
        let results = join_all((0..QUEUE * 2).map(|_| passwords.seal("secret"))).await;
        let busy = results.iter().filter(|r| matches!(r, Err(AuthError::Busy))).count();
        assert!((1..=QUEUE).contains(&busy), "{busy}");
    }
}
