//! The service NAME: one endpoint to begin with.

use micro_sdk::{Context, Error, Service, log};
use serde::{Deserialize, Serialize};

/// What callers say: each field is a flag of `micro NAME call`.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    name: String,
}

#[derive(Serialize)]
struct Response {
    msg: String,
}

async fn call(_: Context, request: Request) -> Result<Response, Error> {
    if request.name.is_empty() {
        return Err(Error::bad_request("whom shall I greet? Pass --name"));
    }
    log::info("called", &[("name", &request.name)]);
    Ok(Response { msg: format!("Hello {}", request.name) })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Service::new("NAME").handle("HANDLER.Call", call).run().await
}
