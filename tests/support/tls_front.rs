//! TLS in front of any plain port, byte by byte: also where both ends speak at once.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, process, thread};

use native_tls::{Identity, TlsAcceptor};

/// A key and a certificate for 127.0.0.1 in a directory, which goes with who made it.
pub struct Certificate {
    dir: PathBuf,
    is_own: bool,
}

impl Certificate {
    /// Makes one by the program `openssl`.
    pub fn make(name: &str) -> Certificate {
        let dir = env::temp_dir().join(format!("s3-lock-front-{name}-{}", process::id()));
        fs::create_dir_all(&dir).expect("the system has a place for temporary files");
        make_certificate(&dir);
        Certificate { dir, is_own: true }
    }

    /// The one that another process has made.
    pub fn at(dir: impl Into<PathBuf>) -> Certificate {
        let dir = dir.into();
        Certificate { dir, is_own: false }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file to trust.
    pub fn file(&self) -> PathBuf {
        self.dir.join("certificate")
    }

    fn identity(&self) -> Identity {
        let read = |name| fs::read(self.dir.join(name)).expect("openssl has written it");
        let identity = Identity::from_pkcs8(&read("certificate"), &read("key"));
        identity.expect("openssl makes what it reads")
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        if self.is_own {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn make_certificate(dir: &Path) {
    let made = Command::new("openssl")
        .current_dir(dir)
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=s3"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-keyout", "key", "-out", "certificate"])
        .output()
        .expect("the program openssl is installed");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
}

/// Takes the TLS off what comes, and passes it on to a plain port, on threads that live as long as the
/// tests do.
pub struct TlsFront(SocketAddr);

impl TlsFront {
    /// Starts one in front of `endpoint`, an `http://` URL without a path.
    pub fn start(endpoint: &str, certificate: &Certificate) -> TlsFront {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let acceptor = TlsAcceptor::new(certificate.identity()).expect("the identity is valid");
        let inside = endpoint.trim_start_matches("http://").to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (acceptor, inside) = (acceptor.clone(), inside.clone());
                thread::spawn(move || pass(stream, &acceptor, &inside));
            }
        });
        TlsFront(address)
    }

    /// Returns its URL, without a trailing slash.
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.0)
    }
}

/// How long one direction waits for bytes before the other has its turn.
const TURN: Duration = Duration::from_millis(1);

fn pass(stream: TcpStream, acceptor: &TlsAcceptor, inside: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut outside = acceptor.accept(stream).map_err(io::Error::other)?;
    let mut inside = TcpStream::connect(inside)?;
    inside.set_nodelay(true)?;
    outside.get_ref().set_read_timeout(Some(TURN))?;
    inside.set_read_timeout(Some(TURN))?;
    // Both are closed when either ends.
    while move_some(&mut outside, &mut inside)? && move_some(&mut inside, &mut outside)? {}
    Ok(())
}

/// Moves what is there. Says whether there may be more.
fn move_some(from: &mut impl Read, to: &mut impl Write) -> io::Result<bool> {
    let mut bytes = [0; 16 << 10];
    match from.read(&mut bytes) {
        Ok(0) => Ok(false),
        Ok(count) => to.write_all(&bytes[..count]).map(|()| true),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(true)
        }
        Err(error) => Err(error),
    }
}
