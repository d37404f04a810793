//! Logins: the token that goes with each call, renewed before it runs out, and what a login leaves behind.

use micro_error::Kind;
use micro_proto::auth::{self, Auth};
use secrecy::SecretString;

use crate::{
    ctx::{Ctx, DEFAULT_NAMESPACE, current_namespace},
    envs::Env,
    exit::{Exit, Failure, Result},
    home::{Token, token_key},
    remote::Session,
};

/// A token is renewed this many seconds before it runs out.
const EARLY: i64 = 60;

/// The words for somebody who is not logged in, who may be so for many reasons.
pub fn required(env: &Env) -> Failure {
    let message = format!(
        "Not logged in to env '{}' hosted at '{}'.\nPlease see `micro login help`",
        env.name, env.address
    );
    Failure::new(Exit::NotAuthorized, message)
}

impl Ctx {
    /// The way to the server as whoever is logged in, or as nobody.
    pub async fn session(&self) -> Result<Session> {
        let nobody = self.anonymous().await?;
        let Some(key) = self.stored_key(&nobody.env)? else {
            return Ok(nobody);
        };
        match self.fresh_token(&nobody, &key).await? {
            Some(token) => Ok(nobody.authorised(SecretString::from(token.access_token))),
            None => Ok(nobody),
        }
    }

    /// The way to the server as whoever is logged in. Nobody is told so at once, without asking any server.
    pub async fn logged_in(&self) -> Result<Session> {
        let env = self.env()?;
        if self.stored_token(&env)?.is_none() {
            return Err(required(&env));
        }
        let session = self.session().await?;
        if session.has_token() {
            Ok(session)
        } else {
            Err(required(&session.env))
        }
    }

    /// The way to the server as nobody.
    pub async fn anonymous(&self) -> Result<Session> {
        let env = self.env()?;
        let namespace = self.namespace(&env)?;
        Session::open(env, namespace).await
    }

    /// The token of whoever is logged in, as it lies there.
    pub fn stored_token(&self, env: &Env) -> Result<Option<Token>> {
        self.stored_key(env)?
            .map_or(Ok(None), |key| self.home.tokens().find(&key))
    }

    /// Where the token of whoever is logged in lies.
    pub fn stored_key(&self, env: &Env) -> Result<Option<String>> {
        let account = self.config()?.get(&format!("{}.current-user", env.name));
        let namespace = self.namespace(env)?;
        Ok(account
            .filter(|a| !a.is_empty())
            .map(|a| token_key(&env.address, &namespace, &a)))
    }

    /// The token of a key, renewed if it is about to run out. The file stays locked meanwhile, so that a second
    /// terminal waits and then finds the new one: a refresh token is good for one use.
    async fn fresh_token(&self, session: &Session, key: &str) -> Result<Option<Token>> {
        let file = self.home.tokens();
        let stale = |t: &Token| t.expiry != 0 && self.now().unix_timestamp() > t.expiry - EARLY;
        match file.find(key)? {
            Some(token) if stale(&token) => {}
            found => return Ok(found),
        }
        let locked = file.lock()?;
        let Some(old) = locked.find(key)?.filter(stale) else {
            return file.find(key);
        };
        if old.refresh_token.is_empty() {
            return Err(required(&session.env));
        }
        let fresh = renew(session, &old).await?;
        locked.put(key, &fresh)?;
        Ok(Some(fresh))
    }

    /// Remembers a login: the token, whose it is, and in which namespace. The server knows both from the token.
    pub async fn remember(&self, session: &Session, token: Token) -> Result<()> {
        let fallback = &session.namespace;
        self.remember_in(session, token, fallback).await
    }

    /// [`Self::remember`], in a namespace that the server named already.
    pub async fn remember_in(&self, session: &Session, token: Token, namespace: &str) -> Result<()> {
        let request = auth::InspectRequest {
            token: token.access_token.clone(),
            options: None,
        };
        let answer = session
            .auth()
            .inspect(&session.caller(), request)
            .await
            .map_err(|e| Failure::detail(&e))?;
        let account = answer.account.unwrap_or_default();
        let env = &session.env;
        let namespace = match account.issuer.as_str() {
            "" => namespace,
            issuer => issuer,
        };
        self.home
            .tokens()
            .lock()?
            .put(&token_key(&env.address, namespace, &account.id), &token)?;
        self.home.config().change(|config| {
            config.set(&format!("{}.current-user", env.name), &account.id)?;
            if namespace == DEFAULT_NAMESPACE && current_namespace(config, env).is_none() {
                return Ok(());
            }
            use_namespace(config, env, namespace)
        })
    }
}

/// Makes a namespace the current one of an environment.
pub fn use_namespace(config: &mut crate::home::Config, env: &Env, namespace: &str) -> Result<()> {
    let list = format!("namespaces.{}.all", env.name);
    let mut known: Vec<String> = config
        .get(&list)
        .unwrap_or_default()
        .split(',')
        .filter(|n| !n.is_empty())
        .map(str::to_owned)
        .collect();
    if namespace != DEFAULT_NAMESPACE && !known.iter().any(|n| n == namespace) {
        known.push(namespace.to_owned());
    }
    config.set(&list, &known.join(","))?;
    config.set(&format!("namespaces.{}.current", env.name), namespace)
}

async fn renew(session: &Session, old: &Token) -> Result<Token> {
    let request = auth::TokenRequest {
        refresh_token: old.refresh_token.clone(),
        options: Some(auth::Options {
            namespace: session.namespace.clone(),
        }),
        ..Default::default()
    };
    match session.auth().token(&session.caller(), request).await {
        Ok(answer) => answer.token.map(Token::from).ok_or_else(|| required(&session.env)),
        Err(e)
            if matches!(
                e.kind(),
                Kind::Unavailable | Kind::Internal | Kind::Timeout | Kind::TooMany
            ) =>
        {
            Err(Failure::of(&e))
        }
        Err(_) => Err(required(&session.env)),
    }
}

impl From<auth::Token> for Token {
    fn from(t: auth::Token) -> Self {
        Self {
            access_token: t.access_token,
            refresh_token: t.refresh_token,
            created: t.created,
            expiry: t.expiry,
        }
    }
}

impl From<micro_proto::signup::AuthToken> for Token {
    fn from(t: micro_proto::signup::AuthToken) -> Self {
        Self {
            access_token: t.access_token,
            refresh_token: t.refresh_token,
            created: t.created,
            expiry: t.expiry,
        }
    }
}
