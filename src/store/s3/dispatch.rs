//! Sending a signed request over a pooled connection, and telling "never left" from "no answer".

use std::future::{self, Future};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Bytes, HttpBody};
use hyper::client::HttpConnector;
use hyper::http::uri::Scheme;
use hyper::service::Service;
use hyper::{Body, Client, Request, Uri};
use hyper_tls::{HttpsConnector, MaybeHttpsStream};
use rusoto_core::signature::{SignedRequest, SignedRequestPayload};
use tokio::net::TcpStream;

use crate::store::interface::Pending;
use crate::store::s3::helpers::Helpers;
use crate::store::s3::reply::Reply;
use crate::store::s3::resolver::Resolver;
use crate::store::s3::undivided::{Steps, Undivided};
use crate::types::errors::{LockError, StorageError, StorageErrorKind};
use crate::types::text::seconds;

/// Why there is no reply.
pub(crate) enum SendError {
    /// Nothing was written to the network.
    NotSent(LockError),
    /// It may have arrived, and no whole answer came.
    NoAnswer(LockError),
}

impl From<LockError> for SendError {
    fn from(error: LockError) -> SendError {
        SendError::NotSent(error)
    }
}

/// The connection pool.
pub(crate) struct Dispatcher<T = HttpConnector<Resolver>> {
    client: Client<Connector<T>, Body>,
}

impl Dispatcher {
    pub(crate) fn new(connect_timeout: Duration, helpers: Helpers) -> Dispatcher {
        let tcp = HttpConnector::new_with_resolver(Resolver::new(helpers));
        Dispatcher::over(tuned(tcp), connect_timeout)
    }
}

/// `tcp`, whatever resolves its names, as all connections here are made.
fn tuned<R>(mut tcp: HttpConnector<R>) -> HttpConnector<R> {
    tcp.enforce_http(false);
    // A request is one small packet; waiting to fill a larger one only delays it.
    tcp.set_nodelay(true);
    tcp
}

impl<T: Tcp> Dispatcher<T> {
    fn over(tcp: T, connect_timeout: Duration) -> Dispatcher<T> {
        let connector = Connector {
            tcp,
            tls: Arc::default(),
            limit: connect_timeout,
        };
        Dispatcher {
            client: Client::builder().build(connector),
        }
    }

    /// Sends a request and reads the whole reply, within `limit`.
    pub(crate) async fn send(
        &self,
        request: Request<Body>,
        limit: Duration,
    ) -> Result<Reply, SendError> {
        let what = format!("{} {}", request.method(), request.uri());
        self.send_as(&what, request, limit).await
    }

    /// The same; `what` names the request in errors, where its address is nobody's business.
    pub(crate) async fn send_as(
        &self,
        what: &str,
        request: Request<Body>,
        limit: Duration,
    ) -> Result<Reply, SendError> {
        // Between calls nobody polls the pool. This lets it notice a connection that the server
        // has closed since; sending on it would look like a lost reply.
        tokio::task::yield_now().await;
        let exchange = async {
            let response = self.client.request(request).await;
            let response = response.map_err(|e| Self::not_answered(e, what))?;
            let (head, body) = response.into_parts();
            let body = whole(body).await.map_err(|e| {
                let what = format!("{what} was answered in part");
                SendError::NoAnswer(no_answer(what, e))
            })?;
            Ok(Reply::new(head.status.as_u16(), &head.headers, body))
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(result) => result,
            Err(elapsed) => {
                let what = format!("{what} had no answer within {}", seconds(&limit));
                Err(SendError::NoAnswer(no_answer(what, elapsed)))
            }
        }
    }

    fn not_answered(error: hyper::Error, what: &str) -> SendError {
        if error.is_connect() {
            let cause = root_cause(&error);
            let what = format!("{what} was not sent: no connection ({cause})");
            let error = StorageError::new(StorageErrorKind::Unreachable, what);
            return SendError::NotSent(LockError::Storage(error));
        }
        if error.is_canceled() {
            // The connection was closed before any of the request had been written to it.
            let what = format!("{what} was not sent: the connection had been closed");
            return SendError::NotSent(no_answer(what, error));
        }
        if error.is_parse() {
            let what = format!("{what} was answered with something that is no HTTP ({error})");
            // Somebody else: waiting does not make a store of it.
            let error = StorageError::new(StorageErrorKind::Unreachable, what)
                .with_hint("it may speak HTTP/2 alone, or another protocol");
            return SendError::NoAnswer(LockError::Storage(error));
        }
        SendError::NoAnswer(no_answer(format!("{what} had no answer"), error))
    }
}

/// What went wrong at the bottom: the layers above it say the same in more words.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn no_answer(what: String, source: impl std::error::Error + Send + Sync + 'static) -> LockError {
    let error = StorageError::new(StorageErrorKind::NoAnswer, what).with_source(source);
    LockError::Storage(error)
}

