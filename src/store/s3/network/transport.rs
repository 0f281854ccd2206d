//! Sends a signed request over a pooled connection, and tells "never left" from "no answer".

use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Bytes, HttpBody};
use hyper::header::{self, HeaderValue};
use hyper::{Body, Client, HeaderMap, Request, Uri};

use crate::store::s3::network::connect_error::{ConnectError, Step, causes, root_cause};
use crate::store::s3::network::connector::Connector;
use crate::store::s3::network::resolver::Resolver;
use crate::store::s3::network::tls::Tls;
use crate::store::s3::reply::Reply;
use crate::store::s3::settings::proxy::one_proxy::Proxy;
use crate::store::s3::settings::proxy::proxies::Proxies;
use crate::store::s3::url::{authority, is_https};
use crate::types::errors::{LockError, StorageError, StorageErrorKind};
use crate::types::text::seconds;

/// Why there is no reply.
pub(crate) enum SendError {
    /// Nothing was written to the network.
    NotSent(LockError),
    /// It may have arrived, but no whole reply came.
    NoAnswer(LockError),
}

impl From<LockError> for SendError {
    fn from(error: LockError) -> SendError {
        SendError::NotSent(error)
    }
}

impl From<SendError> for LockError {
    fn from(error: SendError) -> LockError {
        match error {
            SendError::NotSent(error) | SendError::NoAnswer(error) => error,
        }
    }
}

/// How errors name a request, and what helps if the other end is not reached, or is not what it should
/// be.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    /// The request. Its address may be a secret.
    pub what: &'a str,
    pub advice: &'a (dyn Fn(Step) -> String + Send + Sync),
}

/// The connection pool.
pub(crate) struct Transport {
    pooled: Client<Connector, Body>,
    /// For requests that a proxy reads. Each has a connection of its own: some proxies close one after each
    /// reply and do not say so (tinyproxy). The next request would be lost on it, and look like one that
    /// may have arrived.
    forwarded: Client<Connector, Body>,
    tls: Arc<Tls>,
    proxies: Proxies,
}

impl Transport {
    pub(crate) fn new(
        resolver: Resolver,
        tls: Arc<Tls>,
        connect_timeout: Duration,
        proxies: Proxies,
    ) -> Transport {
        let connector = Connector::new(resolver, tls.clone(), connect_timeout, proxies.clone());
        Transport {
            pooled: Client::builder().build(connector.clone()),
            forwarded: Client::builder().pool_max_idle_per_host(0).build(connector),
            tls,
            proxies,
        }
    }

    /// Reads the certificates that connections with TLS need, which may take longer than a connection.
    pub(in crate::store::s3) async fn ready(&self, limit: Duration) {
        self.tls.ready(limit).await;
    }

    /// The proxy that reads a request to this URL, and may answer it itself.
    pub(in crate::store::s3) fn forwarding_proxy(&self, uri: &Uri) -> Option<&Proxy> {
        self.proxies.forwarding_proxy(uri)
    }

    /// The proxy on the way to this URL.
    #[cfg(feature = "cli")]
    pub(in crate::store::s3) fn proxy_to(&self, uri: &Uri) -> Option<&Proxy> {
        self.proxies.of(uri)
    }

    /// Which certificates are trusted, for people.
    #[cfg(feature = "cli")]
    pub(in crate::store::s3) fn trusts(&self) -> String {
        self.tls.trusts()
    }

