//! Clients older than epoch D print the address of a subscribe page that knows no attempt: there, the person has
//! the right link mailed.

use micro_domain::{AttemptId, Email};
use micro_limits::{LimitKey, Rate};
use micro_mail::Template;
use micro_storage::{jobs, retrying};
use time::Duration;

use super::{Result, Signup};
use crate::{SignupError, State, jobs::SendLink, store::Attempts};

impl Signup {
    /// Queues the letter, if the address has a sign-up that waits for a card. Whoever asks learns nothing.
    pub(crate) async fn mail_link(&self, email: &Email) -> Result<()> {
        let rate = Rate::of(3, Duration::HOUR);
        self.limit(LimitKey::tries("signup.links", email.as_str()), rate)
            .await?;
        let (db, now) = (self.db(), self.now());
        retrying(async || {
            let mut tx = db.begin().await?;
            let newest = Attempts(&mut tx).find_latest_of(email).await?;
            if let Some(attempt) =
                newest.filter(|attempt| attempt.state == State::PaymentPending && !attempt.is_over(now))
            {
                jobs::queue(&mut tx, SendLink { attempt: attempt.id }, now).await?;
            }
            Ok::<_, SignupError>(tx.commit().await?)
        })
        .await
    }

    pub(crate) async fn send_link(&self, id: AttemptId) -> Result<()> {
        let now = self.now();
        let waiting =
            |attempt: &crate::attempt::Attempt| attempt.state == State::PaymentPending && !attempt.is_over(now);
        let Some(attempt) = self.find_attempt(id).await?.filter(waiting) else {
            return Ok(());
        };
        let (link, price) = (self.link_of(&attempt), self.price());
        self.send(
            &Template::Link {
                link: &link,
                price: &price,
            },
            attempt.email,
        )
        .await
    }
}
