//! The service's own door: gRPC over plaintext HTTP/2, one task a connection.

use std::{collections::HashMap, convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited, combinators::WithTrailers};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{Client, Context, Error, frame, service::Handler};

type Trailers = std::future::Ready<Option<Result<HeaderMap, Infallible>>>;
type Body = WithTrailers<Full<Bytes>, Trailers>;

pub(crate) async fn serve(
    listener: TcpListener,
    name: String,
    handlers: Arc<HashMap<String, Handler>>,
    client: Client,
    mut stopping: watch::Receiver<bool>,
) {
    let name: Arc<str> = name.into();
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(e) => {
                    eprintln!("accepting a connection: {e}");
                    continue;
                }
            },
            _ = stopping.changed() => break,
        };
        stream.set_nodelay(true).ok();
        let (name, handlers, client, mut stopping) = (name.clone(), handlers.clone(), client.clone(), stopping.clone());
        connections.spawn(async move {
            let answer = service_fn(move |request| {
                let (name, handlers, client) = (name.clone(), handlers.clone(), client.clone());
                async move { Ok::<_, Infallible>(answer(request, &name, &handlers, client).await) }
            });
            let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            http2.timer(TokioTimer::new()).max_pending_accept_reset_streams(1_000);
            let connection = http2.serve_connection(TokioIo::new(stream), answer);
            tokio::pin!(connection);
            tokio::select! {
                ended = connection.as_mut() => drop(ended),
                _ = stopping.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await.ok();
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
    while connections.join_next().await.is_some() {}
}

async fn answer(
    request: Request<Incoming>,
    service: &str,
    handlers: &HashMap<String, Handler>,
    client: Client,
) -> Response<Body> {
    let outcome = call(request, service, handlers, client).await;
    let mut trailers = HeaderMap::new();
    let (body, code) = match outcome {
        Ok(frame) => (frame, 0),
        Err(e) => {
            let message = serde_json::to_string(&e).unwrap_or_default();
            if let Ok(message) = HeaderValue::from_str(&percent_encode(&message)) {
                trailers.insert("grpc-message", message);
            }
            (Bytes::new(), e.grpc_code())
        }
    };
    trailers.insert("grpc-status", HeaderValue::from(u16::from(code)));
    let body = Full::new(body).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(frame::JSON));
    response
}

async fn call(
    request: Request<Incoming>,
    service: &str,
    handlers: &HashMap<String, Handler>,
    client: Client,
) -> Result<Bytes, Error> {
    let (head, body) = request.into_parts();
    let content_type = head
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if !matches!(content_type, frame::JSON | "application/json") {
        return Err(Error::internal(format!("Unsupported Content-Type: {content_type}")).named(service));
    }
    let mut parts = head.uri.path().trim_start_matches('/').split('/');
    let (Some(handler), Some(method), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Error::bad_request("the path is not of the form /service.Handler/Method").named(service));
    };
    let handler = handler.rsplit('.').next().unwrap_or_default();
    let body = Limited::new(body, frame::MAX_MESSAGE + 5);
    let body = body
        .collect()
        .await
        .map_err(|_| Error::new(413, "the request is larger than 16 MiB").named(service))?;
    if handler == "Debug" && method == "Health" {
        return frame::encode(&json!({ "status": "ok" }));
    }
    let handle = handlers
        .get(&format!("{handler}.{method}"))
        .ok_or_else(|| Error::new(501, format!("unknown service {handler}.{method}")).named(service))?;
    let metadata = head
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let context = Context {
        metadata: Arc::new(metadata.collect()),
        client,
    };
    // A handler's panic ends its own request only.
    match tokio::spawn(handle(context, body.to_bytes())).await {
        Ok(reply) => reply,
        Err(_) => Err(Error::internal(format!("{handler}.{method} panicked")).named(service)),
    }
}

/// gRPC's encoding of `grpc-message`: printable ASCII but `%` as it is, the rest as `%XX`.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::percent_encode;

    #[test]
    fn a_message_is_encoded_as_grpc_wants() {
        assert_eq!(percent_encode("100% é\n"), "100%25 %C3%A9%0A");
    }
}
