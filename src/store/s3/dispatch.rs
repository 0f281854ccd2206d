//! Sending a signed request over a pooled connection, and telling "never left" from "no answer".

use std::future::Future;
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

use crate::error::{LockError, StorageError, StorageErrorKind, seconds};
use crate::store::s3::reply::Reply;

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
pub(crate) struct Dispatcher {
    client: Client<Connector, Body>,
}

impl Dispatcher {
    pub(crate) fn new(connect_timeout: Duration) -> Dispatcher {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // A request is one small packet; waiting to fill a larger one only delays it.
        tcp.set_nodelay(true);
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
            let error = StorageError::new(StorageErrorKind::Unreachable, what).with_hint(
                "check the endpoint (http or https?), the network and that the server is up",
            );
            return SendError::NotSent(LockError::Storage(error));
        }
        if error.is_canceled() {
            // The connection was closed before any of the request had been written to it.
            let what = format!("{what} was not sent: the connection had been closed");
            return SendError::NotSent(no_answer(what, error));
        }
        if error.is_parse() {
            let what = format!("{what} was answered with something that is no HTTP ({error})");
            let error = StorageError::new(StorageErrorKind::NoAnswer, what)
                .with_hint("check the endpoint (http or https?) and its port");
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
    let body = match &signed.payload {
        Some(SignedRequestPayload::Buffer(bytes)) => Body::from(bytes.clone()),
        _ => Body::empty(),
    };
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
struct Connector {
    tcp: HttpConnector,
    /// Built when first needed: it reads the machine's certificates, which costs megabytes.
    tls: Arc<OnceLock<HttpsConnector<HttpConnector>>>,
    limit: Duration,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Stream = MaybeHttpsStream<TcpStream>;

impl Connector {
    async fn connect(mut self, uri: Uri) -> Result<Stream, BoxError> {
        if uri.scheme() == Some(&Scheme::HTTP) {
            return Ok(MaybeHttpsStream::Http(self.tcp.call(uri).await?));
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

impl Service<Uri> for Connector {
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
            let connected = tokio::time::timeout(limit, connector.connect(uri)).await;
            connected.map_err(|_| format!("nobody answered within {}", seconds(&limit)))?
        })
    }
}
