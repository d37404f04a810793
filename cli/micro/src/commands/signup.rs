//! `micro signup`, and `micro login --otp`: an address proves itself by a mailed code and, where it is new, gets
//! a password, a subscription and a namespace.

use std::{io::IsTerminal, time::Duration};

use futures::StreamExt;
use micro_error::{Error, Kind};
use micro_proto::signup::{
    CompleteRequest, CompleteResponse, ConfirmRequest, ConfirmResponse, Session as _, StartRequest, Status,
    WatchRequest,
};
use micro_rpc::Streaming;
use tokio::sync::mpsc;

use crate::{
    ctx::Ctx,
    exit::{Exit, Failure, Result},
    home::Token,
    prompt,
    remote::Session,
};

/// Completing charges a card and builds a namespace before it answers.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries to take up a lost connection.
const PAUSE: Duration = Duration::from_secs(1);
/// How the server names a password that it does not take.
const BAD_PASSWORD: &str = "signup.password";

/// Signup to the Micro Platform
///
/// Asks for an e-mail address, the code that is mailed to it and a password, prints where to subscribe, and waits
/// until that is done.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  micro signup --email ada@example.com")]
pub struct Args {
    /// E-mail address
    #[arg(long)]
    email: Option<String>,

    /// The new password; asked for if not given
    #[arg(long)]
    password: Option<String>,
}

/// Why the code is asked for: what a known address meets after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// It is logged in.
    LogIn,
    /// It sets a new password.
    SignUp,
}

/// Runs it.
pub async fn run(args: Args, ctx: &Ctx) -> Result {
    with_code(args.email, args.password, Welcome::SignUp, ctx).await
}

/// The whole way, from an address to being logged in.
pub async fn with_code(email: Option<String>, password: Option<String>, welcome: Welcome, ctx: &Ctx) -> Result {
    let email = match email {
        Some(email) => email,
        None => prompt::line(&ctx.out, "Enter email address: ", "--email")?,
    };
    let session = ctx.anonymous().await?.within(PATIENCE);
    let request = StartRequest {
        email: email.trim().to_owned(),
    };
    let attempt = session
        .signup()
        .start(&session.caller(), request)
        .await
        .map_err(|e| Failure::detail(&e))?;
    let attempt = Attempt {
        session,
        secret: attempt.secret,
        ctx,
    };
    let confirmed = attempt.confirm().await?;
    if let (true, Welcome::LogIn, Some(token)) = (confirmed.known, welcome, confirmed.token.clone()) {
        return attempt
            .welcome(token.into(), &confirmed.namespace, "Successfully logged in.")
            .await;
    }
    let done = attempt.finish(&confirmed, password).await?;
    let token = done.token.ok_or_else(|| Failure::plain("the server sent no token"))?;
    attempt
        .welcome(
            token.into(),
            &done.namespace,
            "\nSignup complete! You're now logged in.",
        )
        .await
}

/// Whether asking again is right: the attempt remembers how far it came.
fn is_passing(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::Timeout)
}

/// One try at signing up, held by its secret.
struct Attempt<'c> {
    session: Session,
    secret: String,
    ctx: &'c Ctx,
}

/// What the wait for the subscription ends with.
enum News {
    Status(std::result::Result<Status, Error>),
    /// A line that was pasted.
    Pasted(String),
    /// The stream ended.
    Silence,
}

