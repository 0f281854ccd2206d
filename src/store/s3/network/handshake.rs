//! Why a TLS handshake failed, from the texts of its error, and what helps. Pure.

use std::error::Error;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::store::s3::network::connect_error::{ConnectError, Step, causes};
use crate::store::s3::settings::tls_files::TlsFiles;

/// A reason that a person can do something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody who is trusted has signed the certificate.
    UnknownIssuer,
    /// The certificate has signed itself.
    SelfSigned,
    /// A trusted certificate has another issuer, which is not trusted.
    NoRoot,
    OtherName,
    Expired,
    NotYetValid,
    /// A key or a signature is too easy to forge.
    Weak,
    /// The certificate is not one that a server may use, or is broken.
    Unfit,
    NotTls,
    /// The server speaks TLS 1.1 or older alone.
    TooOld,
    /// The connection ended during the handshake.
    Ended,
    /// The server has no certificate for the name that was asked for.
    UnknownName,
    /// The server wants to see a certificate.
    CertificateRequired,
    /// The server does not accept the certificate that it was shown.
    CertificateRefused,
    /// The server refuses to go on, and does not say why.
    Refused,
    Other,
}

/// What a failure is told with.
pub(super) struct Details<'a> {
    pub host: &'a str,
    /// The texts of the error.
    pub text: &'a str,
    pub files: &'a TlsFiles,
    /// This machine's wall clock.
    pub wall: SystemTime,
    /// What is wrong with the variables that name more certificates.
    pub unusable: Option<String>,
}

