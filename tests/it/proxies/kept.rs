//! A lock that is kept alive through a proxy which refuses for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use s3_lock::internals::Time;
use s3_lock::{ClientBuilder, LockGuard};

use super::{STORE, patient};
use crate::by_hand::{DUE, is_renewed, kept_lock};
use crate::support::{Certificate, ConnectProxy, Fault, Match, Message, Server, TlsFront, Verdict};
use crate::{client_builder_at, eventually, stored_state};

/// A proxy that refuses from time to time.
struct Gate {
    /// The status that it refuses with. Zero if it passes everything.
    status: AtomicUsize,
    refused: AtomicUsize,
}

impl Gate {
    /// A gate, and a proxy that has this address for every name.
    fn before(address: &str) -> (Arc<Gate>, ConnectProxy) {
        let gate = Arc::new(Gate {
            status: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        });
        let (shared, address) = (gate.clone(), address.to_owned());
        let proxy = ConnectProxy::with(move |_: &Message| shared.verdict(&address));
        (gate, proxy)
    }

    fn verdict(&self, address: &str) -> Verdict {
        match self.status.load(Ordering::SeqCst) {
            0 => Verdict::PassTo(address.to_owned()),
            status => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                Verdict::reply(&format!("{status} Not Now"), &[])
            }
        }
    }

    /// Refuses renewals until some have been refused, and then passes them again.
    fn refuse_for_a_while(&self, status: usize, time: &Time) {
        let before = self.refused.load(Ordering::SeqCst);
        self.status.store(status, Ordering::SeqCst);
        time.advance(DUE);
        eventually("the proxy refuses a renewal", || {
            self.refused.load(Ordering::SeqCst) > before
        });
        self.status.store(0, Ordering::SeqCst);
    }
}

fn kept(client: ClientBuilder) -> (Time, LockGuard) {
    let time = Time::default();
    let client = time.of(patient(client)).build().unwrap();
    let guard = kept_lock(&client).build().unwrap().acquire("me").unwrap();
    (time, guard)
}

#[test]
fn keep_alive_keeps_a_lock_while_a_proxy_of_http_refuses_for_a_while() {
    let server = Server::start();
    let (gate, proxy) = Gate::before(&server.endpoint().replace("http://", ""));
    let (time, guard) = kept(client_builder_at(STORE).proxy(proxy.endpoint()));
    for status in [407, 503, 403] {
        gate.refuse_for_a_while(status, &time);
        is_renewed_soon(&time, &guard);
    }
    guard.verify().unwrap();
    guard.release().unwrap();
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

#[test]
fn keep_alive_keeps_a_lock_while_a_proxy_refuses_new_tunnels_for_a_while() {
    let server = Server::start();
    let certificate = Certificate::make("proxies-kept");
    let front = TlsFront::start(&server.endpoint(), &certificate);
    let (gate, proxy) = Gate::before(&front.endpoint().replace("https://", ""));
    let client = client_builder_at(&front.endpoint()).ca_bundle(certificate.file());
    let (time, guard) = kept(client.proxy(proxy.endpoint()));
    for status in [407, 503] {
        // It ends the tunnel that there is.
        server.fault(Match::put(), Fault::DropBefore);
        gate.refuse_for_a_while(status, &time);
        is_renewed_soon(&time, &guard);
    }
    guard.verify().unwrap();
    guard.release().unwrap();
    assert_eq!(stored_state(&server).as_deref(), Some("released"));
}

/// The next attempt comes after a pause by the clock of the test.
fn is_renewed_soon(time: &Time, guard: &LockGuard) {
    time.advance(std::time::Duration::from_secs(5));
    is_renewed(guard);
    guard.check().unwrap();
}
