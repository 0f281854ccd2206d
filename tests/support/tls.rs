//! A server's door for HTTPS.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process, thread};

use native_tls::{Identity, TlsAcceptor};

use super::Server;
use super::proxy::message::Message;

/// Passes what comes over TLS on to a server. Its certificate is made by the program `openssl`.
pub struct Tls {
    address: SocketAddr,
    /// A directory of its own, removed when dropped.
    dir: PathBuf,
}

impl Tls {
    pub fn start(server: &Server) -> Tls {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let dir = env::temp_dir().join(format!("s3-lock-tls-{}-{}", process::id(), address.port()));
        fs::create_dir_all(&dir).expect("the system has a place for temporary files");
        let tls = Tls { address, dir };
        let acceptor = TlsAcceptor::new(make_identity(&tls.dir)).expect("the identity is valid");
        let inside = server.endpoint().replace("http://", "");
        // They end with the test's process, as a listener has nothing to lose.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (acceptor, inside) = (acceptor.clone(), inside.clone());
                thread::spawn(move || pass(stream, &acceptor, &inside));
            }
        });
        tls
    }

    /// Returns its URL, without a trailing slash.
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The file of its certificate, which is its own authority.
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("certificate")
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn make_identity(dir: &Path) -> Identity {
    let (key, certificate) = (dir.join("key"), dir.join("certificate"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=s3"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("the program openssl is installed");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    let read = |path| fs::read(path).expect("openssl has written it");
    Identity::from_pkcs8(&read(certificate), &read(key)).expect("openssl makes what it reads")
}

/// Passes one connection's requests on, until it ends or goes wrong.
fn pass(stream: TcpStream, acceptor: &TlsAcceptor, inside: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).map_err(io::Error::other)?;
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
