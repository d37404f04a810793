//! The service's own door: gRPC over plaintext HTTP/2, one task a connection.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::SystemTime};

use http::{HeaderValue, Request, Response, header, request::Parts};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use crate::{
    Context, Error,
    body::{Answer, Reply},
    client::Client,
    deadline,
    debug::Debug,
    frame::{Frames, Wire},
    handler::Handler,
    log,
};

/// What a caller may send ahead of the handler that takes it; and all callers of a connection, so that one whose
/// handler is slow does not hold up the others.
const WINDOWS: (u32, u32) = (128 << 10, 8 << 20);

/// What a connection needs to answer requests.
pub(crate) struct Door {
    pub name: Arc<str>,
    pub handlers: HashMap<String, Handler>,
    pub client: Client,
    pub debug: Arc<Debug>,
}

pub(crate) async fn serve(listener: TcpListener, door: Arc<Door>, mut stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(e) => {
                    log::warn("accepting a connection failed", &[("error", &e)]);
                    // Without file descriptors, say, the next try fails as well.
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                }
            },
            _ = stopping.changed() => break,
        };
        stream.set_nodelay(true).ok();
        let (door, mut stopping) = (door.clone(), stopping.clone());
        connections.spawn(async move {
            let answer = service_fn(move |request| {
                let door = door.clone();
                async move { Ok::<_, Infallible>(door.answer(request).await) }
            });
            let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            http2.timer(TokioTimer::new()).max_pending_accept_reset_streams(1_000);
            http2
                .initial_stream_window_size(WINDOWS.0)
                .initial_connection_window_size(WINDOWS.1);
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

impl Door {
    async fn answer(&self, request: Request<Incoming>) -> Response<Reply> {
        let started = SystemTime::now();
        let (head, body) = request.into_parts();
        let content_type = head
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let wire = Wire::of_content_type(content_type);
        let reply = match (wire, endpoint(head.uri.path())) {
            (None, _) => refuse(
                &self.name,
                Error::internal(format!("Unsupported Content-Type: {content_type}")),
            ),
            (_, None) => refuse(
                &self.name,
                Error::bad_request("the path is not of the form /service.Handler/Method"),
            ),
            (Some(wire), Some(("Debug", method))) => {
                let answer = Frames::new(body)
                    .only()
                    .await
                    .and_then(|message| self.debug.answer(method, wire, &message));
                Reply::new(self.name.to_string(), answer.map(Answer::One), |_| ())
            }
            (Some(wire), Some((handler, method))) => {
                let endpoint = format!("{handler}.{method}");
                self.handle(endpoint, &head, wire, body, started).await
            }
        };
        let mut response = Response::new(reply);
        let content_type = HeaderValue::from_static(wire.unwrap_or(Wire::Json).content_type());
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        response
    }

    async fn handle(&self, endpoint: String, head: &Parts, wire: Wire, body: Incoming, started: SystemTime) -> Reply {
        let Some(handler) = self.handlers.get(&endpoint) else {
            return refuse(&self.name, Error::new(501, format!("unknown service {endpoint}")));
        };
        let metadata = head
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let context = Context::new(self.name.clone(), metadata.collect(), self.client.clone());
        let (trace, until) = (context.trace().clone(), context.deadline());
        let id = format!("{}.{endpoint}", self.name);
        let answer = deadline::bound(until, &endpoint, async {
            let frames = Frames::new(body);
            let answering = match handler {
                Handler::Unary(call) => call(context, wire, frames.only().await?),
                Handler::ServerStream(call) => call(context, wire, frames.first().await?),
                Handler::Requests { call, .. } => call(context, wire, frames),
            };
            // A handler's panic ends its own request only.
            let task = tokio::spawn(log::within(trace.clone(), answering));
            let _with_this_request = Ends(task.abort_handle());
            task.await
                .unwrap_or_else(|_| Err(Error::internal(format!("{endpoint} panicked"))))
        })
        .await
        .map(|answer| match answer {
            Answer::Many(items) => Answer::Many(items.within(trace.clone())),
            one => one,
        });
        let debug = self.debug.clone();
        let reply = Reply::new(id, answer, move |well| debug.answered(endpoint, trace, started, well));
        reply.until(until)
    }
}

/// Ends the handler of a request that is not waited for any more.
struct Ends(AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn refuse(service: &str, error: Error) -> Reply {
    Reply::new(service.to_owned(), Err(error), |_| ())
}

/// Handler and method of a path; what leads the handler is the service's name, or nothing.
fn endpoint(path: &str) -> Option<(&str, &str)> {
    let (handler, method) = path.strip_prefix('/')?.split_once('/')?;
    let handler = handler.rsplit('.').next().unwrap_or_default();
    (!handler.is_empty() && !method.contains('/')).then_some((handler, method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_with_and_without_the_service() {
        assert_eq!(endpoint("/greeter.Greeter/Hello"), Some(("Greeter", "Hello")));
        assert_eq!(endpoint("/Greeter/Hello"), Some(("Greeter", "Hello")));
        for bad in ["/Greeter", "/a/b/c", "//b", ""] {
            assert_eq!(endpoint(bad), None, "{bad}");
        }
    }
}