    /// Sends a request and reads the whole reply, within `limit`.
    pub(crate) async fn send(
        &self,
        told: Told<'_>,
        mut request: Request<Body>,
        limit: Duration,
    ) -> Result<Reply, SendError> {
        let what = told.what;
        let name = HeaderValue::from_static(concat!("s3-lock/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(header::USER_AGENT, name);
        let proxy = self.forwarding_proxy(request.uri()).cloned();
        let proxy = proxy.as_ref();
        let way = through(proxy);
        let client = match proxy {
            Some(proxy) => {
                add_proxy_headers(request.headers_mut(), proxy);
                &self.forwarded
            }
            None => &self.pooled,
        };
        // A request on a connection that the server has closed since would look like one with a lost reply.
        connections_are_looked_at().await;
        let uri = request.uri().clone();
        let exchange = async {
            let response = client.request(request).await;
            let response = response.map_err(|error| self.not_answered(error, told, &uri, proxy))?;
            let (head, body) = response.into_parts();
            let body = whole(body).await.map_err(|error| {
                let what = format!("{what}{way} was answered in part");
                SendError::NoAnswer(no_answer(what, error).into())
            })?;
            Ok(Reply::new(head.status.as_u16(), &head.headers, body))
        };
        let late = |elapsed| {
            let what = format!("{what}{way} had no answer within {}", seconds(&limit));
            SendError::NoAnswer(no_answer(what, elapsed).into())
        };
        let sent = tokio::time::timeout(limit, exchange).await;
        sent.map_err(late)?
    }

    fn not_answered(
        &self,
        error: hyper::Error,
        told: Told<'_>,
        uri: &Uri,
        proxy: Option<&Proxy>,
    ) -> SendError {
        if error.is_connect() {
            return SendError::NotSent(not_connected(&error, told));
        }
        let what = &format!("{}{}", told.what, through(proxy));
        if error.is_canceled() {
            // The connection was closed before any of the request had been written to it.
            let what = format!("{what} was not sent: the connection had been closed");
            return SendError::NotSent(no_answer(what, error).into());
        }
        if error.is_parse() {
            let what = format!("{what} was answered with something that is not HTTP ({error})");
            // It is another kind of server: waiting does not help.
            let advice = proxy.map_or_else(|| (told.advice)(Step::Http), Proxy::is_it_one);
            return SendError::NoAnswer(unreachable(what, advice));
        }
        if let Some((why, remedy)) = self.tls.ended(authority(uri), &error) {
            // Waiting does not help here either.
            let what = format!("{what} had no answer: {why}");
            return SendError::NoAnswer(unreachable(what, remedy));
        }
        if proxy.is_none() && !is_https(uri) && is_cut_off(&error) {
            // A server that expects a TLS handshake ends a connection that begins with a request.
            let error = no_answer(format!("{what} had no answer"), error);
            return SendError::NoAnswer(error.with_hint((told.advice)(Step::Ended)).into());
        }
        SendError::NoAnswer(ended(what, error, uri, proxy).into())
    }
}

/// Has the runtime look once at what has come in on its connections. Between calls nobody does.
///
/// A task that yields goes on after that look. Where the caller's own future yields, it would go on at once while
/// another thread drives the runtime.
async fn connections_are_looked_at() {
    // An error would mean that the runtime ends, and this call with it.
    let _ = tokio::task::spawn(tokio::task::yield_now()).await;
}

/// For people: the proxy that a request goes through and may end at.
fn through(proxy: Option<&Proxy>) -> String {
    proxy.map_or(String::new(), |proxy| format!(" through {proxy}"))
}

/// Adds what a proxy that reads a request needs to know. No other request has it: where nobody reads
/// and removes these headers, the store would get the password.
fn add_proxy_headers(headers: &mut HeaderMap, proxy: &Proxy) {
    if let Some(value) = proxy.authorization() {
        headers.insert(header::PROXY_AUTHORIZATION, value.clone());
    }
    // A lock that was cached is an old one.
    let fresh = HeaderValue::from_static("no-cache");
    headers.insert(header::CACHE_CONTROL, fresh);
    let close = HeaderValue::from_static("close");
    headers.insert(header::CONNECTION, close);
}

/// Whether the other end closed or reset a connection instead of a reply.
fn is_cut_off(error: &hyper::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let mut kinds = causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    error.is_incomplete_message()
        || kinds.any(|io| matches!(io.kind(), ConnectionReset | ConnectionAborted | BrokenPipe))
}

/// A connection that ended before the reply. Two reasons for that are not told by the other end.
fn ended(what: &str, error: hyper::Error, uri: &Uri, proxy: Option<&Proxy>) -> StorageError {
    if let Some(proxy) = proxy {
        let hint = format!("if that goes on, {}", proxy.is_it_one());
        return no_answer(format!("{what} had no answer"), error).with_hint(hint);
    }
    if is_https(uri) && error.is_closed() {
        // With TLS 1.3, a server rejects a client's certificate when the handshake is over here.
        let what = format!(
            "{what} had no answer: {} closed the connection after the handshake",
            authority(uri)
        );
        let hint = "it may demand another client certificate (ClientBuilder::client_identity): see \
                    its log";
        return no_answer(what, error).with_hint(hint);
    }
    no_answer(format!("{what} had no answer"), error)
}

fn unreachable(what: String, hint: String) -> LockError {
    let error = StorageError::new(StorageErrorKind::Unreachable, what);
    LockError::Storage(error.with_hint(hint))
}

/// Nothing was sent: there is no connection.
fn not_connected(error: &hyper::Error, told: Told<'_>) -> LockError {
    let what = told.what;
    let cause = ConnectError::among(error);
    if let Some(local_error) = cause.and_then(|cause| cause.local_error.clone()) {
        return *local_error;
    }
    let (step, remedy) = cause.map_or((Step::Silent, None), |c| (c.step, c.remedy.clone()));
    let mut hint = remedy.unwrap_or_else(|| (told.advice)(step));
    if let Some(alternative) = cause.and_then(|cause| cause.alternative.as_ref()) {
        hint = format!("{hint}; {alternative}");
    }
    let cause = cause.map_or_else(|| root_cause(error), ToString::to_string);
    unreachable(format!("{what} was not sent: {cause}"), hint)
}

fn no_answer(what: String, source: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::new(StorageErrorKind::NoAnswer, what).with_source(source)
}

/// More than any record, error or list: a page of 1,000 keys of 1,024 bytes, each byte escaped.
const MAX_REPLY: usize = 4 << 20;

/// Reads a body to its end, or until it is too long.
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, Shutdown, TcpListener};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::{io, thread};

