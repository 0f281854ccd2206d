//! The files that TLS needs: whom a client trusts, and what it shows of itself. Who named them is kept,
//! so that errors name the right setting.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::store::s3::settings::named::Named;
use crate::types::errors::ConfigError;

/// What a client trusts, and the certificate that it shows to a server that asks for one.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsFiles {
    /// The certificates to trust, instead of the system's own.
    pub ca_bundle: Option<NamedFile>,
    pub identity: Option<ClientIdentity>,
}

/// A client certificate with its key.
#[derive(Clone, Debug)]
pub(crate) enum ClientIdentity {
    Files(IdentityFiles),
    Archive(Pkcs12),
}

/// A PKCS #12 archive of a certificate, its chain and its key.
#[derive(Clone)]
pub(crate) struct Pkcs12 {
    pub der: Arc<[u8]>,
    pub password: Arc<str>,
}

impl fmt::Debug for Pkcs12 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is a secret.
        f.write_str("Pkcs12")
    }
}

impl ClientIdentity {
    fn files(&self) -> Option<&IdentityFiles> {
        match self {
            ClientIdentity::Files(files) => Some(files),
            ClientIdentity::Archive(_) => None,
        }
    }

    /// For people: the certificate and what named it.
    pub(crate) fn shown(&self) -> String {
        match self {
            ClientIdentity::Files(IdentityFiles { certificate, .. }) => {
                let path = certificate.display();
                format!("{path}, which {CODE}client_certificate names")
            }
            ClientIdentity::Archive(_) => format!("the certificate that {CODE}client_identity has"),
        }
    }
}

/// A client certificate in files. Its chain may follow it in the same file.
#[derive(Clone, Debug)]
pub(crate) struct IdentityFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A file, and what named it: a variable, a profile, the program's code.
#[derive(Clone, Debug)]
pub(crate) struct NamedFile {
    pub path: PathBuf,
    pub by: String,
}

impl TlsFiles {
    /// Whether there is no file that may change.
    pub(crate) fn is_empty(&self) -> bool {
        self.paths().is_empty()
    }

    pub(crate) fn paths(&self) -> Vec<&Path> {
        let bundle = self.ca_bundle.iter().map(|file| &file.path);
        let identity = self.identity.iter().filter_map(ClientIdentity::files);
        let identity = identity.flat_map(|i| [&i.certificate, &i.key]);
        bundle.chain(identity).map(PathBuf::as_path).collect()
    }

    /// For people: which files are read.
    pub(crate) fn shown(&self) -> String {
        let paths = self.paths();
        let paths: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
        match paths.as_slice() {
            [] => "the system's certificates".to_owned(),
            paths => format!("the certificates in {}", paths.join(", ")),
        }
    }
}

const CODE: &str = "ClientBuilder::";

impl From<Named> for NamedFile {
    fn from(named: Named) -> NamedFile {
        NamedFile {
            path: named.value.into(),
            by: named.by,
        }
    }
}

impl NamedFile {
    /// A path that the program's own code names, by this method.
    pub(crate) fn by_code(path: PathBuf, method: &str) -> NamedFile {
        let by = format!("{CODE}{method}");
        NamedFile { path, by }
    }

    pub(crate) fn is_by_code(&self) -> bool {
        self.by.starts_with(CODE)
    }

    /// For people: the file and what named it.
    pub(crate) fn shown(&self) -> String {
        format!("{}, which {} names", self.path.display(), self.by)
    }
}

/// The error for a file that cannot be used. Its path is not cut, as other values are: the end tells
/// the most.
pub(crate) fn unusable(
    field: &'static str,
    path: &Path,
    by: Option<&str>,
    reason: &str,
) -> ConfigError {
    let place = by.map_or(String::new(), |by| format!(" in {by}"));
    ConfigError::new(field, format!("invalid {field} {path:?}{place}: {reason}"))
}