/// A signed request as hyper's, copied by hand: rusoto's own conversion logs the secrets in its
/// headers.
pub(crate) fn to_hyper(signed: &SignedRequest, endpoint: &str) -> Result<Request<Body>, LockError> {
    let refused = |error: hyper::http::Error| {
        let what = format!(
            "{} {endpoint}{} cannot be sent",
            signed.method(),
            signed.path()
        );
        let error = StorageError::new(StorageErrorKind::Unexpected, what).with_source(error);
        LockError::Storage(error)
    };
    let body = payload(signed).map_or_else(Body::empty, Body::from);
    let mut request = Request::builder()
        .method(signed.method())
        .uri(uri(signed, endpoint))
        .header("user-agent", concat!("s3-lock/", env!("CARGO_PKG_VERSION")));
    for (name, values) in signed.headers() {
        for value in values {
            request = request.header(name.as_str(), value.as_slice());
        }
    }
    request.body(body).map_err(refused)
}

fn payload(signed: &SignedRequest) -> Option<Bytes> {
    match &signed.payload {
        Some(SignedRequestPayload::Buffer(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}

/// The same request with a body whose last byte leaves only once `go` is done, and what sees to that
/// while the request is under way. Its length was signed, and is sent as it was.
pub(crate) fn hold_back<'a>(
    request: Request<Body>,
    signed: &SignedRequest,
    go: Pending<'a, ()>,
) -> (Request<Body>, Option<Pending<'a, ()>>) {
    let Some(mut bytes) = payload(signed).filter(|bytes| !bytes.is_empty()) else {
        return (request, None);
    };
    let last = bytes.split_off(bytes.len() - 1);
    let (mut sender, body) = Body::channel();
    let last_byte = async move {
        // An error says that nobody reads it any more: the request tells how it ended.
        if sender.send_data(bytes).await.is_err() {
            return;
        }
        // There is room for more once the connection has taken what was before.
        if future::poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
            return;
        }
        go.await;
        let _ = sender.send_data(last).await;
    };
    (request.map(|_| body), Some(Box::pin(last_byte)))
}

fn uri(signed: &SignedRequest, endpoint: &str) -> String {
    let path = signed.canonical_path();
    match signed.canonical_query_string() {
        "" => format!("{endpoint}{path}"),
        query => format!("{endpoint}{path}?{query}"),
    }
}

/// More than any record, error or list: a page of 1,000 keys of 1,024 bytes, each byte escaped.
const MAX_REPLY: usize = 4 << 20;

/// Reads a body to its end, or to where it is too long in any case.
async fn whole(mut body: Body) -> Result<Vec<u8>, hyper::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk: Bytes = chunk?;
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_REPLY {
            break;
        }
    }
    Ok(bytes)
}

/// A connector that gives up as a whole: name lookup, connecting and the TLS handshake together.
/// Hyper's own connect timeout covers only the middle one.
#[derive(Clone)]
struct Connector<T> {
    tcp: T,
    /// Built when first needed: it reads the machine's certificates, which costs megabytes.
    tls: Arc<OnceLock<HttpsConnector<T>>>,
    limit: Duration,
}

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Stream = Undivided<MaybeHttpsStream<TcpStream>>;

/// What makes the connections: hyper's connector, over whatever resolves the names.
pub(crate) trait Tcp:
    Service<Uri, Response = TcpStream, Error: Into<BoxError>, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<R> Tcp for HttpConnector<R>
where
    HttpConnector<R>: Service<Uri, Response = TcpStream, Error: Into<BoxError>, Future: Send>,
    R: Clone + Send + Sync + 'static,
{
}

impl<T: Tcp> Connector<T> {
    async fn connect(mut self, uri: Uri) -> Result<MaybeHttpsStream<TcpStream>, BoxError> {
        if uri.scheme() == Some(&Scheme::HTTP) {
            let stream = self.tcp.call(uri).await.map_err(Into::into)?;
            return Ok(MaybeHttpsStream::Http(stream));
        }
        let mut tls = match self.tls.get() {
            Some(tls) => tls.clone(),
            None => {
                let built = native_tls::TlsConnector::new()?;
                let built = HttpsConnector::from((self.tcp, built.into()));
                self.tls.get_or_init(|| built).clone()
            }
        };
        tls.call(uri).await
    }
}

impl<T: Tcp> Service<Uri> for Connector<T> {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let limit = connector.limit;
            let is_tls = uri.scheme() != Some(&Scheme::HTTP);
            let connect = connector.connect(uri);
            let connected = if is_tls {
                // Some of them are inside OpenSSL.
                tokio::time::timeout(limit, Steps::of(connect)).await
            } else {
                tokio::time::timeout(limit, connect).await
            };
            let connected =
                connected.map_err(|_| format!("nobody answered within {}", seconds(&limit)))?;
            connected.map(|stream| Undivided::new(stream, is_tls))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::{io, thread, vec};

