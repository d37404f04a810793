//! Calls to the core and to other services, through the one door this service has (`MICRO_PROXY`).

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::TcpStream, sync::Mutex};

use crate::{Error, frame, identity::Identity};

/// How long a call may take: Micro's default.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to Micro that mends itself, with this service's identity. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    proxy: String,
    namespace: String,
    identity: Identity,
    connection: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Client {
    pub(crate) fn new(proxy: String, namespace: String, identity: Identity) -> Self {
        Self(Arc::new(Inner {
            proxy,
            namespace,
            identity,
            connection: Mutex::new(None),
        }))
    }

    /// Calls `Handler.Method` of a service of this namespace, or of the core (`auth`, `store`, …).
    pub async fn call<A: DeserializeOwned>(
        &self,
        service: &str,
        endpoint: &str,
        request: &impl Serialize,
    ) -> Result<A, Error> {
        self.call_with(service, endpoint, request, std::iter::empty()).await
    }

    pub(crate) async fn call_with<'m, A: DeserializeOwned>(
        &self,
        service: &str,
        endpoint: &str,
        request: &impl Serialize,
        metadata: impl Iterator<Item = (&'m String, &'m String)>,
    ) -> Result<A, Error> {
        let token = self.0.identity.token(self).await?;
        self.send(service, endpoint, request, token.as_deref(), metadata).await
    }

    /// A call as nobody, or with a token at hand: how the identity gets its token in the first place.
    pub(crate) async fn send<'m, A: DeserializeOwned>(
        &self,
        service: &str,
        endpoint: &str,
        request: &impl Serialize,
        token: Option<&str>,
        metadata: impl Iterator<Item = (&'m String, &'m String)>,
    ) -> Result<A, Error> {
        let (handler, method) = endpoint
            .split_once('.')
            .ok_or_else(|| Error::bad_request(format!("{endpoint:?} is not of the form Handler.Method")))?;
        let mut call = Request::post(format!("http://{}/{service}.{handler}/{method}", self.0.proxy))
            .header(header::CONTENT_TYPE, frame::JSON)
            .header(header::TE, "trailers")
            .header("timeout", TIMEOUT.as_nanos().to_string())
            .header("micro-namespace", &self.0.namespace);
        for (name, value) in metadata {
            call = call.header(name, value);
        }
        if let Some(token) = token {
            call = call.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let call = call
            .body(Full::new(frame::encode(request)?))
            .map_err(|e| Error::bad_request(e.to_string()))?;
        let answer = async {
            let response = self.connection().await?.send_request(call).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?;
            let trailers = body.trailers().cloned().unwrap_or_default();
            match status(&head.headers).or_else(|| status(&trailers)) {
                Some(Err(e)) => Err(e),
                Some(Ok(())) => frame::decode(&body.to_bytes()),
                None => Err(Error::new(503, "the reply ended without a status")),
            }
        };
        tokio::time::timeout(TIMEOUT, answer).await.unwrap_or_else(|_| {
            Err(Error::new(
                408,
                format!("{service} {endpoint} took longer than {TIMEOUT:?}"),
            ))
        })
    }

    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        let mut slot = self.0.connection.lock().await;
        if let Some(open) = slot.as_ref().filter(|c| !c.is_closed()) {
            return Ok(open.clone());
        }
        let unreachable = |e: std::io::Error| Error::new(503, format!("connecting to Micro at {}: {e}", self.0.proxy));
        let stream = TcpStream::connect(&self.0.proxy).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // Its end shows as `is_closed` on the sender; there is nobody to tell here.
        tokio::spawn(async move { connection.await.ok() });
        *slot = Some(sender.clone());
        Ok(sender)
    }
}

/// The gRPC status in headers or trailers, if it is there.
fn status(headers: &http::HeaderMap) -> Option<Result<(), Error>> {
    let code = headers.get("grpc-status")?.to_str().ok()?;
    if code == "0" {
        return Some(Ok(()));
    }
    let message = headers
        .get("grpc-message")
        .map(|m| percent_decode(m.as_bytes()))
        .unwrap_or_default();
    Some(Err(
        serde_json::from_str(&message).unwrap_or_else(|_| Error::new(500, message))
    ))
}

/// Undoes gRPC's percent-encoding; what is not an escape stays as it is.
fn percent_decode(text: &[u8]) -> String {
    let hex = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [a, b, after @ ..]) if hex(*a).is_some() && hex(*b).is_some() => {
                out.push(hex(*a).unwrap_or(0) << 4 | hex(*b).unwrap_or(0));
                after
            }
            _ => {
                out.push(*first);
                tail
            }
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_read_from_the_status_message() {
        let mut headers = http::HeaderMap::new();
        headers.insert("grpc-status", "5".parse().expect("valid"));
        headers.insert(
            "grpc-message",
            r#"{"Id":"a","Code":404,"Detail":"100%25 gone","Status":"Not Found"}"#
                .parse()
                .expect("valid"),
        );
        let e = status(&headers).expect("there").expect_err("an error");
        assert_eq!((e.code, e.detail.as_str()), (404, "100% gone"));
    }

    #[test]
    fn a_stray_percent_sign_stays() {
        assert_eq!(percent_decode(b"50% of %zz%2"), "50% of %zz%2");
    }
}
