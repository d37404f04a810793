//! An auth service that remembers accounts, logins, and what it was told to fail at.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use micro_error::{Error, Kind};
use micro_proto::auth::{
    Account, EndSessionRequest, EndSessionResponse, EnsureAccountRequest, EnsureAccountResponse, SealSecretRequest,
    SealSecretResponse, Sessions, StartSessionRequest, StartSessionResponse, Token,
};
use micro_tenancy::Caller;

#[derive(Clone, Default)]
pub struct Doorkeeper(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// By namespace and account: e-mail address and password.
    accounts: BTreeMap<(String, String), (String, String)>,
    /// Live logins: namespace and account.
    logins: Vec<(String, String)>,
    failing: u32,
}

impl Doorkeeper {
    /// Makes accounts fail this often, after they were made.
    pub fn fail_next(&self, times: u32) {
        self.book().failing = times;
    }

    /// Namespace, address and password of every account.
    pub fn accounts(&self) -> Vec<(String, String, String)> {
        let book = self.book();
        book.accounts
            .iter()
            .map(|((ns, _), (name, secret))| (ns.clone(), name.clone(), secret.clone()))
            .collect()
    }

    pub fn logins(&self) -> usize {
        self.book().logins.len()
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.0.lock().expect("unpoisoned")
    }
}

fn place(caller: &Caller) -> Result<String, Error> {
    caller.require_system()?;
    Ok(caller.enter("")?.namespace().name.to_string())
}

#[async_trait]
impl Sessions for Doorkeeper {
    async fn start(&self, caller: &Caller, request: StartSessionRequest) -> Result<StartSessionResponse, Error> {
        let key = (place(caller)?, request.account);
        let mut book = self.book();
        if !book.accounts.contains_key(&key) {
            return Err(Error::new(Kind::NotFound, "auth", "Account not found with this ID"));
        }
        if request.end_others {
            book.logins.retain(|login| *login != key);
        }
        book.logins.push(key);
        let number = book.logins.len();
        Ok(StartSessionResponse {
            token: Some(Token {
                access_token: format!("access {number}"),
                refresh_token: "refresh".into(),
                created: 1,
                expiry: 2,
            }),
        })
    }

    async fn end(&self, _: &Caller, _: EndSessionRequest) -> Result<EndSessionResponse, Error> {
        Ok(EndSessionResponse {})
    }

    async fn seal(&self, caller: &Caller, request: SealSecretRequest) -> Result<SealSecretResponse, Error> {
        caller.require_system()?;
        Ok(SealSecretResponse {
            secret_hash: request.secret.chars().rev().collect(),
        })
    }

    async fn ensure(&self, caller: &Caller, request: EnsureAccountRequest) -> Result<EnsureAccountResponse, Error> {
        let key = (place(caller)?, request.account);
        assert_eq!(request.scopes, ["admin"]);
        let mut book = self.book();
        book.accounts
            .insert(key, (request.name, request.secret_hash.chars().rev().collect()));
        if book.failing > 0 {
            book.failing -= 1;
            return Err(Error::new(Kind::Unavailable, "auth", "the answer was lost"));
        }
        Ok(EnsureAccountResponse {
            account: Some(Account::default()),
        })
    }
}
