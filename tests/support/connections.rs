//! The listening socket and the connections made to it.

use std::collections::BTreeMap;
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use hyper1::server::conn::http1;
use hyper1::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::front::Front;

/// How long to wait when a connection cannot be accepted, which is when the process has run out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The open connections by number.
#[derive(Default)]
pub struct Connections {
    open: Mutex<BTreeMap<u64, Connection>>,
}

struct Connection {
    client: SocketAddr,
    busy: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Connections {
    /// Accepts connections for ever.
    pub async fn accept_all(self: Arc<Self>, listener: TcpListener, front: Arc<Front>) {
        for number in 1.. {
            let (stream, client) = accept(&listener).await;
            let busy = Arc::new(AtomicBool::new(false));
            // The task cannot have ended when it is entered: it first runs when this one waits again.
            let serving = serve(Arc::clone(&front), stream, number, Arc::clone(&busy));
            let all = Arc::clone(&self);
            let task = tokio::spawn(async move {
                serving.await;
                all.lock().remove(&number);
            });
            let connection = Connection { client, busy, task };
            self.lock().insert(number, connection);
        }
    }

    /// Closes the connections that no request is under way on. Returns the addresses of their clients once
    /// they are closed.
    pub async fn close_idle(&self) -> Vec<SocketAddr> {
        let idle: BTreeMap<u64, Connection> = {
            let mut open = self.lock();
            let all = mem::take(&mut *open).into_iter();
            let (busy, idle) = all.partition(|(_, one)| one.busy.load(Ordering::Relaxed));
            *open = busy;
            idle
        };
        let mut clients = Vec::new();
        for connection in idle.into_values() {
            connection.task.abort();
            // An error only says that the task was aborted; by then its socket is closed.
            let _ = connection.task.await;
            clients.push(connection.client);
        }
        clients
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Connection>> {
        self.open
            .lock()
            .expect("nothing panics while it holds the connections")
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(front: Arc<Front>, stream: TcpStream, number: u64, busy: Arc<AtomicBool>) {
    // Without it a reply can wait 40 ms for the acknowledgement of the one before.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request| {
        let (front, busy) = (Arc::clone(&front), Arc::clone(&busy));
        async move {
            busy.store(true, Ordering::Relaxed);
            let reply = front.answer(number, request).await;
            busy.store(false, Ordering::Relaxed);
            reply
        }
    });
    // Dropped, the half that writes shuts the connection down. A close alone would not tell the client so while
    // another test starts a program: until that runs, its process has all the descriptors of this one.
    let (read, write) = stream.into_split();
    let stream = TokioIo::new(tokio::io::join(read, write));
    // `Date` is the front's to set or to leave out. Errors are cut connections, on purpose or by the client.
    let serving = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(stream, service);
    let _ = serving.await;
}
