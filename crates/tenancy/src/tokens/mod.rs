//! Tokens: Ed25519 JWTs that say who somebody is, for how long, and to whom.

mod claims;
mod crypto;
mod keys;

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use micro_clock::Ids;
use secrecy::SecretString;
use time::{Duration, OffsetDateTime};

pub use claims::{Claims, Purpose};
pub use keys::{InvalidKey, KeyRing, PublicKey, SigningKey};

use crate::{Principal, Reach};

/// The longest that any token may be: what fits into a header with room for the rest.
const LONGEST: usize = 8 << 10;

/// How far the clocks of two machines may differ when a token's birth is checked.
const SKEW: Duration = Duration::seconds(30);

/// Why a token was refused. Callers learn only that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of this environment, or altered.
    #[error("not a token of ours")]
    Forged,
    /// Ours, for something else.
    #[error("the token is for another purpose")]
    Misused,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
}

/// A token and when it ends.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The token.
    pub token: SecretString,
    /// Its `iat`.
    pub created: OffsetDateTime,
    /// Its `exp`.
    pub expires: OffsetDateTime,
}

/// Makes and checks the tokens of one environment.
#[derive(Debug)]
pub struct Tokens {
    keys: KeyRing,
    environment: String,
    cell: String,
    local: bool,
}

impl Tokens {
    /// The tokens of `environment`. `local` says that this is a local server, whose administrator reaches every
    /// namespace; a platform ignores such a claim.
    pub fn new(keys: KeyRing, environment: impl Into<String>, cell: impl Into<String>, local: bool) -> Self {
        Self {
            keys,
            environment: environment.into(),
            cell: cell.into(),
            local,
        }
    }

    /// A token for `principal`, good for `purpose` during `ttl`.
    pub fn issue(&self, purpose: Purpose<'_>, principal: &Principal, ttl: Duration, now: OffsetDateTime) -> Issued {
        let expires = now + ttl;
        let claims = Claims {
            iss: self.environment.clone(),
            aud: purpose.audience(),
            typ: purpose.typ().into(),
            sub: principal.account.clone(),
            name: principal.name.clone(),
            kind: principal.kind,
            scopes: principal.scopes.clone(),
            ns: principal.namespace.id,
            nsn: principal.namespace.name.clone(),
            cell: self.cell.clone(),
            sid: principal.session,
            ins: principal.instance,
            local: self.local && principal.reach == Reach::Local,
            exp: expires.unix_timestamp(),
            iat: now.unix_timestamp(),
            jti: Ids.random(),
        };
        let (id, key) = self.keys.signs_with();
        let header = Header {
            kid: Some(id.into()),
            ..Header::new(Algorithm::EdDSA)
        };
        let token = encode(&header, &claims, key).expect("an Ed25519 key signs");
        Issued {
            token: token.into(),
            created: now,
            expires,
        }
    }

    /// Checks signature, issuer, audience, type and time.
    pub fn verify(&self, token: &str, purpose: Purpose<'_>, now: OffsetDateTime) -> Result<Claims, TokenError> {
        let claims = self.read(token, now)?;
        match claims.typ == purpose.typ() && claims.aud == purpose.audience() {
            true => Ok(claims),
            false => Err(TokenError::Misused),
        }
    }

    /// Checks an exchanged token, whichever service it is for: [`Claims::service`] says which.
    pub fn verify_exchanged(&self, token: &str, now: OffsetDateTime) -> Result<Claims, TokenError> {
        let claims = self.read(token, now)?;
        match claims.service() {
            Some(_) if claims.typ == Purpose::Exchanged("").typ() => Ok(claims),
            _ => Err(TokenError::Misused),
        }
    }

    /// Whose principal the claims speak of.
    pub fn principal(&self, claims: &Claims) -> Principal {
        claims.principal(self.local)
    }

    pub(crate) fn read(&self, token: &str, now: OffsetDateTime) -> Result<Claims, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Forged);
        }
        let header = decode_header(token).map_err(|_| TokenError::Forged)?;
        let key = header
            .kid
            .and_then(|id| self.keys.verifies(&id))
            .ok_or(TokenError::Forged)?;
        // Time and audience are checked by us: the library would ask the machine's clock.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_issuer(&[&self.environment]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims: Claims = decode(token, key, &validation).map_err(|_| TokenError::Forged)?.claims;
        match now.unix_timestamp() {
            now if now >= claims.exp => Err(TokenError::Expired),
            now if claims.iat > now + SKEW.whole_seconds() => Err(TokenError::Forged),
            _ => Ok(claims),
        }
    }
}

/// Trades a caller's authority for a token that one service may see.
pub trait Exchange: Send + Sync + 'static {
    /// A token for `principal` that only `service`, as `<namespace>/<name>`, may show, and only to ask who that is.
    /// Good for [`EXCHANGED_TTL`]: cache it per caller's token and service for half of that.
    fn exchange(&self, principal: &Principal, service: &str, now: OffsetDateTime) -> SecretString;
}

