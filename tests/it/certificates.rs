//! HTTPS: whom a client trusts, what it shows of itself, and what it says in its hello. The texts of
//! what goes wrong are in `bad_input/certificates.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use s3_lock::{Client, ClientBuilder, LockError, StorageErrorKind};

use crate::child::Home;
use crate::support::{Authority, BUCKET, Issued, Server, Terms, Tls, Valid, openssl};
use crate::{child, client_builder_at, lock_of, storage};

/// The names of this machine that certificates are made for.
pub const HERE: &str = "IP:127.0.0.1,DNS:localhost";
/// Parts that a child plays.
pub const PARTS: &str = "certificates";

/// Takes a lock and gives it back.
pub fn cycle(builder: ClientBuilder) -> Result<(), LockError> {
    cycle_of(&builder.build().unwrap())
}

fn cycle_of(client: &Client) -> Result<(), LockError> {
    lock_of(client).try_acquire("me")?.release()
}

/// A child whose store is at `endpoint`, with nothing in its environment of whom to trust.
pub fn child_at(endpoint: &str) -> Command {
    let mut command = child::command("complain", endpoint);
    command
        .env_remove("SSL_CERT_FILE")
        .env_remove("SSL_CERT_DIR");
    command
}

/// What such a child complains of when it takes a lock.
pub fn complaint(command: Command) -> String {
    let told = child::complaint(command);
    told.split_once(" | ")
        .map_or(told.clone(), |(_, text)| text.to_owned())
}

/// A server, its door, and the authority that has signed the door's certificate.
struct Site {
    server: Server,
    authority: Authority,
    tls: Tls,
}

impl Site {
    fn new() -> Site {
        Site::with(|authority| authority.issue(HERE), &Terms::default())
    }

    fn with(issued: impl FnOnce(&Authority) -> Issued, terms: &Terms<'_>) -> Site {
        let (server, authority) = (Server::start(), Authority::new());
        let tls = Tls::with(&server, &issued(&authority), terms);
        Site {
            server,
            authority,
            tls,
        }
    }

    fn builder(&self) -> ClientBuilder {
        client_builder_at(&self.tls.endpoint())
    }

    /// The settings of a client that trusts the right authority.
    fn trusting(&self) -> ClientBuilder {
        self.builder().ca_bundle(self.authority.certificate())
    }

    fn bundle(&self, text: &str) -> ClientBuilder {
        self.builder()
            .ca_bundle(self.authority.file("bundle", text))
    }

    fn pem(&self) -> String {
        fs::read_to_string(self.authority.certificate()).unwrap()
    }
}

#[test]
fn client_trusts_who_is_in_its_bundle() {
    cycle(Site::new().trusting()).unwrap();
}

#[test]
fn client_trusts_who_is_in_the_bundle_that_a_profile_names() {
    let (site, home) = (Site::new(), Home::new("profiles-bundle"));
    let bundle = site.authority.certificate();
    home.write(
        "config",
        &format!("[profile p]\nca_bundle = {}\n", bundle.display()),
    );
    let mut command = child_at(&site.tls.endpoint());
    command.env("HOME", home.path()).env("AWS_PROFILE", "p");
    assert_eq!(complaint(command), "none");
}

#[test]
fn client_names_the_profile_whose_bundle_does_not_hold_who_has_signed() {
    let (site, other, home) = (Site::new(), Authority::new(), Home::new("other-bundle"));
    let bundle = other.certificate();
    home.write(
        "config",
        &format!("[profile p]\nca_bundle = {}\n", bundle.display()),
    );
    let mut command = child_at(&site.tls.endpoint());
    command.env("HOME", home.path()).env("AWS_PROFILE", "p");
    let told = complaint(command);
    assert!(
        told.contains("which profile \"p\" names, has signed"),
        "{told}"
    );
}

