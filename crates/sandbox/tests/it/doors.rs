//! Ways in and out of an instance's own network.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use micro_sandbox::{Door, Keeper, KeeperError};

use crate::support::{Workplace, confined, eventually, launchers, texts, until};

/// Connects as soon as the program listens.
pub async fn connect(keeper: &Keeper, port: u16) -> TcpStream {
    eventually(&format!("somebody to listen on {port}"), async || {
        match keeper.connect(port).await {
            Ok(stream) => Some(stream),
            Err(KeeperError::Refused(_)) => None,
            Err(e) => panic!("{e:?}"),
        }
    })
    .await
}

pub fn read(mut stream: TcpStream) -> String {
    stream.set_nonblocking(false).expect("blocking");
    let mut heard = String::new();
    stream.read_to_string(&mut heard).expect("heard");
    heard
}

#[tokio::test]
async fn the_server_calls_in() {
    let launcher = confined();
    let place = Workplace::new();
    let keeper = launcher
        .launch(place.role(launcher.mode(), ["serve"]))
        .await
        .expect("started");
    assert_eq!(read(connect(&keeper, 8080).await), "from inside");
    assert!(matches!(keeper.connect(9).await, Err(KeeperError::Refused(_))));

    keeper.stop(Duration::ZERO).await.expect("ended");
    assert!(matches!(keeper.connect(8080).await, Err(KeeperError::Gone)));
    assert!(matches!(keeper.doors().await, Err(KeeperError::Gone)));
}

#[tokio::test]
async fn a_plain_program_is_reached_the_same_way() {
    let outside = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = outside.local_addr().expect("bound").port();
    let [plain, _] = launchers();
    let place = Workplace::new();
    let keeper = plain.launch(place.command(["sleep", "1000"])).await.expect("started");
    let stream = keeper.connect(port).await.expect("connected");
    let (mut answered, _) = outside.accept().expect("called");
    answered.write_all(b"here").expect("written");
    drop(answered);
    assert_eq!(read(stream), "here");
    keeper.stop(Duration::ZERO).await.expect("ended");
}

#[tokio::test]
async fn the_program_calls_out_through_its_door() {
    let launcher = confined();
    let place = Workplace::new();
    let mut spec = place.role(launcher.mode(), ["call", "127.0.0.1:8443"]);
    spec.doors.push(Door {
        name: "ingress".to_owned(),
        inside: "127.0.0.1:8443".parse().expect("an address"),
    });
    let keeper = launcher.launch(spec).await.expect("started");

    let mut doors = keeper.doors().await.expect("handed out");
    let (name, listener) = doors.pop().expect("one door");
    assert_eq!((name.as_str(), doors.len()), ("ingress", 0));
    let (mut caller, _) = listener.accept().expect("called");
    let mut said = String::new();
    caller.read_to_string(&mut said).expect("heard");
    caller
        .write_all(format!("you said {said}").as_bytes())
        .expect("written");
    drop(caller);
    until("the answer", || {
        texts(&place).iter().any(|t| t == "heard you said hello from inside")
    })
    .await;
    assert!(keeper.wait().await.expect("ended").success());
}