/// How long an exchanged token lasts.
pub const EXCHANGED_TTL: Duration = Duration::seconds(120);

impl Exchange for Tokens {
    fn exchange(&self, principal: &Principal, service: &str, now: OffsetDateTime) -> SecretString {
        self.issue(Purpose::Exchanged(service), principal, EXCHANGED_TTL, now)
            .token
    }
}

#[cfg(test)]
mod tests {
    use micro_clock::{Clock, TestClock};
    use micro_domain::SessionId;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::tests::ada;

    fn tokens(key: &SigningKey, local: bool) -> Tokens {
        Tokens::new(KeyRing::new(key, []), "test", "main", local)
    }

    #[test]
    fn a_token_says_who_somebody_is_until_it_expires() {
        let (tokens, clock) = (tokens(&SigningKey::generate(), false), TestClock::default());
        let mut ada = ada();
        ada.session = Some(SessionId::new(Ids.random()));
        let issued = tokens.issue(Purpose::Access, &ada, Duration::minutes(15), clock.now());
        let read = |now| tokens.verify(issued.token.expose_secret(), Purpose::Access, now);
        assert_eq!(tokens.principal(&read(clock.now()).expect("fresh")), ada);
        assert!(read(clock.now() + Duration::seconds(899)).is_ok());
        assert_eq!(read(clock.now() + Duration::seconds(900)), Err(TokenError::Expired));
        assert_eq!(read(clock.now() - Duration::seconds(60)), Err(TokenError::Forged));
    }

    #[test]
    fn a_token_is_good_for_its_purpose_only() {
        let (tokens, now) = (tokens(&SigningKey::generate(), false), TestClock::default().now());
        let purposes = [
            Purpose::Access,
            Purpose::Instance,
            Purpose::Exchanged("ada-ns/greeter"),
            Purpose::Exchanged("ada-ns/other"),
            Purpose::Internal("store"),
        ];
        for made_for in purposes {
            let token = tokens.issue(made_for, &ada(), Duration::MINUTE, now).token;
            for used_for in purposes {
                let read = tokens.verify(token.expose_secret(), used_for, now);
                assert_eq!(read.is_ok(), made_for == used_for, "{made_for:?} as {used_for:?}");
            }
        }
    }

    #[test]
    fn another_environment_or_key_or_an_altered_claim_is_a_forgery() {
        let (key, now) = (SigningKey::generate(), TestClock::default().now());
        let ours = tokens(&key, false);
        let elsewhere = Tokens::new(KeyRing::new(&key, []), "staging", "main", false);
        let token = elsewhere.issue(Purpose::Access, &ada(), Duration::MINUTE, now).token;
        assert_eq!(
            ours.verify(token.expose_secret(), Purpose::Access, now),
            Err(TokenError::Forged)
        );

        let token = tokens(&SigningKey::generate(), false)
            .issue(Purpose::Access, &ada(), Duration::MINUTE, now)
            .token;
        assert_eq!(
            ours.verify(token.expose_secret(), Purpose::Access, now),
            Err(TokenError::Forged)
        );

        let token = ours.issue(Purpose::Access, &ada(), Duration::MINUTE, now).token;
        for at in (0..token.expose_secret().len()).step_by(7) {
            let mut altered = token.expose_secret().as_bytes().to_vec();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ASCII");
            assert!(ours.verify(&altered, Purpose::Access, now).is_err(), "byte {at}");
        }
        for nonsense in ["", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
            assert_eq!(ours.verify(nonsense, Purpose::Access, now), Err(TokenError::Forged));
        }
    }

    #[test]
    fn tokens_of_the_key_before_are_accepted_while_it_is_on_the_ring() {
        let (old, new, now) = (
            SigningKey::generate(),
            SigningKey::generate(),
            TestClock::default().now(),
        );
        let token = tokens(&old, false)
            .issue(Purpose::Access, &ada(), Duration::MINUTE, now)
            .token;
        let ring = KeyRing::new(&new, [old.public().clone()]);
        let both = Tokens::new(ring, "test", "main", false);
        assert!(both.verify(token.expose_secret(), Purpose::Access, now).is_ok());
    }

    #[test]
    fn only_a_local_server_believes_in_an_administrator_of_everything() {
        let (key, now) = (SigningKey::generate(), TestClock::default().now());
        let (local, platform) = (tokens(&key, true), tokens(&key, false));
        let admin = Principal {
            reach: Reach::Local,
            ..ada()
        };
        let token = local.issue(Purpose::Access, &admin, Duration::MINUTE, now).token;
        let reach = |t: &Tokens| {
            t.principal(&t.verify(token.expose_secret(), Purpose::Access, now).expect("ours"))
                .reach
        };
        assert_eq!((reach(&local), reach(&platform)), (Reach::Local, Reach::Own));
    }
}