impl Attempt<'_> {
    /// Asks for the mailed code, again where a person mistyped it.
    async fn confirm(&self) -> Result<ConfirmResponse> {
        loop {
            let question = "Enter the OTP sent to your email address: ";
            let code = prompt::line(&self.ctx.out, question, "the code from the mail on stdin")?;
            let request = ConfirmRequest {
                secret: self.secret.clone(),
                code: code.trim().to_owned(),
            };
            match self.session.signup().confirm(&self.session.caller(), request).await {
                Ok(confirmed) => return Ok(confirmed),
                Err(e) if prompt::is_terminal() && matches!(e.kind(), Kind::Invalid | Kind::Forbidden) => {
                    self.ctx.out.talk(e.message());
                }
                Err(e) => return Err(Failure::detail(&e)),
            }
        }
    }

    async fn complete(&self, password: &str, payment_token: &str) -> std::result::Result<CompleteResponse, Error> {
        let request = CompleteRequest {
            secret: self.secret.clone(),
            password: password.to_owned(),
            payment_token: payment_token.to_owned(),
        };
        self.session.signup().complete(&self.session.caller(), request).await
    }

    /// Sets the password and, where payment is due, waits for it. The password goes to the server before anybody
    /// is asked to pay, so that one it does not take is refused while another can be chosen.
    async fn finish(&self, confirmed: &ConfirmResponse, mut given: Option<String>) -> Result<CompleteResponse> {
        loop {
            let was_given = given.is_some();
            let password = match given.take() {
                Some(password) => password,
                None => prompt::new_secret(&self.ctx.out, "--password")?,
            };
            match self.complete(&password, "").await {
                Ok(done) => return Ok(done),
                Err(e) if e.kind() == Kind::PaymentRequired && confirmed.payment_required => {
                    self.show_link(confirmed);
                    return self.wait(confirmed, &password).await;
                }
                Err(e) if is_passing(&e) => return self.wait(confirmed, &password).await,
                Err(e) if e.id() == BAD_PASSWORD && !was_given && prompt::is_terminal() => {
                    self.ctx.out.talk(e.message());
                }
                Err(e) => return Err(Failure::detail(&e)),
            }
        }
    }

    /// Waits until the page is done or its token is pasted, then completes. A declined card is told, and waited on.
    async fn wait(&self, confirmed: &ConfirmResponse, password: &str) -> Result<CompleteResponse> {
        let mut pasted = Some(prompt::lines());
        let mut watch = None;
        let mut told = String::new();
        loop {
            self.ctx
                .out
                .progress("Waiting for your subscription. You can also paste the payment token here: ");
            let payment_token = match self.news(&mut watch, &mut pasted).await {
                News::Pasted(line) => line,
                News::Status(Ok(status)) => match self.consider(&status, confirmed, &mut told)? {
                    true => String::new(),
                    false => continue,
                },
                News::Status(Err(e)) if !is_passing(&e) => return Err(Failure::detail(&e)),
                News::Status(Err(_)) | News::Silence => {
                    watch = None;
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            self.ctx.out.progress("Setting up your namespace. ");
            let completed = self.complete(password, &payment_token).await;
            self.ctx.out.progress_done();
            match completed {
                Ok(done) => return Ok(done),
                Err(e) if is_passing(&e) => {}
                Err(e) if e.kind() == Kind::PaymentRequired || !payment_token.is_empty() => {
                    self.ctx.out.talk(e.message());
                    if !e.message().contains(&confirmed.subscribe_url) {
                        self.show_link(confirmed);
                    }
                    told = e.message().to_owned();
                }
                Err(e) => return Err(Failure::detail(&e)),
            }
            // What was on its way describes the time before: ask for the state as it is now.
            watch = None;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether a state of the attempt means that it can be completed now. `told` is what the person read last.
    fn consider(&self, status: &Status, confirmed: &ConfirmResponse, told: &mut String) -> Result<bool> {
        match status.state.as_str() {
            "card_stored" | "paying" | "provisioning" | "ready" => Ok(true),
            "expired" | "refunded" | "failed" => {
                self.ctx.out.progress_done();
                let why = match status.message.is_empty() {
                    true => format!("this signup has {}: run `micro signup` again", status.state),
                    false => status.message.clone(),
                };
                Err(Failure::plain(why))
            }
            _ if status.message.is_empty() || told.contains(&status.message) => Ok(false),
            _ => {
                self.ctx.out.progress_done();
                self.ctx.out.talk(&status.message);
                self.show_link(confirmed);
                *told = status.message.clone();
                Ok(false)
            }
        }
    }

    /// The next thing that happens. What cannot happen any more (no more input) is forgotten.
    async fn news(&self, watch: &mut Option<Streaming<Status>>, pasted: &mut Option<mpsc::Receiver<String>>) -> News {
        if watch.is_none() {
            let request = WatchRequest {
                secret: self.secret.clone(),
            };
            match self.session.signup().watch(&self.session.caller(), request).await {
                Ok(stream) => *watch = Some(stream),
                Err(e) => return News::Status(Err(e)),
            }
        }
        loop {
            let status = async {
                match watch.as_mut() {
                    Some(stream) => stream.next().await,
                    None => None,
                }
            };
            let line = async {
                match pasted.as_mut() {
                    Some(lines) => lines.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                status = status => return status.map_or(News::Silence, News::Status),
                line = line => match line {
                    Some(line) if line.trim().is_empty() => {}
                    Some(line) => return News::Pasted(line.trim().to_owned()),
                    None => *pasted = None,
                },
            }
        }
    }

    fn show_link(&self, confirmed: &ConfirmResponse) {
        let price = match confirmed.price.is_empty() {
            true => String::new(),
            false => format!(" ({})", confirmed.price),
        };
        self.ctx.out.line(format!(
            "\nPlease go to {} to subscribe{price}.",
            confirmed.subscribe_url
        ));
        if !std::io::stderr().is_terminal() {
            self.ctx
                .out
                .talk("Waiting for the subscription. A payment token on stdin is taken too.");
        }
    }

    /// Remembers the login and says so.
    async fn welcome(&self, token: Token, namespace: &str, words: &str) -> Result {
        self.ctx.remember_in(&self.session, token, namespace).await?;
        self.ctx.out.line(words);
        Ok(Exit::Done)
    }
}
