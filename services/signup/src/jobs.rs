//! What follows a commit: letters, the saga's runs, its deadline, and taking back.

use micro_domain::{AttemptId, Email, JobId};
use micro_storage::jobs::{Job, Worker};
use micro_tenancy::SystemTask;
use serde::{Deserialize, Serialize};

use crate::Signup;

macro_rules! job {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* }, $kind:literal, $task:ident, $limit:literal $(, key($self:ident) $key:expr)?) => {
        $(#[$doc])*
        #[derive(Serialize, Deserialize)]
        pub(crate) struct $name {
            $(pub(crate) $field: $type,)*
        }

        impl Job for $name {
            const KIND: &'static str = $kind;
            const TASK: SystemTask = SystemTask::$task;
            const LIMIT: u32 = $limit;
            $(fn dedupe_key(&$self) -> Option<String> {
                Some($key)
            })?
        }
    };
}

job!(
    /// Mails a fresh code to the attempt's address. Given up when the code would have expired.
    SendCode { attempt: AttemptId }, "signup.send_code", Mail, 8
);
job!(
    /// Mails the link of the attempt's subscribe page.
    SendLink { attempt: AttemptId },
    "signup.send_link",
    Mail,
    8
);
job!(
    /// Says that the namespace is ready.
    SendWelcome { attempt: AttemptId }, "signup.send_welcome", Mail, 20
);
job!(
    /// Says that the money was given back.
    SendRefunded { attempt: AttemptId, cents: i64 }, "signup.send_refunded", Mail, 40
);
job!(
    /// Mails an address the names of its namespaces.
    SendRecovery { email: Email }, "signup.send_recovery", Mail, 8
);
job!(
    /// Carries the saga of one card's try on, until it is ready, declined or given back.
    MakeNamespace { attempt: AttemptId, payment_try: u32 }, "signup.make_namespace", Signup, 200,
    key(self) format!("{} {}", self.attempt, self.payment_try)
);
job!(
    /// Sees to it that the saga notices when its time is up.
    Deadline { attempt: AttemptId, payment_try: u32, job: JobId }, "signup.deadline", Signup, 200
);
job!(
    /// Takes down what an attempt that came to nothing left behind.
    TakeBack { attempt: AttemptId }, "signup.take_back", Provisioning, 40,
    key(self) self.attempt.to_string()
);

impl Signup {
    /// The worker, with a handler for each job of sign-up.
    #[must_use]
    pub fn on_jobs(&self, worker: Worker) -> Worker {
        let signup = || self.clone();
        let (code, link, welcome, refunded, recovery) = (signup(), signup(), signup(), signup(), signup());
        let (make, deadline, back) = (signup(), signup(), signup());
        worker
            .on(move |job: SendCode, _| {
                let signup = code.clone();
                async move { Ok(signup.send_code(job.attempt).await?) }
            })
            .on(move |job: SendLink, _| {
                let signup = link.clone();
                async move { Ok(signup.send_link(job.attempt).await?) }
            })
            .on(move |job: SendWelcome, _| {
                let signup = welcome.clone();
                async move { Ok(signup.send_welcome(job.attempt).await?) }
            })
            .on(move |job: SendRefunded, _| {
                let signup = refunded.clone();
                async move { Ok(signup.send_refunded(job.attempt, job.cents).await?) }
            })
            .on(move |job: SendRecovery, _| {
                let signup = recovery.clone();
                async move { Ok(signup.send_recovery(job.email).await?) }
            })
            .on(move |job: MakeNamespace, _| {
                let signup = make.clone();
                async move { Ok(signup.make_namespace(job.attempt).await?) }
            })
            .on(move |job: Deadline, _| {
                let signup = deadline.clone();
                async move { Ok(signup.enforce_deadline(&job).await?) }
            })
            .on(move |job: TakeBack, _| {
                let signup = back.clone();
                async move { Ok(signup.take_back(job.attempt).await?) }
            })
    }
}
