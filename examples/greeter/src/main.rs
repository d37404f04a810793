//! Says hello. `micro run examples/greeter`, then `micro greeter hello --name Ada`.

use micro_sdk::{Context, Error, Service};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Hello {
    #[serde(default)]
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    msg: String,
}

async fn hello(_: Context, hello: Hello) -> Result<Greeting, Error> {
    if hello.name.is_empty() {
        return Err(Error::bad_request("tell me your name: --name Ada"));
    }
    Ok(Greeting { msg: format!("Hello {}", hello.name) })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Service::new("greeter").handle("Greeter.Hello", hello).run().await
}
