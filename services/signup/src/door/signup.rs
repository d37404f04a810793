//! `signup.Signup`: Micro's own, as clients of every epoch call it (reference/micro-wire §2.13, §5).

use async_trait::async_trait;
use micro_error::{Error, Kind};
use micro_proto::signup::{
    CompleteSignupRequest, CompleteSignupResponse, HasPaymentMethodRequest, HasPaymentMethodResponse, RecoverRequest,
    RecoverResponse, SendVerificationEmailRequest, SendVerificationEmailResponse, SetPaymentMethodRequest,
    SetPaymentMethodResponse, Signup as Micros, VerifyRequest, VerifyResponse,
};
use micro_tenancy::Caller;
use secrecy::SecretString;

use super::email;
use crate::{Signup, SignupError, State, app::Confirmed, secrets::random_password};

#[async_trait]
impl Micros for Signup {
    async fn send_verification_email(
        &self,
        caller: &Caller,
        request: SendVerificationEmailRequest,
    ) -> Result<SendVerificationEmailResponse, Error> {
        self.start_without_session(&email(&request.email)?, caller).await?;
        Ok(SendVerificationEmailResponse {})
    }

    async fn verify(&self, _: &Caller, request: VerifyRequest) -> Result<VerifyResponse, Error> {
        let email = email(&request.email).map_err(|e| Error::from(e).with_id("verify.email"))?;
        match Signup::verify(self, &email, &request.token.into()).await? {
            // Clients up to epoch D are done with this; those of epoch E go on to set a new password.
            Confirmed::Known(_, belongs) => Ok(VerifyResponse {
                auth_token: Some(self.issue_token(&belongs.namespace, &belongs.account, false).await?),
                customer_id: belongs.account,
                namespace: belongs.namespace.name.into(),
                ..Default::default()
            }),
            Confirmed::New(attempt) => {
                let message = match attempt.payment_required {
                    true => format!(
                        "Please complete signup at {}. This command will now wait for you to finish.",
                        self.link_of(&attempt)
                    ),
                    false => String::new(),
                };
                Ok(VerifyResponse {
                    customer_id: attempt.account_id(),
                    message,
                    payment_required: attempt.payment_required,
                    ..Default::default()
                })
            }
        }
    }

    async fn set_payment_method(
        &self,
        _: &Caller,
        _: SetPaymentMethodRequest,
    ) -> Result<SetPaymentMethodResponse, Error> {
        // Upstream let anybody set anybody's card here.
        Err(SignupError::NoCardsHere.into())
    }

    async fn has_payment_method(
        &self,
        caller: &Caller,
        request: HasPaymentMethodRequest,
    ) -> Result<HasPaymentMethodResponse, Error> {
        let typed = self.config().keys.read_code(&request.token.into());
        let attempt = self.get_by_code(typed, caller).await?;
        let attempt = self.look_for_card(attempt).await;
        let has = !matches!(attempt.state, State::Started | State::PaymentPending | State::Expired);
        Ok(HasPaymentMethodResponse { has })
    }

    async fn complete_signup(
        &self,
        caller: &Caller,
        request: CompleteSignupRequest,
    ) -> Result<CompleteSignupResponse, Error> {
        let email = email(&request.email)?;
        if !request.namespace.is_empty() {
            return Err(SignupError::NotInvited.into());
        }
        let typed = self.config().keys.read_code(&request.token.into());
        let attempt = self.get_by_code(typed, caller).await?;
        if attempt.email != email {
            return Err(SignupError::BadHandle.into());
        }
        let password = match request.secret.as_str() {
            // Epochs A and B have no passwords.
            "" => random_password(),
            _ => SecretString::from(request.secret),
        };
        let completed = self.complete(attempt, &password, &request.payment_method_id).await?;
        Ok(CompleteSignupResponse {
            auth_token: Some(completed.token),
            namespace: completed.namespace.name.into(),
        })
    }

    async fn recover(&self, caller: &Caller, request: RecoverRequest) -> Result<RecoverResponse, Error> {
        match Signup::recover(self, &email(&request.email)?, caller)
            .await
            .map_err(Error::from)
        {
            Ok(()) => Ok(RecoverResponse {}),
            Err(e) if e.kind() == Kind::Internal => Err(e.with_id("signup.recover")),
            Err(e) => Err(e),
        }
    }
}