    use hyper::client::connect::dns::Name;
    use tokio::task::spawn_blocking;

    use super::*;
    use crate::sys::clock::Clock;
    use crate::sys::runtime::Runtime;

    type Addresses = vec::IntoIter<std::net::SocketAddr>;
    type Looked = Pin<Box<dyn Future<Output = io::Result<Addresses>> + Send>>;

    /// Looks up names as it is told to.
    #[derive(Clone)]
    struct Resolver(Arc<dyn Fn() -> Looked + Send + Sync>);

    impl Service<Name> for Resolver {
        type Response = Addresses;
        type Error = io::Error;
        type Future = Looked;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Name) -> Looked {
            (self.0)()
        }
    }

    const CONNECT: Duration = Duration::from_millis(200);
    /// What a busy machine may need besides.
    const SLACK: Duration = Duration::from_secs(2);

    /// A dispatcher whose look-ups end when something is sent, or the sender dropped, and do not
    /// block the runtime meanwhile, or do block a thread of its pool, as the system's do.
    fn resolving(blocks: bool) -> (Dispatcher<HttpConnector<Resolver>>, mpsc::Sender<()>) {
        let (end, ended) = mpsc::channel();
        let ended = Arc::new(std::sync::Mutex::new(ended));
        let resolver = Resolver(Arc::new(move || {
            let ended = ended.clone();
            Box::pin(async move {
                if !blocks {
                    return future::pending().await;
                }
                // An error says that the test is over.
                let hang = spawn_blocking(move || crate::sys::sync::lock(&ended).recv());
                let _ = hang.await.map_err(io::Error::other)?;
                Ok(Vec::new().into_iter())
            })
        }));
        let tcp = tuned(HttpConnector::new_with_resolver(resolver));
        (Dispatcher::over(tcp, CONNECT), end)
    }

    fn ask(dispatcher: &Dispatcher<HttpConnector<Resolver>>, limit: Duration) -> SendError {
        ask_on(&Runtime::default(), dispatcher, limit)
    }

    fn ask_on(
        runtime: &Runtime,
        dispatcher: &Dispatcher<HttpConnector<Resolver>>,
        limit: Duration,
    ) -> SendError {
        let request = Request::get("http://nowhere.test/bucket/key").body(Body::empty());
        let sent = async { dispatcher.send(request.unwrap(), limit).await };
        match runtime.block_on(sent).unwrap() {
            Ok(_) => panic!("nobody is there"),
            Err(error) => error,
        }
    }

    fn took<T>(call: impl FnOnce() -> T) -> (Duration, T) {
        let clock = Clock::default();
        let start = clock.now();
        let result = call();
        (clock.now().at_most_since(start), result)
    }

    #[test]
    fn a_name_that_is_looked_up_for_ever_fails_within_the_connect_timeout() {
        for blocks in [false, true] {
            let (dispatcher, _end) = resolving(blocks);
            let (took, error) = took(|| ask(&dispatcher, CONNECT * 20));
            assert!((CONNECT..CONNECT + SLACK).contains(&took), "{took:?}");
            let SendError::NotSent(LockError::Storage(error)) = error else {
                panic!("nothing was sent");
            };
            assert_eq!(error.kind(), StorageErrorKind::Unreachable);
            assert!(error.to_string().contains("nobody answered"), "{error}");
        }
    }

    #[test]
    fn a_request_with_less_time_than_a_connection_ends_with_its_own() {
        for blocks in [false, true] {
            let (dispatcher, _end) = resolving(blocks);
            let (took, _) = took(|| ask(&dispatcher, CONNECT / 10));
            assert!(took < CONNECT / 10 + SLACK, "{took:?}");
        }
    }

    #[test]
    fn a_runtime_is_dropped_without_waiting_for_a_look_up_that_hangs() {
        let (dispatcher, end) = resolving(true);
        let (took, _) = took(|| {
            ask(&dispatcher, CONNECT);
            drop(dispatcher);
        });
        assert!(took < CONNECT + SLACK, "{took:?}");
        // It hangs still: somebody is there to be told.
        end.send(()).unwrap();
    }

    #[test]
    fn names_that_are_looked_up_at_the_same_moment_hold_each_other_up_no_longer() {
        let (dispatcher, _end) = resolving(true);
        let runtime = Runtime::default();
        let (took, ()) = took(|| {
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| ask_on(&runtime, &dispatcher, CONNECT * 20));
                }
            });
        });
        assert!(took < CONNECT + SLACK, "{took:?}");
    }
}