#[test]
fn client_names_the_bucket_in_the_name_of_a_host_with_a_certificate() {
    let names = format!("DNS:{BUCKET}.localhost");
    let site = Site::with(|authority| authority.issue(&names), &Terms::default());
    let endpoint = site.tls.endpoint().replace("127.0.0.1", "localhost");
    let trusting = site.trusting();
    cycle(trusting.endpoint(endpoint).virtual_hosted()).unwrap();
}

#[test]
fn client_trusts_a_self_signed_certificate_that_is_in_its_bundle() {
    let (server, authority) = (Server::start(), Authority::new());
    let issued = authority.self_signed(HERE);
    let tls = Tls::with(&server, &issued, &Terms::default());
    cycle(client_builder_at(&tls.endpoint()).ca_bundle(&issued.certificate)).unwrap();
}

#[test]
fn client_trusts_who_is_signed_by_way_of_an_intermediate_that_the_server_sends() {
    let (server, authority) = (Server::start(), Authority::new());
    let middle = authority.intermediate();
    let issued = with_chain(&middle, middle.issue(HERE));
    let tls = Tls::with(&server, &issued, &Terms::default());
    let builder = client_builder_at(&tls.endpoint());
    cycle(builder.ca_bundle(authority.certificate())).unwrap();
}

/// The same certificate, with the one that has signed it in the same file.
fn with_chain(signer: &Authority, issued: Issued) -> Issued {
    let texts =
        [&issued.certificate, &signer.certificate()].map(|p| fs::read_to_string(p).unwrap());
    fs::write(&issued.certificate, texts.concat()).unwrap();
    issued
}

#[test]
fn client_reads_a_bundle_with_many_certificates_and_all_that_people_put_around_them() {
    let site = Site::new();
    let others: String = (0..4)
        .map(|_| fs::read_to_string(Authority::new().certificate()).unwrap())
        .collect();
    let pem = site.pem();
    for text in [
        format!("{}{pem}", others.repeat(40)),
        pem.replace('\n', "\r\n"),
        format!("\u{feff}# Our CA\nissuer=CN = Private CA\n\n{pem}\n# the end"),
        pem.trim_end().to_owned(),
    ] {
        cycle(site.bundle(&text)).unwrap();
    }
}

#[test]
fn client_trusts_nobody_else_than_its_bundle_names() {
    let site = Site::new();
    let other = Authority::new();
    let mut command = child_at(&site.tls.endpoint());
    command.env("SSL_CERT_FILE", site.authority.certificate());
    command.env("AWS_CA_BUNDLE", other.certificate());
    let told = complaint(command);
    assert!(
        told.contains("which AWS_CA_BUNDLE names, has signed"),
        "{told}"
    );
}

#[test]
fn client_trusts_the_bundle_of_the_environment() {
    let site = Site::new();
    let mut command = child_at(&site.tls.endpoint());
    command.env("AWS_CA_BUNDLE", site.authority.certificate());
    assert_eq!(complaint(command), "none");
}

#[test]
fn client_trusts_the_bundle_in_code_before_that_of_the_environment() {
    let site = Site::new();
    let mut command = child::command(&format!("{PARTS}: in code"), &site.tls.endpoint());
    command.env("AWS_CA_BUNDLE", "/no/such/file");
    command.env(IN_CODE, site.authority.certificate());
    child::ends_well(command);
}

const IN_CODE: &str = "S3_LOCK_TEST_CA_BUNDLE";

pub fn play(part: &str) {
    assert_eq!(part, "in code");
    let bundle = std::env::var(IN_CODE).unwrap();
    let client = Client::builder()
        .ca_bundle(bundle)
        .assume_conditional_writes();
    cycle(client).unwrap();
}

#[test]
fn client_trusts_what_ssl_cert_file_names() {
    let site = Site::new();
    let mut command = child_at(&site.tls.endpoint());
    command.env("SSL_CERT_FILE", site.authority.certificate());
    assert_eq!(complaint(command), "none");
}

