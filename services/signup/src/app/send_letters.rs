//! The letters of a sign-up: each the handler of a job, so that a mail server that is down delays them only.

use micro_domain::{AttemptId, Email, Money};
use micro_mail::Template;
use micro_storage::retrying;
use secrecy::ExposeSecret;

use super::{Result, Signup};
use crate::{
    SignupError, State,
    attempt::{LOGIN_CODE, SIGNUP_CODE},
    store::Codes,
};

impl Signup {
    /// Makes a code and mails it. A letter that has to be sent again carries a new code: none is stored readable.
    pub(crate) async fn send_code(&self, id: AttemptId) -> Result<()> {
        let now = self.now();
        let Some(attempt) = self
            .find_attempt(id)
            .await?
            .filter(|a| a.state == State::Started && now < a.expires_at)
        else {
            return Ok(());
        };
        let known = self.find_identity(&attempt.email).await?.is_some();
        let lives = if known { LOGIN_CODE } else { SIGNUP_CODE };
        let code = self.config().keys.new_code();
        let db = self.db();
        retrying(async || {
            let mut tx = db.begin().await?;
            Codes(&mut tx).add(&code, id, now + lives).await?;
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await?;
        let (code, short, minutes) = (
            code.long.expose_secret(),
            code.short.expose_secret(),
            lives.whole_minutes(),
        );
        let template = match known {
            true => Template::LoginCode { code, short, minutes },
            false => Template::SignupCode {
                code,
                short,
                minutes,
                payment: attempt.payment_required,
            },
        };
        self.send(&template, attempt.email).await
    }

    pub(crate) async fn send_welcome(&self, id: AttemptId) -> Result<()> {
        let Some(attempt) = self.find_attempt(id).await? else {
            return Ok(());
        };
        let Some(namespace) = &attempt.namespace else {
            return Ok(());
        };
        let price = if attempt.payment_required {
            self.price()
        } else {
            String::new()
        };
        let template = Template::Welcome {
            namespace: namespace.name.as_str(),
            price: &price,
        };
        self.send(&template, attempt.email.clone()).await
    }

    pub(crate) async fn send_refunded(&self, id: AttemptId, cents: i64) -> Result<()> {
        let Some(attempt) = self.find_attempt(id).await? else {
            return Ok(());
        };
        let amount = Money::usd(cents).to_string();
        self.send(&Template::Refunded { amount: &amount }, attempt.email).await
    }

    pub(crate) async fn send_recovery(&self, email: Email) -> Result<()> {
        let Some(belongs) = self.find_identity(&email).await? else {
            return Ok(());
        };
        let template = Template::Recovery {
            namespaces: vec![belongs.namespace.name.as_str()],
        };
        self.send(&template, email).await
    }

    pub(super) async fn send(&self, template: &Template<'_>, to: Email) -> Result<()> {
        Ok(self.ports().mail.send(&template.letter(to)?).await?)
    }
}
