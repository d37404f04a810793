//! How each request ended: for the access log and the metrics, whichever way it ends.

use std::{
    cell::OnceCell,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, Response, uri::PathAndQuery};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use micro_clock::Ids;
use micro_rpc::Status;

use crate::{
    Metrics,
    door::Door,
    held::Pass,
    reply::{Pieces, Reply},
};

/// By our fault.
pub const FAILED: &str = "failed";
/// By a tenant's service.
pub const SERVICE_FAILED: &str = "service_failed";
/// By what was asked.
pub const REFUSED: &str = "refused";
const OK: &str = "ok";
const CANCELLED: &str = "cancelled";

/// A request that has not ended yet. Where it is dropped before, its caller went away.
pub struct Running {
    /// Made when it is first asked for: most requests end well, and nobody asks.
    id: OnceCell<String>,
    door: &'static str,
    path: PathAndQuery,
    began: Instant,
    metrics: Arc<Metrics>,
    blame: &'static str,
    ended: bool,
}

impl Running {
    pub fn begin(door: &Door, path: PathAndQuery, metrics: &Arc<Metrics>) -> Self {
        Self {
            id: OnceCell::new(),
            door: door.name(),
            path,
            began: Instant::now(),
            metrics: metrics.clone(),
            blame: FAILED,
            ended: false,
        }
    }

    /// The request's id.
    pub fn id(&self) -> &str {
        self.id.get_or_init(|| Ids.ordered().simple().to_string())
    }

    /// Whose fault a failure is from here on; ours, unless told otherwise.
    pub fn blame(&mut self, whom: &'static str) {
        self.blame = whom;
    }

    /// Ends with an HTTP status.
    pub fn end_http(&mut self, status: u16) {
        let outcome = match status {
            0..400 => OK,
            500.. => self.blame,
            _ => REFUSED,
        };
        self.end(outcome, status);
    }

    /// Ends with a gRPC code.
    fn end_grpc(&mut self, code: u16) {
        let outcome = match code {
            0 => OK,
            2 | 13 | 14 | 15 => self.blame,
            _ => REFUSED,
        };
        self.end(outcome, code);
    }

    fn end(&mut self, outcome: &'static str, code: u16) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let took = self.began.elapsed();
        self.metrics.count(self.door, outcome, took);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if outcome == OK {
            tracing::debug!(
                request.id = self.id(),
                door = self.door,
                path = self.path.path(),
                code,
                micros,
                "answered"
            );
        } else {
            tracing::info!(
                request.id = self.id(),
                door = self.door,
                path = self.path.path(),
                code,
                micros,
                "{outcome}"
            );
        }
    }

    /// Follows a gRPC answer to its end, which comes early where its `pass` is revoked, and holds `held` until then.
    pub fn follow<B, H>(mut self, response: Response<B>, held: H, pass: Option<Pass>) -> Response<Reply>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
        H: Send + Unpin + 'static,
    {
        if let Some(code) = grpc_status(response.headers()) {
            self.end_grpc(code);
        }
        response.map(|body| {
            Followed {
                body,
                running: self,
                pieces: Pieces::default(),
                pass,
                revoked: None,
                _held: held,
            }
            .boxed_unsync()
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(CANCELLED, 1);
    }
}

fn grpc_status(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

struct Followed<B, H> {
    body: B,
    running: Running,
    pieces: Pieces,
    pass: Option<Pass>,
    /// Watched from the first moment on that the answer makes its reader wait.
    revoked: Option<Pin<Box<dyn Future<Output = Status> + Send>>>,
    _held: H,
}

impl<B, H> Followed<B, H> {
    /// The answer's early end, once its pass is revoked.
    fn poll_revoked(&mut self, cx: &mut Context<'_>) -> Poll<HeaderMap> {
        let status = match self.revoked.as_mut() {
            Some(revoked) => ready!(revoked.as_mut().poll(cx)),
            None => return Poll::Pending,
        };
        self.revoked = None;
        let mut trailers = HeaderMap::new();
        status.write(&mut trailers);
        Poll::Ready(trailers)
    }
}

impl<B, H> Body for Followed<B, H>
where
    B: Body<Data = Bytes, Error = Infallible> + Unpin,
    H: Unpin,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(piece) = self.pieces.next() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.running.ended {
            return Poll::Ready(None);
        }
        let frame = match (self.poll_revoked(cx), Pin::new(&mut self.body).poll_frame(cx)) {
            (Poll::Ready(trailers), _) => Some(Ok(Frame::trailers(trailers))),
            (Poll::Pending, Poll::Ready(frame)) => frame,
            (Poll::Pending, Poll::Pending) => {
                let Some(pass) = self.pass.take() else {
                    return Poll::Pending;
                };
                self.revoked = Some(Box::pin(async move { pass.revoked().await }));
                // Once, so that it wakes this task.
                return match self.poll_revoked(cx) {
                    Poll::Ready(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                    Poll::Pending => Poll::Pending,
                };
            }
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(grpc_status) {
                    self.running.end_grpc(code);
                }
            }
            // An end without a status is a failure of whoever sent it.
            _ => self.running.end_grpc(2),
        }
        Poll::Ready(frame.map(|frame| frame.map(|frame| self.pieces.cut(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
