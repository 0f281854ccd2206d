//! Makes a TLS set-up from the files that a client was given, or from the system's certificates. All of
//! this blocks.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use native_tls::{Certificate, Identity, Protocol, TlsConnector, TlsConnectorBuilder};

use crate::store::s3::network::pem::{self, Block};
use crate::store::s3::settings::tls_files::{
    ClientIdentity, IdentityFiles, NamedFile, Pkcs12, TlsFiles, unusable,
};
use crate::store::s3::settings::variables::set;
use crate::sys::forks::Section;
use crate::types::errors::{ConfigError, LockError, StorageError, StorageErrorKind};

/// Makes TLS handshakes, and knows the files that it was made from.
#[derive(Clone)]
pub(super) struct Setup {
    pub connector: TlsConnector,
    pub stamps: Vec<Stamp>,
}

/// When a file was changed, and its length. None if it cannot be looked at.
pub(super) type Stamp = Option<(SystemTime, u64)>;

/// What is in the files.
#[derive(Default)]
pub(super) struct Contents {
    stamps: Vec<Stamp>,
    bundle: Option<Vec<Block>>,
    identity: Option<[String; 2]>,
}

impl Contents {
    /// Reads the files. None if they are as they were `before`.
    ///
    /// This is for a thread, because a disk may hang. It leaves OpenSSL alone: that notes each thread that
    /// it runs on, and locks its notes when the thread ends. A child that is forked at that moment could not
    /// use OpenSSL any more.
    pub(super) fn read(
        files: &TlsFiles,
        before: Option<Vec<Stamp>>,
    ) -> Result<Option<Contents>, ConfigError> {
        // Before they are read: a file that changes meanwhile is read again next time.
        let stamps: Vec<Stamp> = files.paths().into_iter().map(stamp).collect();
        if before.is_some_and(|before| before == stamps) {
            return Ok(None);
        }
        let pem = match &files.identity {
            Some(ClientIdentity::Files(files)) => Some(files),
            _ => None,
        };
        Ok(Some(Contents {
            stamps,
            bundle: files.ca_bundle.as_ref().map(read_bundle).transpose()?,
            identity: pem.map(read_identity).transpose()?,
        }))
    }
}

fn stamp(path: &Path) -> Stamp {
    let file = fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len()))
}

/// Makes a set-up of what the files have. This takes some 0.1 s, the most of it for the system's
/// certificates.
pub(super) fn make(files: &TlsFiles, contents: Contents) -> Result<Setup, LockError> {
    let _section = Section::begin();
    let stamps = contents.stamps.clone();
    let connector = connector(files, contents)?;
    Ok(Setup { connector, stamps })
}

fn connector(files: &TlsFiles, contents: Contents) -> Result<TlsConnector, LockError> {
    let bundle = files.ca_bundle.as_ref().zip(contents.bundle);
    let identity = ReadIdentity::of(files, contents.identity);
    let mut builder = TlsConnector::builder();
    builder.min_protocol_version(Some(Protocol::Tlsv12));
    if let Some((file, blocks)) = bundle {
        trust_only(&mut builder, file, &blocks)?;
    }
    if let Some(identity) = &identity {
        builder.identity(identity.parsed()?);
    }
    builder.build().map_err(|error| match &identity {
        // What is wrong with two files that are right by themselves shows only now.
        Some(identity) => identity.refused(&error).into(),
        None => {
            let what = format!("TLS cannot be set up on this machine ({error})");
            StorageError::new(StorageErrorKind::Local, what).into()
        }
    })
}

/// A client certificate whose files were read.
enum ReadIdentity<'a> {
    Pem(&'a IdentityFiles, [String; 2]),
    Archive(&'a Pkcs12),
}

impl ReadIdentity<'_> {
    fn of(files: &TlsFiles, read: Option<[String; 2]>) -> Option<ReadIdentity<'_>> {
        match (files.identity.as_ref()?, read) {
            (ClientIdentity::Files(files), read) => Some(ReadIdentity::Pem(files, read?)),
            (ClientIdentity::Archive(archive), _) => Some(ReadIdentity::Archive(archive)),
        }
    }

    fn parsed(&self) -> Result<Identity, ConfigError> {
        match self {
            ReadIdentity::Pem(_, [chain, key]) => {
                Identity::from_pkcs8(chain.as_bytes(), key.as_bytes())
            }
            ReadIdentity::Archive(Pkcs12 { der, password }) => Identity::from_pkcs12(der, password),
        }
        .map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &native_tls::Error) -> ConfigError {
        match self {
            ReadIdentity::Pem(files, _) => refused_identity(files, error),
            ReadIdentity::Archive(archive) => refused_archive(archive, error),
        }
    }
}

impl Pkcs12 {
    /// Whether it is one, and the password is right.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let _section = Section::begin();
        ReadIdentity::Archive(self).parsed().map(drop)
    }
}

/// Neither the archive nor its password is quoted.
fn refused_archive(archive: &Pkcs12, error: &native_tls::Error) -> ConfigError {
    let text = error.to_string();
    let reason = if archive.der.is_empty() {
        "it is empty".to_owned()
    } else if archive.der.starts_with(b"-----BEGIN") {
        "it is PEM, not PKCS #12: name the files with ClientBuilder::client_certificate".to_owned()
    } else if text.contains("mac verify failure") || text.contains("invalid password") {
        "the password is not that of this PKCS #12 archive".to_owned()
    } else if text.contains("unsupported") {
        "it is encrypted in an old way, which this machine's OpenSSL does not read: make it anew \
         with `openssl pkcs12 -export -inkey client.key -in client.pem -out client.p12`"
            .to_owned()
    } else {
        format!("it is no PKCS #12 archive of a certificate and its key ({text})")
    };
    ConfigError::new(
        "client_identity",
        format!("invalid client_identity: {reason}"),
    )
}

