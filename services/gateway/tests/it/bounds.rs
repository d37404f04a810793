//! The bounds of the doors, each at its edge.

use std::time::Duration;

use micro_error::Kind;
use micro_gateway::bounds;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    nodes::TestNode,
    world::{World, caller, limit},
};

async fn raw(world: &World, bytes: &[u8]) -> String {
    let mut tcp = TcpStream::connect(world.gateway.addresses().api)
        .await
        .expect("connects");
    tcp.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _reset = tcp.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_head_of_an_http1_request_is_bounded() {
    let world = World::open().await;
    let request = |padding: usize| {
        format!(
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\na: {}\r\n\r\n",
            "x".repeat(padding)
        )
    };
    assert!(
        raw(&world, request(bounds::MAX_HEAD_BYTES - 4096).as_bytes())
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        raw(&world, request(bounds::MAX_HEAD_BYTES + 4096).as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
    let many = |count: usize| {
        let headers: String = (0..count).map(|n| format!("h{n}: x\r\n")).collect();
        format!("GET / HTTP/1.1\r\nconnection: close\r\n{headers}\r\n")
    };
    assert!(
        raw(&world, many(bounds::MAX_HEADERS - 1).as_bytes())
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        raw(&world, many(bounds::MAX_HEADERS).as_bytes())
            .await
            .starts_with("HTTP/1.1 431")
    );
}

#[tokio::test]
async fn the_headers_of_an_http2_request_are_bounded() {
    let world = World::open().await;
    let status = async |padding: usize| {
        let tcp = TcpStream::connect(world.gateway.addresses().api)
            .await
            .expect("connects");
        let (sender, connection) = h2::client::handshake(tcp).await.expect("speaks");
        tokio::spawn(connection);
        let mut sender = sender.ready().await.expect("ready");
        let request = http::Request::get("http://x/")
            .header("a", "x".repeat(padding))
            .body(())
            .expect("valid");
        let (response, _) = sender.send_request(request, true).expect("sent");
        response.await.expect("answers").status().as_u16()
    };
    let most = usize::try_from(bounds::MAX_HEADER_BYTES).expect("fits");
    assert_eq!(status(most - 1024).await, 200);
    assert_eq!(status(most + 1024).await, 431);
}

/// The clock of the doors' own threads cannot be held still: these wait for as long as the bound says.
#[tokio::test]
async fn the_slow_are_sent_away() {
    let world = World::open().await;
    let sent = |bytes: &'static [u8]| {
        let address = world.gateway.addresses().proxy;
        async move {
            let mut tcp = TcpStream::connect(address).await.expect("connects");
            tcp.write_all(bytes).await.expect("sent");
            let began = tokio::time::Instant::now();
            let mut answer = Vec::new();
            let _reset = tcp.read_to_end(&mut answer).await;
            began.elapsed()
        }
    };
    let all = async { tokio::join!(sent(b""), sent(b"PRI * HT"), sent(b"GET / HTTP/1.1\r\nhost:")) };
    let (silent, half, slow) = tokio::time::timeout(bounds::HEAD_TIMEOUT * 2, all)
        .await
        .expect("all are closed");
    for took in [silent, half] {
        assert!(
            took >= bounds::HELLO_TIMEOUT - Duration::from_millis(100) && took < bounds::HEAD_TIMEOUT,
            "{took:?}"
        );
    }
    assert!(slow >= bounds::HEAD_TIMEOUT - Duration::from_millis(100), "{slow:?}");
}

#[tokio::test]
async fn who_resets_too_much_is_sent_away() {
    let world = World::open().await;
    let mut tcp = TcpStream::connect(world.gateway.addresses().proxy)
        .await
        .expect("connects");
    // By hand: a decent client never sends what it has already given up.
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    const END_HEADERS: u8 = 4;
    const POST_HTTP_ROOT: &[u8] = &[0x83, 0x86, 0x84];
    let mut sent = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
    for stream in (1..=2 * 10_000).step_by(2) {
        sent.extend(frame(HEADERS, END_HEADERS, stream, POST_HTTP_ROOT));
        sent.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    // It is closed while this is being written, and then says why.
    let (mut read, mut write) = tcp.split();
    let mut answer = Vec::new();
    let _both = tokio::join!(write.write_all(&sent), read.read_to_end(&mut answer));
    assert!(
        answer.windows(5).any(|w| w[0] == GOAWAY && w[1..] == [0, 0, 0, 0]),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_namespace_has_so_many_requests_in_flight_and_no_more() {
    let world = World::with(|c| c.limits.requests_in_flight = limit(c.limits.requests_in_flight, 2)).await;
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    world.route("bob-ns", "greeter", vec![node.node()]);
    let client = world.client();
    let hold = || {
        let client = client.clone();
        tokio::spawn(async move {
            client
                .call_json(&caller("ada", &[]), "greeter", "Greeter.Hold", "{}".into())
                .await
        })
    };
    let (first, second) = (hold(), hold());
    while node.seen.headers.lock().expect("not poisoned").len() < 2 {
        tokio::task::yield_now().await;
    }
    let third = client
        .call_json(&caller("ada", &[]), "greeter", "Greeter.Hello", "{}".into())
        .await
        .expect_err("one too many");
    assert_eq!((third.kind(), third.id()), (Kind::TooMany, "limits.requests.in_flight"));
    client
        .call_json(&caller("bob", &[]), "greeter", "Greeter.Hello", "{}".into())
        .await
        .expect("bob has his own");
    node.seen.release.notify_waiters();
    for held in [first, second] {
        held.await.expect("joins").expect("answers");
    }
    client
        .call_json(&caller("ada", &[]), "greeter", "Greeter.Hello", "{}".into())
        .await
        .expect("room again");
}

#[tokio::test]
async fn a_namespace_has_so_many_requests_a_second_averaged_over_ten() {
    let world = World::with(|c| c.limits.requests_per_second = limit(c.limits.requests_per_second, 1)).await;
    let read = || world.client();
    let ask = async || {
        read()
            .call_json(&caller("ada", &[]), "store", "Store.Read", "{}".into())
            .await
    };
    for _of_ten in 0..10 {
        ask().await.expect("within the burst");
    }
    let refused = ask().await.expect_err("too fast");
    assert_eq!(
        (refused.kind(), refused.id()),
        (Kind::TooMany, "limits.requests.per_second")
    );
    world.behind.clock.advance(time::Duration::seconds(1));
    ask().await.expect("one a second comes back");
    ask().await.expect_err("and no more");
}

#[tokio::test]
async fn an_instances_door_holds_so_many_connections() {
    use micro_rpc::mesh::Ingress;
    let world = World::with(|c| c.limits.connections = limit(c.limits.connections, 1)).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let principal = crate::world::principal("ada", micro_tenancy::Reach::Own);
    let _door = world.gateway.open(listener, principal).expect("opens");
    let (first, second) = (crate::world::client(address), crate::world::client(address));
    let health = async |client: &micro_client::Client| {
        client
            .call_json(&caller("", &[]), "store", "Debug.Health", "{}".into())
            .await
    };
    health(&first).await.expect("the first");
    health(&second).await.expect_err("the second is turned away");
    health(&first).await.expect("the first stays");
}

#[tokio::test]
async fn a_message_too_long_is_refused_at_its_head() {
    let world = World::open().await;
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    let tcp = TcpStream::connect(world.gateway.addresses().proxy)
        .await
        .expect("connects");
    let (sender, connection) = h2::client::handshake(tcp).await.expect("speaks");
    tokio::spawn(connection);
    let mut sender = sender.ready().await.expect("ready");
    for path in ["greeter.Greeter/Count", "store.Store/Read"] {
        let request = http::Request::post(format!("http://x/{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", "Bearer ada")
            .body(())
            .expect("valid");
        let (response, mut stream) = sender.send_request(request, false).expect("sent");
        let length = u32::try_from(micro_rpc::MAX_MESSAGE_BYTES + 1).expect("fits");
        stream
            .send_data([&[0][..], &length.to_be_bytes()].concat().into(), false)
            .expect("sent");
        let response = response.await.expect("answers");
        assert_eq!(response.headers()["grpc-status"], "8", "{path}");
    }
}

#[tokio::test]
async fn strangers_are_counted_by_their_address() {
    let world = World::open().await;
    let client = world.client();
    let ask = async || {
        client
            .call_json(&caller("", &[]), "auth", "Auth.Token", "{}".into())
            .await
    };
    for _allowed in 0..bounds::ANONYMOUS_PER_SECOND {
        ask().await.expect("within the second's worth");
    }
    assert_eq!(
        ask().await.expect_err("one too many").id(),
        "limits.anonymous.per_second"
    );
    client
        .call_json(&caller("ada", &[]), "auth", "Auth.Token", "{}".into())
        .await
        .expect("an account is counted by itself");
    world.behind.clock.advance(time::Duration::SECOND);
    ask().await.expect("a second later");
}

/// Sends the head of a message that is as long as said, and a little of it; the answer's status, if there is one.
async fn announce(sender: &mut h2::client::SendRequest<bytes::Bytes>, path: &str, token: &str, length: usize) -> Hold {
    let mut request = http::Request::post(format!("http://x/{path}")).header("content-type", "application/grpc");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.header("te", "trailers").body(()).expect("valid");
    let mut ready = sender.clone().ready().await.expect("ready");
    let (response, mut stream) = ready.send_request(request, false).expect("sent");
    let length = u32::try_from(length).expect("fits").to_be_bytes();
    stream
        .send_data([&[0][..], &length, b"begun"].concat().into(), false)
        .expect("sent");
    Hold {
        response,
        _stream: stream,
    }
}

struct Hold {
    response: h2::client::ResponseFuture,
    _stream: h2::SendStream<bytes::Bytes>,
}

async fn h2(world: &World) -> h2::client::SendRequest<bytes::Bytes> {
    let tcp = TcpStream::connect(world.gateway.addresses().proxy)
        .await
        .expect("connects");
    let (sender, connection) = h2::client::handshake(tcp).await.expect("speaks");
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn strangers_do_not_fill_the_memory() {
    let world = World::open().await;
    let mut sender = h2(&world).await;
    let most = usize::try_from(bounds::ANONYMOUS_BYTES.max).expect("fits");
    for path in ["auth.Auth/Token", "signup.Signup/Verify"] {
        let refused = announce(&mut sender, path, "", most + 1).await.response.await;
        assert_eq!(refused.expect("answers").headers()["grpc-status"], "8", "{path}");
    }
    let form = vec![b'x'; most + 1];
    let posted = crate::world::http().post(world.url("/auth/Auth/Token")).body(form);
    assert_eq!(posted.send().await.expect("answers").status(), 413);
    // What is still coming counts, too.
    let mut held = Vec::new();
    for _allowed in 0..bounds::ANONYMOUS_IN_FLIGHT.max {
        world.behind.clock.advance(time::Duration::SECOND);
        held.push(announce(&mut sender, "auth.Auth/Token", "", most).await);
    }
    let mut another = h2(&world).await;
    // The doors' threads may not have seen all of them yet: those that come now are waited for, or turned away.
    let refused = loop {
        let mut one_more = announce(&mut another, "auth.Auth/Token", "", most).await;
        match tokio::time::timeout(Duration::from_millis(50), &mut one_more.response).await {
            Ok(answer) => break answer.expect("answers"),
            Err(_waited_for) => held.push(one_more),
        }
    };
    assert_eq!(refused.headers()["grpc-status"], "8");
    drop(held);
}

#[tokio::test]
async fn a_namespace_has_so_many_long_messages_on_their_way() {
    let world = World::open().await;
    let mut sender = h2(&world).await;
    let long = bounds::LONG_BYTES + 1;
    let mut held = Vec::new();
    for _allowed in 0..bounds::LONG_IN_FLIGHT.max {
        held.push(announce(&mut sender, "store.Store/Write", "ada", long).await);
    }
    // On the same connection they are looked at in this order.
    let refused = announce(&mut sender, "store.Store/Write", "ada", long).await;
    let refused = refused.response.await.expect("answers");
    assert_eq!(refused.headers()["grpc-status"], "8");
    let mut bobs = announce(&mut sender, "store.Store/Write", "bob", long).await;
    let mut short = announce(&mut sender, "store.Store/Write", "ada", bounds::LONG_BYTES).await;
    for waiting in [&mut bobs, &mut short] {
        let answered = tokio::time::timeout(Duration::from_millis(100), &mut waiting.response).await;
        assert!(answered.is_err(), "it is waited for");
    }
    drop(held);
}

#[tokio::test]
async fn strangers_do_not_have_endless_names_looked_for() {
    let world = World::open().await;
    let client = world.client();
    let ask = async |n: u32| {
        let named = format!("nobody-{n}");
        let asked = caller("", &[("micro-namespace", named.as_str())]);
        client
            .call_json(&asked, "greeter", "Greeter.Hello", "{}".into())
            .await
            .expect_err("kept out")
            .kind()
    };
    for n in 0..bounds::LOOKED_FOR_PER_SECOND {
        assert_eq!(ask(n).await, Kind::Unauthenticated);
    }
    assert_eq!(ask(10_000).await, Kind::TooMany);
    assert_eq!(ask(0).await, Kind::Unauthenticated, "what is known is not looked for");
    let looked_for = world.behind.looked_for.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(looked_for, u64::from(bounds::LOOKED_FOR_PER_SECOND));
}

/// The doors' own clock cannot be held still here either.
#[tokio::test]
async fn a_namespace_has_so_many_long_answers_on_their_way() {
    let world = World::open().await;
    let ask = async |sender: &mut h2::client::SendRequest<bytes::Bytes>, token: &str| {
        let request = http::Request::post("http://x/store.Store/Read")
            .header("content-type", "application/grpc+json")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {token}"))
            .body(())
            .expect("valid");
        let mut ready = sender.clone().ready().await.expect("ready");
        let (response, mut stream) = ready.send_request(request, false).expect("sent");
        let message = micro_rpc::frame(br#"{"key":"long"}"#);
        stream.send_data(message, true).expect("sent");
        response.await.expect("answers")
    };
    let told = |answer: &http::Response<h2::RecvStream>| answer.headers().get("grpc-status").cloned();
    // Nothing of these is read: they stay where they are.
    let mut sender = h2(&world).await;
    let mut unread = Vec::new();
    for _allowed in 0..bounds::LONG_ANSWERS.max {
        let answer = ask(&mut sender, "ada").await;
        assert_eq!(told(&answer), None);
        unread.push(answer);
    }
    let refused = ask(&mut sender, "ada").await;
    assert_eq!(told(&refused).expect("refused"), "8");
    let by_http = crate::world::http()
        .post(world.url("/store/Store/Read"))
        .header("authorization", "Bearer ada");
    let by_http = by_http.body(r#"{"key":"long"}"#).send().await.expect("answers");
    assert_eq!(by_http.status(), 429);
    let bobs = ask(&mut sender, "bob").await;
    assert_eq!(told(&bobs), None);
    drop(unread);
    while told(&ask(&mut sender, "ada").await).is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_address_does_not_spend_what_a_namespace_has() {
    let world = World::with(|c| c.limits.requests_per_second = limit(c.limits.requests_per_second, 2)).await;
    let node = TestNode::start().await;
    world.route("ada-ns", "greeter", vec![node.node()]);
    world.open_to_everybody("ada-ns", "greeter");
    let client = world.client();
    let greet = async |token: &str| {
        let headers: &[(&str, &str)] = if token.is_empty() {
            &[("micro-namespace", "ada-ns")]
        } else {
            &[]
        };
        let asks = caller(token, headers);
        client.call_json(&asks, "greeter", "Greeter.Hello", "{}".into()).await
    };
    for _half_of_twenty in 0..10 {
        greet("").await.expect("within the address's part");
    }
    let refused = greet("").await.expect_err("too fast");
    assert_eq!(refused.id(), "limits.requests.per_address.per_second");
    for _other_half in 0..10 {
        greet("ada").await.expect("the rest is there for others");
    }
    greet("ada").await.expect_err("and then it is spent");
}
