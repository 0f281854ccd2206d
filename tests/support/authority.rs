//! Certificates of a private authority, made by the program `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

/// Someone who signs certificates, in a directory of its own, removed when dropped.
pub struct Authority {
    dir: PathBuf,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Issued {
    /// In PEM; what comes after the first certificate is its chain.
    pub certificate: PathBuf,
    /// In PEM, PKCS #8.
    pub key: PathBuf,
}

/// From when until when a certificate is valid.
#[derive(Clone, Copy)]
pub enum Valid {
    Now,
    Before,
    Later,
}

const EC: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// What `openssl ca` needs to sign, besides the key and certificate that it signs with.
const CONFIG: &str = "[ca]\ndefault_ca = d\n[d]\ndatabase = index\nserial = serial\nnew_certs_dir = .\ndefault_md = sha256\n\
                      policy = p\nunique_subject = no\n[p]\ncommonName = supplied\n";

impl Authority {
    /// Makes one that has signed itself.
    pub fn new() -> Authority {
        let authority = Authority::empty();
        let dir = &authority.dir;
        let args = [
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=Private CA",
        ];
        openssl(
            dir,
            &[&args, &EC[..], &["-keyout", "ca.key", "-out", "ca.pem"]].concat(),
        );
        authority
    }

    fn empty() -> Authority {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = env::temp_dir().join(format!("s3-lock-ca-{}-{number}", process::id()));
        fs::create_dir_all(&dir).expect("the system has a place for temporary files");
        fs::write(dir.join("config"), CONFIG).expect("it is a directory of our own");
        fs::write(dir.join("serial"), "1000").expect("it is a directory of our own");
        fs::write(dir.join("index"), "").expect("it is a directory of our own");
        Authority { dir }
    }

    /// Makes one whose certificate this one has signed.
    pub fn intermediate(&self) -> Authority {
        let made = self.signed(
            "Intermediate CA",
            "basicConstraints=critical,CA:TRUE",
            Valid::Now,
        );
        let other = Authority::empty();
        fs::copy(made.certificate, other.certificate()).expect("it was made");
        fs::copy(made.key, other.dir.join("ca.key")).expect("it was made");
        other
    }

    /// Its own certificate, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Where a test may keep a file of its own.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, content).expect("it is a directory of our own");
        path
    }

    /// Makes a certificate for these names, written as `DNS:a,IP:127.0.0.1`.
    pub fn issue(&self, names: &str) -> Issued {
        self.issue_for(names, Valid::Now)
    }

    /// The same for another time.
    pub fn issue_for(&self, names: &str, valid: Valid) -> Issued {
        self.signed("leaf", &format!("subjectAltName={names}"), valid)
    }

    /// A certificate that has signed itself, and is nobody else's.
    pub fn self_signed(&self, names: &str) -> Issued {
        let issued = self.next();
        let names = format!("subjectAltName={names}");
        let args = ["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=self"];
        let more = [
            "-addext",
            &names,
            "-keyout",
            text(&issued.key),
            "-out",
            text(&issued.certificate),
        ];
        openssl(&self.dir, &[&args, &EC[..], &more].concat());
        issued
    }

    fn next(&self) -> Issued {
        let count = fs::read_dir(&self.dir).expect("it is there").count();
        Issued {
            certificate: self.dir.join(format!("{count}.pem")),
            key: self.dir.join(format!("{count}.key")),
        }
    }

    fn signed(&self, subject: &str, extension: &str, valid: Valid) -> Issued {
        let issued = self.next();
        let subject = format!("/CN={subject}");
        self.file("extensions", format!("{extension}\n"));
        let args = [
            "req",
            "-new",
            "-nodes",
            "-subj",
            &subject,
            "-keyout",
            text(&issued.key),
        ];
        openssl(&self.dir, &[&args, &EC[..], &["-out", "request"]].concat());
        let (start, end) = match valid {
            Valid::Now => ("20200101000000Z", "20991231000000Z"),
            Valid::Before => ("20200101000000Z", "20210101000000Z"),
            Valid::Later => ("20980101000000Z", "20991231000000Z"),
        };
        let args = ["ca", "-batch", "-notext", "-config", "config"];
        let by = [
            "-cert",
            "ca.pem",
            "-keyfile",
            "ca.key",
            "-extfile",
            "extensions",
        ];
        let times = ["-startdate", start, "-enddate", end];
        let files = ["-in", "request", "-out", text(&issued.certificate)];
        openssl(&self.dir, &[&args[..], &by, &times, &files].concat());
        issued
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path of temporary files is text")
}

impl Issued {
    /// Puts both into a PKCS #12 archive beside them, and returns its path.
    pub fn archive(&self, password: &str) -> PathBuf {
        let dir = self.key.parent().expect("it is in a folder");
        let made = dir.join("archive.p12");
        let [certificate, key, out] = [&self.certificate, &self.key, &made].map(|p| text(p));
        let password = format!("pass:{password}");
        let files = ["-in", certificate, "-inkey", key, "-out", out];
        openssl(
            dir,
            &[&["pkcs12", "-export", "-passout", &password], &files[..]].concat(),
        );
        made
    }
}

/// Runs the program in a directory; it must do what it is told.
pub fn openssl(dir: &Path, args: &[&str]) {
    let output = Command::new("openssl").args(args).current_dir(dir).output();
    let output = output.expect("the program openssl is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {args:?}: {said}");
}