    use super::*;
    use crate::store::s3::blocking::BlockingThreads;
    use crate::store::s3::network::resolver::Addresses;
    use crate::store::s3::settings::tls_files::TlsFiles;
    use crate::sys::clock::Clock;
    use crate::sys::runtime::Runtime;

    const SOON: Duration = Duration::from_millis(200);
    /// Longer than a test may take, but not for ever.
    const LATE: Duration = Duration::from_secs(60);
    const TOLD: Told<'_> = Told {
        what: "a request",
        advice: &|step| format!("{step:?}"),
    };

    fn hangs(_: &str) -> io::Result<Addresses> {
        thread::park_timeout(LATE);
        Err(io::Error::other("the test is over"))
    }

    fn tls() -> Arc<Tls> {
        let threads = BlockingThreads::default();
        Arc::new(Tls::new(TlsFiles::default(), threads, Clock::default()))
    }

    /// Requests a name that this function resolves.
    fn ask(
        runtime: &Runtime,
        look_up: fn(&str) -> io::Result<Addresses>,
        [connect_timeout, limit]: [Duration; 2],
    ) -> SendError {
        let resolver = Resolver::with(BlockingThreads::default(), look_up);
        let transport = Transport::new(resolver, tls(), connect_timeout, Proxies::default());
        let request = Request::get("http://nowhere.test/").body(Body::empty());
        let sent = async { transport.send(TOLD, request.unwrap(), limit).await };
        match runtime.block_on(sent).unwrap() {
            Ok(_) => panic!("nobody is there"),
            Err(error) => error,
        }
    }

    #[test]
    fn a_name_that_is_looked_up_for_ever_is_given_up_as_a_name() {
        let error = ask(&Runtime::default(), hangs, [SOON, LATE]);
        let SendError::NotSent(LockError::Storage(error)) = error else {
            panic!("nothing was sent");
        };
        assert_eq!(error.kind(), StorageErrorKind::Unreachable);
        let told =
            "a request was not sent: no address of nowhere.test was found within 0.2 s; Name";
        assert_eq!(error.to_string(), told);
    }

    /// The error of a request to a URL that begins so and ends with the port of one who never accepts a
    /// connection: the system completes it. `PORT` stands for that port.
    fn ask_the_silent(url: &str, proxy: Option<&str>) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let proxies = proxy.map(|url| Proxies::always(&url.replace("PORT", &port)).unwrap());
        let resolver = Resolver::new(BlockingThreads::default());
        let limit = Duration::from_secs(2);
        let transport = Transport::new(resolver, tls(), limit, proxies.unwrap_or_default());
        let request = Request::get(url.replace("PORT", &port)).body(Body::empty());
        let sent = async {
            transport.ready(LATE).await;
            transport.send(TOLD, request.unwrap(), LATE).await
        };
        match Runtime::default().block_on(sent).unwrap() {
            Err(SendError::NotSent(error)) => error.to_string().replace(&port, "PORT"),
            _ => panic!("nothing was sent"),
        }
    }

    #[test]
    fn one_who_connects_and_makes_no_handshake_is_given_up_as_tls() {
        let told = ask_the_silent("https://127.0.0.1:PORT/", None);
        let expected = "a request was not sent: connected to 127.0.0.1:PORT, but no TLS handshake within \
                        2.0 s; Tls";
        assert_eq!(told, expected);
    }

    #[test]
    fn a_proxy_that_is_no_https_proxy_is_given_up_as_tls_with_that_proxy() {
        for url in ["https://store.test/", "http://store.test/"] {
            let told = ask_the_silent(url, Some("https://127.0.0.1:PORT"));
            let expected = "a request was not sent: proxy https://127.0.0.1:PORT (from ClientBuilder::proxy) was \
                            not reached: connected to 127.0.0.1:PORT, but no TLS handshake within 2.0 s; check \
                            whether the proxy is https:// itself: most in ClientBuilder::proxy are http://, also \
                            for https destinations";
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn a_proxy_whose_name_is_looked_up_for_ever_is_given_up_as_its_name() {
        let resolver = Resolver::with(BlockingThreads::default(), hangs);
        let proxies = Proxies::always("http://proxy.test:3128").unwrap();
        let transport = Transport::new(resolver, tls(), SOON, proxies);
        let request = Request::get("http://store.test/").body(Body::empty());
        let sent = async { transport.send(TOLD, request.unwrap(), LATE).await };
        let Err(SendError::NotSent(error)) = Runtime::default().block_on(sent).unwrap() else {
            panic!("nothing was sent");
        };
        let expected = "a request was not sent: proxy http://proxy.test:3128 (from ClientBuilder::proxy) was not \
                        reached: no address of proxy.test:3128 was found within 0.2 s; check the spelling of the \
                        proxy's host in ClientBuilder::proxy, and this machine's DNS";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_runtime_is_dropped_without_waiting_for_a_look_up_that_hangs() {
        static ENDED: AtomicBool = AtomicBool::new(false);
        fn hangs_and_tells(name: &str) -> io::Result<Addresses> {
            let addresses = hangs(name);
            ENDED.store(true, Ordering::Relaxed);
            addresses
        }
        let runtime = Runtime::default();
        ask(&runtime, hangs_and_tells, [SOON, LATE]);
        drop(runtime);
        assert!(!ENDED.load(Ordering::Relaxed));
    }

    #[test]
    fn a_final_dot_is_part_of_the_name_that_is_looked_up_and_not_of_the_one_for_tls() {
        fn is_here(name: &str) -> io::Result<Addresses> {
            assert_eq!(name, "minio.test.");
            Ok(vec![(Ipv4Addr::LOCALHOST, 0).into()].into_iter())
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let hello = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut hello = [0; 4096];
            let length = stream.read(&mut hello).unwrap();
            String::from_utf8_lossy(&hello[..length]).into_owned()
        });
        let resolver = Resolver::with(BlockingThreads::default(), is_here);
        let transport = Transport::new(resolver, tls(), LATE, Proxies::default());
        let request = Request::get(format!("https://minio.test.:{port}/"));
        let sent = async {
            let request = request.body(Body::empty()).unwrap();
            transport.send(TOLD, request, LATE).await.is_ok()
        };
        assert!(!Runtime::default().block_on(sent).unwrap());
        let hello = hello.join().unwrap();
        assert!(hello.contains("minio.test") && !hello.contains("minio.test."));
    }

    #[test]
    fn a_request_with_less_time_than_a_connection_ends_with_its_own() {
        let error = ask(&Runtime::default(), hangs, [LATE, SOON]);
        assert!(matches!(error, SendError::NoAnswer(_)));
    }

    #[test]
    fn names_are_looked_up_beside_each_other() {
        static ALL: Barrier = Barrier::new(4);
        fn meets_the_others(_: &str) -> io::Result<Addresses> {
            ALL.wait();
            Ok(Vec::new().into_iter())
        }
        let resolver = Resolver::with(BlockingThreads::default(), meets_the_others);
        let transport = Transport::new(resolver, tls(), LATE, Proxies::default());
        let send = || {
            let request = Request::get("http://nowhere.test/").body(Body::empty());
            transport.send(TOLD, request.unwrap(), LATE)
        };
        let sent = async { tokio::join!(send(), send(), send(), send()) };
        let (first, ..) = Runtime::default().block_on(sent).unwrap();
        let Err(SendError::NotSent(error)) = first else {
            panic!("nobody is there");
        };
        assert!(!error.to_string().contains("nobody answered"), "{error}");
    }

    /// Answers one request on each of two connections. Ends the first between two meetings at `end`.
    fn answer_twice(listener: &TcpListener, end: &Barrier) {
        let answer = || {
            let (mut stream, _) = listener.accept().unwrap();
            let length = stream.read(&mut [0; 4096]).unwrap();
            assert!(length > 0);
            let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(reply).unwrap();
            stream
        };
        let first = answer();
        end.wait();
        // A close alone would end it later if another test forks now.
        first.shutdown(Shutdown::Both).unwrap();
        drop(first);
        end.wait();
        answer();
    }

    #[test]
    fn a_connection_that_ended_while_another_thread_drove_the_runtime_gets_no_request() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let resolver = Resolver::new(BlockingThreads::default());
        let transport = Transport::new(resolver, tls(), LATE, Proxies::default());
        let runtime = Runtime::default();
        let is_answered = || {
            let request = Request::get(&url).body(Body::empty()).unwrap();
            let sent = async { transport.send(TOLD, request, LATE).await.is_ok() };
            runtime.block_on(sent).unwrap()
        };
        let end = Arc::new(Barrier::new(2));
        let ended = end.clone();
        thread::spawn(move || answer_twice(&listener, &ended));
        assert!(is_answered());
        let (driving, drives) = mpsc::channel();
        let (go_on, goes_on) = mpsc::channel();
        let (done, is_done) = tokio::sync::oneshot::channel::<()>();
        thread::scope(|scope| {
            let runtime = &runtime;
            scope.spawn(move || {
                runtime.block_on(async move {
                    driving.send(()).unwrap();
                    // It is in a task, and looks at no connection meanwhile.
                    goes_on.recv().unwrap();
                    thread::park_timeout(SOON);
                    is_done.await
                })
            });
            drives.recv().unwrap();
            end.wait();
            end.wait();
            go_on.send(()).unwrap();
            let is_answered = is_answered();
            drop(done);
            assert!(is_answered);
        });
    }
}
