//! A server's door for HTTPS.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use openssl::ssl::{
    AlpnError, SslAcceptor, SslAcceptorBuilder, SslFiletype, SslMethod, SslOptions, SslVerifyMode,
    SslVersion, select_next_proto,
};

use super::Server;
use super::authority::{Authority, Issued};
use super::proxy::message::Message;

/// Passes what comes over TLS on to a server.
pub struct Tls {
    address: SocketAddr,
    /// Who has signed its certificate, if nobody else keeps that.
    authority: Option<Authority>,
    offers: Offers,
}

/// The protocols that clients have offered to speak over TLS (ALPN), one list for each hello that had any.
type Offers = Arc<Mutex<Vec<Vec<u8>>>>;

/// What it asks of those who connect.
#[derive(Default)]
pub struct Terms<'a> {
    /// The one version that it speaks: 11, 12 or 13.
    pub only: Option<u8>,
    /// The authority whose certificates it demands of clients.
    pub demands: Option<&'a Path>,
}

impl Tls {
    /// Starts one with a certificate of an authority of its own.
    pub fn start(server: &Server) -> Tls {
        let authority = Authority::new();
        let issued = authority.issue("IP:127.0.0.1");
        let mut tls = Tls::with(server, &issued, &Terms::default());
        tls.authority = Some(authority);
        tls
    }

    /// Starts one with this certificate.
    pub fn with(server: &Server, issued: &Issued, terms: &Terms<'_>) -> Tls {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let offers = Offers::default();
        let acceptor = acceptor(issued, terms, &offers);
        let acceptor = acceptor.expect("the certificate and its key are valid");
        let inside = server.endpoint().replace("http://", "");
        // They end with the test's process, as a listener has nothing to lose.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (acceptor, inside) = (acceptor.clone(), inside.clone());
                thread::spawn(move || pass(stream, &acceptor, &inside));
            }
        });
        Tls {
            address,
            authority: None,
            offers,
        }
    }

    /// Returns its URL, without a trailing slash.
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The file of its own authority's certificate.
    pub fn certificate(&self) -> PathBuf {
        let authority = self.authority.as_ref();
        authority.expect("it has its own authority").certificate()
    }

    /// The lists of protocols that clients have offered so far, as they are sent: each name after its length.
    pub fn protocols_offered(&self) -> Vec<Vec<u8>> {
        let offers = self.offers.lock();
        offers.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn acceptor(
    issued: &Issued,
    terms: &Terms<'_>,
    offers: &Offers,
) -> Result<SslAcceptor, openssl::error::ErrorStack> {
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls())?;
    acceptor.set_certificate_chain_file(&issued.certificate)?;
    acceptor.set_private_key_file(&issued.key, SslFiletype::PEM)?;
    let version = terms.only.map(|version| match version {
        11 => SslVersion::TLS1_1,
        12 => SslVersion::TLS1_2,
        _ => SslVersion::TLS1_3,
    });
    if version == Some(SslVersion::TLS1_1) {
        // Too weak to be spoken otherwise.
        acceptor.set_security_level(0);
        acceptor.clear_options(SslOptions::NO_TLSV1_1);
    }
    acceptor.clear_options(SslOptions::NO_TLSV1_3);
    acceptor.set_min_proto_version(version)?;
    acceptor.set_max_proto_version(version)?;
    if let Some(authority) = terms.demands {
        acceptor.set_ca_file(authority)?;
        acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    note_offers(&mut acceptor, Arc::clone(offers));
    Ok(acceptor.build())
}

/// Notes what clients offer, and agrees to HTTP/2 with those who do: a client that could speak it would.
fn note_offers(acceptor: &mut SslAcceptorBuilder, offers: Offers) {
    acceptor.set_alpn_select_callback(move |_, offered| {
        let mut offers = offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers.push(offered.to_vec());
        select_next_proto(b"\x02h2", offered).ok_or(AlpnError::NOACK)
    });
}

/// Passes one connection's requests on, until it ends or goes wrong.
fn pass(stream: TcpStream, acceptor: &SslAcceptor, inside: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let plain = stream.try_clone()?;
    let stream = acceptor.accept(stream).map_err(io::Error::other);
    let Ok(stream) = stream else {
        return let_go(plain);
    };
    let mut outside = BufReader::new(stream);
    let inside = TcpStream::connect(inside)?;
    inside.set_nodelay(true)?;
    let mut inside = BufReader::new(inside);
    while let Some(request) = Message::read_request(&mut outside)? {
        inside.get_mut().write_all(&request.to_bytes())?;
        let reply = Message::read_reply(&mut inside, &request.method())?;
        outside.get_mut().write_all(&reply.to_bytes())?;
    }
    Ok(())
}

/// Ends a connection so that the other end can read why: closed at once, what has come in and was not
/// read would make the system take that back.
fn let_go(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    while stream.read(&mut [0; 1024])? > 0 {}
    Ok(())
}
