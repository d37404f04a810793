//! Sign-ups: one attempt, which the test moves on as the subscribe page would.

use async_trait::async_trait;
use futures::stream;
use micro_error::{Error, Kind};
use micro_proto::signup;
use micro_rpc::Streaming;
use micro_tenancy::Caller;

use super::{CODE, GOOD_PAYMENT, NAMESPACE, PAGE, State, refused};

#[async_trait]
impl signup::Session for State {
    async fn start(&self, _: &Caller, request: signup::StartRequest) -> Result<signup::StartResponse, Error> {
        self.note(format!("start {}", request.email));
        Ok(signup::StartResponse {
            secret: request.email,
            expires_at: 0,
        })
    }

    async fn confirm(&self, _: &Caller, request: signup::ConfirmRequest) -> Result<signup::ConfirmResponse, Error> {
        if request.code != CODE {
            return refused(Kind::Forbidden, "signup", "the token you provided is invalid");
        }
        if request.secret == "known@example.com" {
            return Ok(signup::ConfirmResponse {
                known: true,
                token: Some(self.signup_token()),
                namespace: NAMESPACE.into(),
                ..Default::default()
            });
        }
        Ok(signup::ConfirmResponse {
            payment_required: true,
            subscribe_url: PAGE.into(),
            price: "$35/month".into(),
            ..Default::default()
        })
    }

    async fn watch(&self, _: &Caller, _: signup::WatchRequest) -> Result<Streaming<signup::Status>, Error> {
        let states = stream::unfold((self.attempt.subscribe(), true), |(mut states, first)| async move {
            if !first {
                states.changed().await.ok()?;
            }
            let status = states.borrow_and_update().clone();
            Some((Ok(status), (states, false)))
        });
        Ok(Box::pin(states))
    }

    async fn complete(&self, _: &Caller, request: signup::CompleteRequest) -> Result<signup::CompleteResponse, Error> {
        self.note(format!(
            "complete {} {} {}",
            request.secret, request.password, request.payment_token
        ));
        let known = request.secret == "known@example.com";
        let stored = self.attempt.borrow().state == "card_stored";
        if request.password == "weak" {
            let words = "Choose a password of at least 8 characters";
            return refused(Kind::Invalid, "signup.password", words);
        }
        match request.payment_token.as_str() {
            "" if known || stored => {}
            GOOD_PAYMENT => {}
            "" => {
                let words = format!("Payment is required. Please enter your card at {PAGE}");
                return refused(Kind::PaymentRequired, "signup.card", &words);
            }
            _ => {
                let message = "Your card was declined.".to_owned();
                self.attempt.send_replace(signup::Status {
                    state: "payment_pending".into(),
                    message: message.clone(),
                });
                return refused(Kind::PaymentRequired, "billing.declined", &message);
            }
        }
        Ok(signup::CompleteResponse {
            token: Some(self.signup_token()),
            namespace: NAMESPACE.into(),
        })
    }
}