/// The texts of an error and of all its causes. Which of them says the most depends on the library.
pub(super) fn texts(error: &(dyn Error + 'static)) -> String {
    let texts: Vec<String> = causes(error).map(ToString::to_string).collect();
    texts.join("\n")
}

/// What OpenSSL says, in small letters, and what it means. The first that fits counts: what it says
/// of a certificate comes after a general text.
const TEXTS: [(&str, Failure); 43] = [
    ("hostname mismatch", Failure::OtherName),
    ("ip address mismatch", Failure::OtherName),
    ("certificate has expired", Failure::Expired),
    ("certificate is not yet valid", Failure::NotYetValid),
    ("certificate in certificate chain", Failure::UnknownIssuer),
    ("self-signed certificate", Failure::SelfSigned),
    ("self signed certificate", Failure::SelfSigned),
    ("unable to get issuer certificate", Failure::NoRoot),
    ("unable to get local issuer", Failure::UnknownIssuer),
    ("unable to verify the first", Failure::UnknownIssuer),
    ("certificate not trusted", Failure::UnknownIssuer),
    ("key too weak", Failure::Weak),
    ("md too weak", Failure::Weak),
    ("algorithm too weak", Failure::Weak),
    ("key too small", Failure::Weak),
    ("certificate purpose", Failure::Unfit),
    ("invalid ca certificate", Failure::Unfit),
    ("path length constraint", Failure::Unfit),
    ("certificate signature failure", Failure::Unfit),
    ("unrecognized name", Failure::UnknownName),
    ("alert certificate required", Failure::CertificateRequired),
    ("alert bad certificate", Failure::CertificateRefused),
    ("alert unsupported certificate", Failure::CertificateRefused),
    ("alert certificate revoked", Failure::CertificateRefused),
    ("alert certificate expired", Failure::CertificateRefused),
    ("alert certificate unknown", Failure::CertificateRefused),
    ("alert unknown ca", Failure::CertificateRefused),
    ("alert access denied", Failure::CertificateRefused),
    ("alert decrypt error", Failure::CertificateRefused),
    ("alert protocol version", Failure::TooOld),
    ("unsupported protocol", Failure::TooOld),
    ("alert ", Failure::Refused),
    ("wrong version number", Failure::NotTls),
    ("packet length too long", Failure::NotTls),
    ("record layer failure", Failure::NotTls),
    ("http request", Failure::NotTls),
    ("unknown protocol", Failure::NotTls),
    ("unexpected eof", Failure::Ended),
    ("connection reset", Failure::Ended),
    ("broken pipe", Failure::Ended),
    ("connection aborted", Failure::Ended),
    ("connection closed", Failure::Ended),
    ("end of file", Failure::Ended),
];

impl Failure {
    pub(super) fn of(text: &str) -> Failure {
        let text = text.to_lowercase();
        let known = TEXTS.iter().find(|(part, _)| text.contains(part));
        known.map_or(Failure::Other, |(_, failure)| *failure)
    }

    /// Whether another set of trusted certificates would help.
    pub(super) fn is_about_trust(self) -> bool {
        use Failure::{NoRoot, Other, SelfSigned, UnknownIssuer};
        matches!(self, UnknownIssuer | SelfSigned | NoRoot | Other)
    }

    /// The error for a host with which there is no TLS.
    pub(super) fn told(self, details: &Details<'_>) -> ConnectError {
        let step = match self {
            Failure::NotTls => Step::NotTls,
            Failure::OtherName => Step::OtherName,
            _ => Step::Tls,
        };
        let (host, why) = (details.host, self.why(details));
        let cause = match self {
            // It would say the same.
            Failure::SelfSigned | Failure::Expired | Failure::NotYetValid => String::new(),
            _ => format!(" ({})", plain(details.text)),
        };
        let error = ConnectError::new(step, format!("no TLS with {host}: {why}{cause}"));
        match self.remedy(details) {
            Some(remedy) => error.with_remedy(remedy),
            None => error,
        }
    }

    fn why(self, details: &Details<'_>) -> String {
        let bundle = details.files.ca_bundle.as_ref().map(|file| file.shown());
        let clock = DateTime::<Utc>::from(details.wall).to_rfc3339_opts(SecondsFormat::Secs, true);
        match (self, bundle) {
            (Failure::UnknownIssuer, Some(bundle)) => {
                format!("no certificate in {bundle}, has signed its certificate")
            }
            (Failure::UnknownIssuer, None) => {
                "no certificate that this machine trusts has signed its certificate".to_owned()
            }
            (Failure::SelfSigned, Some(bundle)) => {
                format!("its certificate is self-signed and not in {bundle}")
            }
            (Failure::SelfSigned, None) => {
                "its certificate is self-signed, and this machine does not trust it".to_owned()
            }
            (Failure::NoRoot, Some(bundle)) => {
                format!(
                    "{bundle}, has the certificate of its CA, but not that of the root CA above"
                )
            }
            (Failure::NoRoot, None) => {
                "this machine trusts its CA, but not the root CA above that".to_owned()
            }
            (Failure::OtherName, _) => "its certificate is for other names".to_owned(),
            (Failure::Expired, _) => {
                format!(
                    "its certificate, or one that signed it, has expired by this machine's clock, which says {clock}"
                )
            }
            (Failure::NotYetValid, _) => {
                format!(
                    "its certificate, or one that signed it, is not valid yet by this machine's clock, which says {clock}"
                )
            }
            (Failure::Weak, _) => "its certificate or key is too weak".to_owned(),
            (Failure::Unfit, _) => {
                "its certificate, or one that signed it, is not fit for that".to_owned()
            }
            (Failure::NotTls, _) => "what answers there does not speak TLS".to_owned(),
            (Failure::TooOld, _) => "it speaks neither TLS 1.2 nor TLS 1.3".to_owned(),
            (Failure::Ended, _) => "the connection ended during the handshake".to_owned(),
            (Failure::UnknownName, _) => "it has no certificate for that name".to_owned(),
            (Failure::CertificateRequired, _) => "it demands a client certificate".to_owned(),
            (Failure::CertificateRefused, _) if details.files.identity.is_none() => {
                "it demands a client certificate".to_owned()
            }
            (Failure::CertificateRefused, _) => {
                "it does not accept the client certificate".to_owned()
            }
            (Failure::Refused, _) => "it refused the handshake".to_owned(),
            (Failure::Other, Some(bundle)) => {
                format!("the handshake failed, with the trusted certificates in {bundle}")
            }
            (Failure::Other, None) => "the handshake failed".to_owned(),
        }
    }

    /// What helps. None if that depends on what set the host.
    fn remedy(self, details: &Details<'_>) -> Option<String> {
        let files = details.files;
        let remedy = match self {
            Failure::UnknownIssuer | Failure::SelfSigned | Failure::NoRoot | Failure::Other => {
                trust(self, details)
            }
            Failure::Expired => "have that renewed, or set the clock if that is wrong".to_owned(),
            Failure::NotYetValid if is_before_this_crate(details.wall) => {
                "set the clock: it is years behind".to_owned()
            }
            Failure::NotYetValid => "set the clock if that is wrong, or wait".to_owned(),
            Failure::Weak => {
                "it needs an RSA key of 2048 bits or more or an EC key, and a signature with SHA-256 \
                 or better"
                    .to_owned()
            }
            Failure::Unfit => "have another one made for that server".to_owned(),
            Failure::TooOld => "turn on TLS 1.2 or 1.3 there".to_owned(),
            Failure::Ended => {
                "a firewall or proxy on the way may have ended it; check also that it is https \
                 there, not http"
                    .to_owned()
            }
            Failure::UnknownName => "check the host, and what the server is set up for".to_owned(),
            Failure::CertificateRequired => certificate(files),
            Failure::CertificateRefused => certificate(files),
            Failure::Refused if files.identity.is_none() => {
                "it may demand a client certificate (ClientBuilder::client_identity), or share no \
                 cipher with this machine: see its log"
                    .to_owned()
            }
            Failure::Refused => "see its log".to_owned(),
            Failure::NotTls | Failure::OtherName => return None,
        };
        Some(remedy)
    }

    /// What ended a connection in use, and what helps, if the other end said so.
    pub(super) fn after_handshake(
        text: &str,
        host: &str,
        files: &TlsFiles,
    ) -> Option<(String, String)> {
        let why = match (Failure::of(text), &files.identity) {
            (Failure::CertificateRequired, _) | (Failure::CertificateRefused, None) => {
                "demands a client certificate"
            }
            (Failure::CertificateRefused, Some(_)) => "does not accept the client certificate",
            _ => return None,
        };
        Some((
            format!("{host} {why} ({})", plain(text)),
            certificate(files),
        ))
    }
}

/// What helps if a server wants to see a certificate, or another one.
fn certificate(files: &TlsFiles) -> String {
    match &files.identity {
        None => "name one with ClientBuilder::client_identity".to_owned(),
        Some(identity) => format!(
            "check {}: it needs the certificates between it and its CA, and a CA that the server trusts",
            identity.shown()
        ),
    }
}

/// Whom to trust.
fn trust(failure: Failure, details: &Details<'_>) -> String {
    let is_set = details.files.ca_bundle.is_some();
    let remedy = match (failure, is_set) {
        (Failure::UnknownIssuer, true) => {
            "add the certificate of its CA to that file, which replaces what the system trusts"
        }
        (Failure::UnknownIssuer, false) => {
            "if your company or a proxy of it has signed, name a file with the certificate of that CA \
             in AWS_CA_BUNDLE or ClientBuilder::ca_bundle"
        }
        (Failure::SelfSigned, true) => "add it to that file",
        (Failure::SelfSigned, false) => {
            "if it is the right one, name a file with it in AWS_CA_BUNDLE or ClientBuilder::ca_bundle"
        }
        (Failure::NoRoot, true) => "add that certificate, which is self-signed, to the file",
        (Failure::NoRoot, false) => "add the certificate of the root CA, which is self-signed",
        (_, true) => "check the certificate there, and whether that file has its CA",
        (_, false) => {
            "check the certificate there; if a CA of your company has signed it, name a file with the \
             certificate of that CA in AWS_CA_BUNDLE or ClientBuilder::ca_bundle"
        }
    };
    match &details.unusable {
        Some(unusable) => format!("{remedy}; {unusable}"),
        None => remedy.to_owned(),
    }
}

/// Whether a clock shows a time before this crate was written.
fn is_before_this_crate(wall: SystemTime) -> bool {
    const BEGINNING_OF_2026: Duration = Duration::from_secs(1_767_225_600);
    wall < SystemTime::UNIX_EPOCH + BEGINNING_OF_2026
}

/// What a library says, in one line and without the places in its own sources.
fn plain(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    // OpenSSL: `error:0A000086:SSL routines:function:reason:file:line:data (why)`.
    let Some(at) = first.find("error:0") else {
        return first.to_owned();
    };
    if let Some((_, why)) = first
        .strip_suffix(')')
        .and_then(|text| text.rsplit_once(" ("))
    {
        return why.to_owned();
    }
    let reason = first[at..].split(':').nth(4);
    reason
        .filter(|reason| !reason.is_empty())
        .unwrap_or(first)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::s3::settings::tls_files::NamedFile;

    const VERIFY: &str = "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate \
                          verify failed:../ssl/statem/statem_clnt.c:1889:";

    fn alert(name: &str) -> String {
        format!(
            "error:0A000410:SSL routines:ssl3_read_bytes:{name}:../ssl/record/rec_layer_s3.c:1602:SSL alert number 40"
        )
    }

    /// As native-tls writes it: what OpenSSL found in a certificate is in the outer text alone.
    fn verify(why: &str) -> String {
        format!("{VERIFY} ({why})\n{VERIFY}")
    }

    #[test]
    fn a_certificate_is_told_by_what_openssl_found_in_it() {
        for (why, failure) in [
            (
                "unable to get local issuer certificate",
                Failure::UnknownIssuer,
            ),
            (
                "unable to verify the first certificate",
                Failure::UnknownIssuer,
            ),
            (
                "self-signed certificate in certificate chain",
                Failure::UnknownIssuer,
            ),
            (
                "self signed certificate in certificate chain",
                Failure::UnknownIssuer,
            ),
            ("self-signed certificate", Failure::SelfSigned),
            ("self signed certificate", Failure::SelfSigned),
            ("unable to get issuer certificate", Failure::NoRoot),
            ("hostname mismatch", Failure::OtherName),
            ("Hostname mismatch", Failure::OtherName),
            ("IP address mismatch", Failure::OtherName),
            ("certificate has expired", Failure::Expired),
            ("certificate is not yet valid", Failure::NotYetValid),
            ("EE certificate key too weak", Failure::Weak),
            ("CA md too weak", Failure::Weak),
            ("unsuitable certificate purpose", Failure::Unfit),
            ("something new", Failure::Other),
        ] {
            assert_eq!(Failure::of(&verify(why)), failure, "{why}");
            assert_eq!(plain(&verify(why)), why);
        }
    }

    #[test]
    fn an_alert_is_told_by_its_name() {
        for (name, failure) in [
            ("sslv3 alert handshake failure", Failure::Refused),
            ("ssl/tls alert handshake failure", Failure::Refused),
            ("tlsv1 alert protocol version", Failure::TooOld),
            ("tlsv1 unrecognized name", Failure::UnknownName),
            ("tlsv1 alert unknown ca", Failure::CertificateRefused),
            ("sslv3 alert bad certificate", Failure::CertificateRefused),
            (
                "tlsv13 alert certificate required",
                Failure::CertificateRequired,
            ),
        ] {
            assert_eq!(Failure::of(&alert(name)), failure, "{name}");
            assert_eq!(plain(&alert(name)), name);
        }
    }

    #[test]
    fn what_is_no_handshake_is_told_as_such() {
        let text =
            "error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../ssl/x.c:350:";
        assert_eq!(Failure::of(text), Failure::NotTls);
        assert_eq!(plain(text), "wrong version number");
        for text in ["unexpected EOF", "Connection reset by peer (os error 104)"] {
            assert_eq!(Failure::of(text), Failure::Ended);
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn texts_of_other_libraries_are_shown_as_they_are() {
        for text in [
            "The certificate was not trusted.",
            "A certificate chain could not be built to a trusted root authority. (os error -2146762486)",
        ] {
            assert_eq!(Failure::of(text), Failure::Other);
            assert_eq!(plain(&format!("{text}\nmore")), text);
        }
    }

    fn told(failure: Failure, files: TlsFiles, seconds: u64) -> String {
        let error = failure.told(&Details {
            host: "minio.example",
            text: "cause",
            files: &files,
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            unusable: None,
        });
        let remedy = error.remedy.clone().unwrap_or_default();
        format!("{error}; {remedy}")
    }

    #[test]
    fn a_clock_that_is_surely_behind_is_told_as_that() {
        let told = |seconds| told(Failure::NotYetValid, TlsFiles::default(), seconds);
        assert!(
            told(86_400).ends_with("says 1970-01-02T00:00:00Z; set the clock: it is years behind")
        );
        assert!(told(1_795_399_200).ends_with("; set the clock if that is wrong, or wait"));
    }

    #[test]
    fn a_failure_that_is_not_known_names_the_file_of_trusted_certificates() {
        let ca_bundle = Some(NamedFile {
            path: "/ca.pem".into(),
            by: "AWS_CA_BUNDLE".to_owned(),
        });
        let files = TlsFiles {
            ca_bundle,
            identity: None,
        };
        let with = told(Failure::Other, files, 0);
        assert!(
            with.contains("/ca.pem, which AWS_CA_BUNDLE names"),
            "{with}"
        );
        let without = told(Failure::Other, TlsFiles::default(), 0);
        assert!(
            without.contains("in AWS_CA_BUNDLE or ClientBuilder::ca_bundle"),
            "{without}"
        );
    }
}
