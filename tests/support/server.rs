//! The handle by which tests hold and steer a server.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;

use super::BUCKET;
use super::backend;
use super::clock::Clock;
use super::closings;
use super::connections::Connections;
use super::faults::{Fault, Match};
use super::front::Front;
use super::journal::Request;
use super::quirks::{Quirk, Quirks};
use super::settings::{DateHeader, RegionReply};
use super::store::{Condition, Store, StoredObject};

/// An S3 server on the loopback, on a thread and a runtime of its own, until it is dropped.
pub struct Server {
    address: SocketAddr,
    front: Arc<Front>,
    store: Arc<Store>,
    quirks: Arc<Quirks>,
    connections: Arc<Connections>,
    runtime: runtime::Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server with an empty [`BUCKET`] on a free port.
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        listener
            .set_nonblocking(true)
            .expect("a listening socket can be set non-blocking");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");

        let clock = Arc::new(Clock::default());
        let store = Arc::new(Store::new(Arc::clone(&clock)));
        store.create_bucket(BUCKET);
        let quirks = Arc::<Quirks>::default();
        let service = backend::service(Arc::clone(&store), Arc::clone(&quirks));
        let front = Arc::new(Front::new(clock, service));
        let connections = Arc::new(Connections::default());

        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("the system can make one more event queue");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let (accepted, answered) = (Arc::clone(&connections), Arc::clone(&front));
        let thread = thread::Builder::new().name("s3-server".to_owned());
        let thread = thread.spawn(move || run(runtime, listener, accepted, answered, stopped));
        Server {
            address,
            front,
            store,
            quirks,
            connections,
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread.expect("the system can start one more thread")),
        }
    }

    /// Returns the server's URL, without a trailing slash.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Shifts the clock behind `Date`, `Last-Modified` and the check of `x-amz-date` to this far from the system's.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.front.clock.set_offset(seconds);
    }

    /// Sets what the replies say in `Date`.
    pub fn set_date(&self, date: DateHeader) {
        self.front.settings().date = date;
    }

    /// Has the store treat conditions as no S3 does; `None` mends it.
    pub fn set_quirk(&self, quirk: impl Into<Option<Quirk>>) {
        self.quirks.set(quirk.into());
    }

    /// Refuses requests signed for any other region than this; an empty text accepts all again.
    pub fn set_region(&self, region: &str) {
        self.front.settings().region = (!region.is_empty()).then(|| region.to_owned());
    }

    /// Sets how requests for another region are refused.
    pub fn set_region_reply(&self, reply: RegionReply) {
        self.front.settings().region_reply = reply;
    }

    /// Sets how long each request waits before it is processed.
    pub fn set_latency(&self, latency: Duration) {
        self.front.settings().latency = latency;
    }

    /// Has each key take at most one write in so long, refused or not, as some stores do; other writes are answered
    /// with 429.
    pub fn set_write_pause(&self, pause: Duration) {
        self.front.settings().write_pause = pause;
    }

    /// Queues a fault; the first rule in the queue that fits a request is the one that hits it.
    pub fn fault(&self, rule: Match, fault: Fault) {
        self.front.faults.push(rule, fault);
    }

    /// Counts the queued rules that have not hit as often as they were to.
    pub fn pending_faults(&self) -> usize {
        self.front.faults.pending()
    }

    /// Forgets the queued faults.
    pub fn clear_faults(&self) {
        self.front.faults.clear();
    }

    /// Returns the requests so far (the latest 50,000), in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.front.journal.requests()
    }

    /// Counts the logged requests of one method, such as `PUT`.
    pub fn count(&self, method: &str) -> usize {
        self.front.journal.count(method)
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.front.journal.clear();
    }

    /// Writes an object to [`BUCKET`] behind the clients' backs and returns its ETag, quotes included.
    pub fn put_object(&self, key: &str, body: impl Into<Vec<u8>>) -> String {
        let written = self.store.put(BUCKET, key, body.into(), &Condition::Always);
        written.expect("the bucket exists and there is no condition")
    }

    /// Returns an object of [`BUCKET`].
    pub fn object(&self, key: &str) -> Option<StoredObject> {
        self.store.get(BUCKET, key).ok()
    }

    /// Keeps what is written to a key from now on, for [`Server::history`].
    pub fn keep_history(&self, key: &str) {
        self.store.keep_history(key);
    }

    /// Returns all that was written to a key since its history is kept, in the order of the writes.
    pub fn history(&self, key: &str) -> Vec<StoredObject> {
        self.store.history(key)
    }

    /// Removes an object from [`BUCKET`].
    pub fn delete_object(&self, key: &str) {
        let deleted = self.store.delete(BUCKET, key, &Condition::Always);
        deleted.expect("the bucket exists and there is no condition");
    }

    /// Makes another bucket.
    pub fn create_bucket(&self, name: &str) {
        self.store.create_bucket(name);
    }

    /// Closes the connections that no request is under way on, and returns once their clients can see that.
    pub fn drop_idle_connections(&self) {
        let connections = Arc::clone(&self.connections);
        let (done, closed) = mpsc::channel();
        self.runtime.spawn(async move {
            let _ = done.send(connections.close_idle().await);
        });
        let clients = closed
            .recv()
            .expect("the server's thread runs until the server is dropped");
        for client in clients {
            closings::wait_for(client, self.address);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The thread drops its runtime on the way out, and that drops every connection.
        drop(self.stop.take());
        let joined = self.thread.take().map(JoinHandle::join);
        if matches!(joined, Some(Err(_))) && !thread::panicking() {
            panic!("the server's thread has panicked");
        }
    }
}

fn run(
    runtime: Runtime,
    listener: TcpListener,
    connections: Arc<Connections>,
    front: Arc<Front>,
    stopped: oneshot::Receiver<()>,
) {
    runtime.block_on(async move {
        let listener =
            tokio::net::TcpListener::from_std(listener).expect("the socket is non-blocking");
        tokio::spawn(connections.accept_all(listener, front));
        // The sender is never used, only dropped.
        let _ = stopped.await;
    });
}