/// More bytes than any file of certificates has.
const MAX_FILE: u64 = 16 << 20;

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|f| f.take(MAX_FILE + 1).read_to_end(&mut bytes));
    match read {
        Err(_) if path.is_dir() => Err("it is a directory; name a file".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.starts_with("~") => Err(
            format!("it cannot be read ({error}); only a shell replaces the ~"),
        ),
        Err(error) => Err(format!("it cannot be read ({error})")),
        Ok(_) if bytes.len() as u64 > MAX_FILE => Err(format!("it has more than {MAX_FILE} bytes")),
        Ok(_) => Ok(bytes),
    }
}

fn certificates(path: &Path) -> Result<Vec<Block>, String> {
    let file = read(path)?;
    let mut blocks = pem::blocks(&file);
    blocks.retain(Block::is_certificate);
    if blocks.is_empty() {
        return Err(pem::no_certificate(path, &file));
    }
    Ok(blocks)
}

fn read_bundle(file: &NamedFile) -> Result<Vec<Block>, ConfigError> {
    certificates(&file.path).map_err(|reason| refused_bundle(file, &reason))
}

fn refused_bundle(file: &NamedFile, reason: &str) -> ConfigError {
    let variable = Some(file.by.as_str()).filter(|_| !file.is_by_code());
    unusable("ca_bundle", &file.path, variable, reason)
}

/// Has a client trust the certificates of its bundle and no others, as the AWS SDKs do.
fn trust_only(
    builder: &mut TlsConnectorBuilder,
    file: &NamedFile,
    blocks: &[Block],
) -> Result<(), ConfigError> {
    builder.disable_built_in_roots(true);
    for (place, block) in blocks.iter().enumerate() {
        if block.has_rules() {
            let reason = with_rules(&file.path, place + 1, block.line);
            return Err(refused_bundle(file, &reason));
        }
        let certificate = Certificate::from_pem(block.text.as_bytes());
        let certificate = certificate.map_err(|error| {
            let (place, line) = (place + 1, block.line);
            let reason =
                format!("its certificate {place}, at line {line}, cannot be read ({error})");
            refused_bundle(file, &reason)
        })?;
        builder.add_root_certificate(certificate);
    }
    Ok(())
}

/// Such rules may say that a certificate is not to be trusted for servers, and would be lost here.
fn with_rules(path: &Path, place: usize, line: usize) -> String {
    let path = path.display();
    format!(
        "its certificate {place}, at line {line}, is a TRUSTED CERTIFICATE, which only OpenSSL reads: convert it \
         with `openssl x509 -in {path} -out {path}.pem`, and name that file"
    )
}

const IDENTITY: &str = "client_certificate";

/// The certificate with its chain, and the key.
fn read_identity(files: &IdentityFiles) -> Result<[String; 2], ConfigError> {
    let refused = |path: &Path, reason: &str| unusable(IDENTITY, path, None, reason);
    let chain = certificates(&files.certificate);
    let chain = chain.map_err(|reason| refused(&files.certificate, &reason))?;
    let key = read(&files.key).and_then(|file| pem::key(&files.key, &file));
    let key = key.map_err(|reason| refused(&files.key, &reason))?;
    let chain = chain.into_iter().map(|block| block.text).collect();
    Ok([chain, key.text])
}

fn refused_identity(files: &IdentityFiles, error: &native_tls::Error) -> ConfigError {
    let text = error.to_string();
    let key = files.key.display();
    let reason = if text.contains("mismatch") {
        format!("the key {key} belongs to another certificate")
    } else {
        format!("it cannot be used with the key {key} ({text})")
    };
    unusable(IDENTITY, &files.certificate, None, &reason)
}

/// For people: what is wrong with the variables that name more certificates to trust. OpenSSL passes
/// over what it cannot read, without a word. Other libraries for TLS do not know these variables.
pub(super) fn unusable_variable() -> Option<String> {
    if cfg!(any(windows, target_vendor = "apple")) {
        return None;
    }
    let file = set("SSL_CERT_FILE").map(PathBuf::from);
    let file = file.and_then(|path| Some((certificates(&path).err()?, path)));
    if let Some((reason, path)) = file {
        return Some(told_of("SSL_CERT_FILE", &path, &reason));
    }
    let directories = set("SSL_CERT_DIR")?;
    let directories: Vec<_> = env::split_paths(&directories).collect();
    directories.iter().find_map(|path| {
        let reason = directory(path).err()?;
        Some(told_of("SSL_CERT_DIR", path, &reason))
    })
}

fn told_of(variable: &str, path: &Path, reason: &str) -> String {
    format!("{variable} names {}, but {reason}", path.display())
}

/// A directory of certificates has one file for each, named by a hash, as in `4a6481c9.0`.
fn directory(path: &Path) -> Result<(), String> {
    let entries = fs::read_dir(path).map_err(|error| format!("it cannot be read ({error})"))?;
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_hash = |name: String| {
        let (hash, number) = name.split_once('.').unwrap_or_default();
        hash.len() == 8
            && hash.chars().all(|c| c.is_ascii_hexdigit())
            && number.parse::<u32>().is_ok()
    };
    if names.any(is_hash) {
        return Ok(());
    }
    Err(format!(
        "no file there has a name by which OpenSSL looks for one: run `openssl rehash {}`",
        path.display()
    ))
}