#[test]
fn client_trusts_what_is_in_the_folder_that_ssl_cert_dir_names() {
    let site = Site::new();
    let folder = site.authority.certificate().with_file_name("folder");
    fs::create_dir(&folder).unwrap();
    fs::copy(site.authority.certificate(), folder.join("ours.pem")).unwrap();
    let run = || {
        let mut command = child_at(&site.tls.endpoint());
        complaint({
            command.env("SSL_CERT_DIR", &folder);
            command
        })
    };
    let told = run();
    let remedy = format!("run `openssl rehash {}`", folder.display());
    assert!(told.contains(&remedy), "{told}");
    openssl(&folder, &["rehash", "."]);
    assert_eq!(run(), "none");
}

#[test]
fn client_reads_a_bundle_again_that_was_wrong() {
    let site = Site::new();
    let bundle = site.authority.file("bundle", "");
    let client = site.builder().ca_bundle(&bundle).build().unwrap();
    for wrong in [
        "",
        "no certificate",
        &fs::read_to_string(Authority::new().certificate()).unwrap(),
    ] {
        fs::write(&bundle, wrong).unwrap();
        cycle_of(&client).unwrap_err();
    }
    fs::copy(site.authority.certificate(), &bundle).unwrap();
    cycle_of(&client).unwrap();
}

#[test]
fn client_keeps_what_it_has_read_if_the_bundle_cannot_be_read_again() {
    let site = Site::new();
    let bundle = site.authority.file("bundle", site.pem());
    let client = site.builder().ca_bundle(&bundle).build().unwrap();
    cycle_of(&client).unwrap();
    fs::remove_file(&bundle).unwrap();
    site.server.drop_idle_connections();
    // The door closes its side once a request has gone to nobody.
    let _ = lock_of(&client).status();
    cycle_of(&client).unwrap();
}

#[test]
fn client_speaks_tls_1_2_and_1_3() {
    for version in [12, 13] {
        let terms = Terms {
            only: Some(version),
            ..Terms::default()
        };
        cycle(Site::with(|a| a.issue(HERE), &terms).trusting()).unwrap();
    }
}

#[test]
fn client_shows_its_certificate_with_its_chain_to_a_server_that_demands_one() {
    let clients = Authority::new();
    let middle = clients.intermediate();
    let mine = with_chain(&middle, middle.issue("DNS:client"));
    for version in [12, 13] {
        let terms = Terms {
            only: Some(version),
            demands: Some(&clients.certificate()),
        };
        let site = Site::with(|a| a.issue(HERE), &terms);
        cycle(
            site.trusting()
                .client_certificate(&mine.certificate, &mine.key),
        )
        .unwrap();
    }
}

#[test]
fn client_shows_the_certificate_in_an_archive_with_its_chain() {
    let clients = Authority::new();
    let middle = clients.intermediate();
    let mine = with_chain(&middle, middle.issue("DNS:client"));
    let terms = Terms {
        demands: Some(&clients.certificate()),
        ..Terms::default()
    };
    let site = Site::with(|a| a.issue(HERE), &terms);
    let archive = fs::read(mine.archive("hunter2")).unwrap();
    cycle(site.trusting().client_identity(archive, "hunter2")).unwrap();
}

#[test]
fn client_takes_certificate_and_key_from_one_file() {
    let clients = Authority::new();
    let mine = clients.issue("DNS:client");
    let texts = [&mine.key, &mine.certificate].map(|p| fs::read_to_string(p).unwrap());
    let both = clients.file("both", texts.concat());
    let terms = Terms {
        demands: Some(&clients.certificate()),
        ..Terms::default()
    };
    let site = Site::with(|a| a.issue(HERE), &terms);
    cycle(site.trusting().client_certificate(&both, &both)).unwrap();
}

