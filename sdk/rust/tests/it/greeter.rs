use micro_sdk::{Context, Error, Service};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Hello { name: String }
#[derive(Serialize)]
struct Greeting { msg: String }

async fn hello(_: Context, hello: Hello) -> Result<Greeting, Error> {
    Ok(Greeting { msg: format!("Hello {}", hello.name) })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    Service::new("greeter").handle("Greeter.Hello", hello).run().await
}
