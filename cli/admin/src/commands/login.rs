//! `micro-admin login`.

use micro_proto::operators::{LoginRequest, Operators, OperatorsClient};

use crate::{
    ctx::{Ctx, when},
    exit::{Exit, Failure, Result},
    login::{Login, Logins},
    prompt,
};

/// Log in with an operator secret
///
/// The first one is shown by the server at its first start. A login lasts an hour.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub async fn run(_: Args, ctx: &Ctx) -> Result {
    let secret = prompt::secret(&ctx.out, "Operator secret: ", "the secret on stdin")?;
    let door = ctx.open().await?;
    let request = LoginRequest { secret };
    let answer = OperatorsClient::new(door.client)
        .login(&door.caller, request)
        .await
        .map_err(|e| Failure::detail(&e))?;
    let until = when(answer.expires_at);
    let (operator, role) = (answer.operator, answer.role);
    let login = Login {
        token: answer.token,
        expires_at: answer.expires_at,
        operator: operator.clone(),
        role: role.clone(),
    };
    Logins::of_user()?.put(&ctx.address, login)?;
    if ctx.out.json() {
        ctx.out
            .value(&serde_json::json!({"operator": operator, "role": role, "expires_at": answer.expires_at}))?;
    } else {
        ctx.out.line(format!("Logged in as {operator} ({role}) until {until}."));
    }
    Ok(Exit::Done)
}