#[test]
fn client_shows_the_certificate_that_replaces_its_old_one_on_disk() {
    let clients = Authority::new();
    let terms = Terms {
        demands: Some(&clients.certificate()),
        ..Terms::default()
    };
    let site = Site::with(|a| a.issue(HERE), &terms);
    let (old, new) = (
        clients.issue_for("DNS:client", Valid::Before),
        clients.issue("DNS:client"),
    );
    let builder = site.trusting();
    let client = builder
        .client_certificate(&old.certificate, &old.key)
        .build()
        .unwrap();
    cycle_of(&client).unwrap_err();
    fs::copy(new.certificate, old.certificate).unwrap();
    fs::copy(new.key, old.key).unwrap();
    cycle_of(&client).unwrap();
}

#[test]
fn acquire_gives_up_at_once_if_a_server_demands_a_certificate_and_there_is_none() {
    let clients = Authority::new();
    for version in [12, 13] {
        let terms = Terms {
            only: Some(version),
            demands: Some(&clients.certificate()),
        };
        let site = Site::with(|a| a.issue(HERE), &terms);
        // It asks again if it was not told why the first connection ended.
        let lock = lock_of(&site.trusting().build().unwrap());
        let error = storage(lock.acquire("me").unwrap_err());
        assert_eq!(error.kind(), StorageErrorKind::Unreachable);
        assert!(
            error.to_string().contains("ClientBuilder::client_identity"),
            "{error}"
        );
    }
}

#[test]
fn client_finds_its_host_in_a_certificate_however_it_is_written() {
    let site = Site::new();
    let port = site.tls.port();
    for host in ["127.0.0.1", "localhost", "LocalHost"] {
        let builder = client_builder_at(&format!("https://{host}:{port}"));
        cycle(builder.ca_bundle(site.authority.certificate())).unwrap();
    }
}

/// The extensions of the hello of a client that goes to this host.
fn hello_to(host: &str) -> BTreeMap<u16, Vec<u8>> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let reader = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 5];
        stream.read_exact(&mut head).unwrap();
        let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut record).unwrap();
        record
    });
    cycle(client_builder_at(&format!("https://{host}:{port}"))).unwrap_err();
    // Whoever has not come by now does not come any more.
    drop(TcpStream::connect(("127.0.0.1", port)));
    extensions(&reader.join().unwrap())
}

/// What a hello holds after its type and length, its version and 32 random bytes (RFC 8446, 4.1.2).
fn extensions(hello: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let mut rest = &hello[4 + 2 + 32..];
    // The session, the ciphers and the compressions, each after its length.
    for width in [1, 2, 1] {
        rest = &rest[width + number(&rest[..width])..];
    }
    rest = &rest[2..];
    let mut found = BTreeMap::new();
    while let [a, b, c, d, more @ ..] = rest {
        let (body, after) = more.split_at(number(&[*c, *d]));
        found.insert(u16::from_be_bytes([*a, *b]), body.to_vec());
        rest = after;
    }
    found
}

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const SUPPORTED_VERSIONS: u16 = 43;

#[test]
fn client_offers_tls_1_3_and_1_2_and_no_other_protocol_than_http_1() {
    let hello = hello_to("localhost");
    assert_eq!(hello[&SUPPORTED_VERSIONS], [4, 3, 4, 3, 3]);
    assert!(!hello.contains_key(&ALPN));
}

#[test]
fn client_tells_a_server_the_name_that_it_is_asked_by() {
    let name = hello_to("localhost").remove(&SERVER_NAME).unwrap();
    assert_eq!(&name[5..], b"localhost");
}

#[test]
fn client_tells_a_server_no_name_that_is_an_address() {
    assert!(!hello_to("127.0.0.1").contains_key(&SERVER_NAME));
}

#[test]
fn client_that_goes_to_plain_http_reads_no_bundle() {
    let server = Server::start();
    let builder = client_builder_at(&server.endpoint()).ca_bundle(Path::new("/no/such/file"));
    cycle(builder).unwrap();
}
