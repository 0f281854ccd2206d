//! Certificates: files that are none, servers that show the wrong ones, and what is no TLS at all.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::path::Path;
use std::thread;

use s3_lock::ClientBuilder;

use super::{table, told};
use crate::certificates::{HERE, child_at, complaint, cycle};
use crate::child::{patient, patient_builder};
use crate::client_builder_at;
use crate::support::{Authority, Issued, Server, Terms, Tls, Valid, openssl};

/// What is said of a bundle with this content. `FILE` stands for its path.
fn bundle(content: impl AsRef<[u8]>) -> String {
    let authority = Authority::new();
    let file = authority.file("bundle.pem", content);
    of_bundle(&file)
}

fn of_bundle(file: &Path) -> String {
    let builder = client_builder_at("https://127.0.0.1:1").ca_bundle(file);
    told(cycle(builder)).replace(file.to_str().unwrap(), "FILE")
}

fn in_der(authority: &Authority) -> Vec<u8> {
    let pem = authority.certificate();
    let der = pem.with_file_name("der");
    let dir = pem.parent().unwrap();
    openssl(
        dir,
        &["x509", "-in", "ca.pem", "-outform", "DER", "-out", "der"],
    );
    fs::read(der).unwrap()
}

#[test]
fn client_tells_of_a_bundle_that_cannot_be() {
    let authority = Authority::new();
    let pem = fs::read_to_string(authority.certificate()).unwrap();
    let key = fs::read_to_string(authority.issue(HERE).key).unwrap();
    let broken = pem.replacen("\nMII", "\nAAA", 1);
    let second = format!("# one\n{pem}# two\n{broken}");
    let place = format!("at line {}", 3 + pem.lines().count());
    // What the library says of a broken certificate depends on its version.
    let broken = bundle(second).replace(&place, "at line LAST");
    let broken = broken.split_once("cannot be read (").unwrap().0.to_owned();
    let dir = authority.certificate().parent().unwrap().to_owned();
    openssl(
        &dir,
        &[
            "x509",
            "-in",
            "ca.pem",
            "-trustout",
            "-addreject",
            "serverAuth",
            "-out",
            "rules",
        ],
    );
    let with_rules = of_bundle(&dir.join("rules"));
    table! {
        of_bundle(Path::new("/no/such/file")) => r#"invalid ca_bundle "FILE": it cannot be read (ENOENT)"#;
        of_bundle(Path::new("~/ca.pem")) => r#"invalid ca_bundle "FILE": it cannot be read (ENOENT); only a shell replaces the ~"#;
        of_bundle(Path::new("/tmp")) => r#"invalid ca_bundle "FILE": it is a directory; name a file"#;
        bundle("") => r#"invalid ca_bundle "FILE": it is empty"#;
        bundle("\n \n") => r#"invalid ca_bundle "FILE": it is empty"#;
        bundle("hello") => r#"invalid ca_bundle "FILE": it holds no certificate: a PEM file has lines that read -----BEGIN CERTIFICATE-----"#;
        bundle(&pem[..pem.len() / 2]) => r#"invalid ca_bundle "FILE": it holds no certificate: a PEM file has lines that read -----BEGIN CERTIFICATE-----"#;
        bundle(key) => r#"invalid ca_bundle "FILE": it holds no certificate, but a block named PRIVATE KEY"#;
        bundle(in_der(&authority)) => r#"invalid ca_bundle "FILE": it is DER, not PEM: convert it with `openssl x509 -inform DER -in FILE -out FILE.pem`, and name that file"#;
        bundle(b"\xff\xfe-\0-\0") => r#"invalid ca_bundle "FILE": it is UTF-16: save it as UTF-8 or ASCII"#;
        with_rules => r#"invalid ca_bundle "FILE": its certificate 1, at line 1, is a TRUSTED CERTIFICATE, which only OpenSSL reads: convert it with `openssl x509 -in FILE -out FILE.pem`, and name that file"#;
        broken => r#"invalid ca_bundle "FILE": its certificate 2, at line LAST, "#;
    }
}

/// What is said of a client certificate; `DIR` stands for the folder of both files.
fn identity(certificate: &Path, key: &Path) -> String {
    let dir = key.parent().unwrap().to_str().unwrap();
    let builder = client_builder_at("https://127.0.0.1:1");
    told(cycle(builder.client_certificate(certificate, key))).replace(dir, "DIR")
}

/// What `build` says of an archive with a client certificate.
fn archive(der: impl Into<Vec<u8>>, password: &str) -> String {
    let builder = client_builder_at("https://127.0.0.1:1");
    told(builder.client_identity(der, password).build())
}

#[test]
fn build_tells_of_an_archive_that_cannot_be() {
    let authority = Authority::new();
    let issued = authority.issue("DNS:client");
    let good = fs::read(issued.archive("hunter2")).unwrap();
    let pem = fs::read(&issued.certificate).unwrap();
    let cut = archive(&good[..good.len() / 2], "hunter2");
    let (cut, _) = cut.split_once('(').unwrap();
    table! {
        archive(good.clone(), "hunter2") => "no error";
        archive(good.clone(), "hunter3") => "invalid client_identity: the password is not that of this PKCS #12 archive";
        archive(good.clone(), "") => "invalid client_identity: the password is not that of this PKCS #12 archive";
        archive("", "hunter2") => "invalid client_identity: it is empty";
        archive(pem, "hunter2") => "invalid client_identity: it is PEM, not PKCS #12: name the files with ClientBuilder::client_certificate";
        cut.to_owned() => "invalid client_identity: it is no PKCS #12 archive of a certificate and its key ";
    }
}

#[test]
fn client_tells_of_a_certificate_of_its_own_that_cannot_be() {
    let authority = Authority::new();
    let Issued { certificate, key } = authority.issue("DNS:client");
    let dir = key.parent().unwrap();
    let file = |name: &str, text: &str| authority.file(name, text);
    let made = |name: &str, args: &[&str]| {
        let from = ["-in", key.to_str().unwrap(), "-out", name];
        openssl(dir, &[&args[..1], &from, &args[1..]].concat());
        dir.join(name)
    };
    let ec = made("ec", &["ec"]);
    let encrypted = made(
        "encrypted",
        &["pkey", "-aes128", "-passout", "pass:hunter2"],
    );
    let encrypted_ec = made(
        "encrypted-ec",
        &["ec", "-aes128", "-passout", "pass:hunter2"],
    );
    let der = made("der", &["pkey", "-outform", "DER"]);
    let key_alone = file("key-alone", &fs::read_to_string(&key).unwrap());
    let other = authority.issue("DNS:other").key;
    fs::rename(&other, dir.join("other")).unwrap();
    fs::rename(&certificate, dir.join("mine.pem")).unwrap();
    let mine = dir.join("mine.pem");
    table! {
        identity(&dir.join("none"), &key) => r#"invalid client_certificate "DIR/none": it cannot be read (ENOENT)"#;
        identity(&mine, &dir.join("none")) => r#"invalid client_certificate "DIR/none": it cannot be read (ENOENT)"#;
        identity(&file("empty", ""), &key) => r#"invalid client_certificate "DIR/empty": it is empty"#;
        identity(&key_alone, &key) => r#"invalid client_certificate "DIR/key-alone": it holds no certificate, but a block named PRIVATE KEY"#;
        identity(&mine, &file("no-key", "")) => r#"invalid client_certificate "DIR/no-key": it is empty"#;
        identity(&mine, &mine) => r#"invalid client_certificate "DIR/mine.pem": it holds no key: a PEM file has a line that reads -----BEGIN PRIVATE KEY-----"#;
        identity(&mine, &ec) => r#"invalid client_certificate "DIR/ec": its key is no PKCS #8, but a block named EC PRIVATE KEY: convert it with `openssl pkey -in DIR/ec -out DIR/ec.pkcs8`, and name that file"#;
        identity(&mine, &encrypted) => r#"invalid client_certificate "DIR/encrypted": the key is encrypted, and there is nobody to ask for its passphrase: convert it with `openssl pkey -in DIR/encrypted -out DIR/encrypted.pkcs8`, and name that file"#;
        identity(&mine, &encrypted_ec) => r#"invalid client_certificate "DIR/encrypted-ec": the key is encrypted, and there is nobody to ask for its passphrase: convert it with `openssl pkey -in DIR/encrypted-ec -out DIR/encrypted-ec.pkcs8`, and name that file"#;
        identity(&mine, &der) => r#"invalid client_certificate "DIR/der": it is DER, not PEM: convert it with `openssl pkey -inform DER -in DIR/der -out DIR/der.pkcs8`, and name that file"#;
        identity(&mine, &dir.join("other")) => r#"invalid client_certificate "DIR/mine.pem": the key DIR/other belongs to another certificate"#;
    }
}

#[test]
fn client_uses_a_key_that_was_converted_as_its_error_says() {
    let authority = Authority::new();
    let Issued { certificate, key } = authority.issue("DNS:client");
    let dir = key.parent().unwrap();
    for (name, args) in [
        ("ec", ["ec", "-outform", "PEM"]),
        ("der", ["pkey", "-outform", "DER"]),
    ] {
        let from = ["-in", key.to_str().unwrap(), "-out", name];
        openssl(dir, &[&args[..], &from].concat());
        let told = identity(&certificate, &dir.join(name));
        let command = told
            .split('`')
            .nth(1)
            .unwrap()
            .replace("DIR", dir.to_str().unwrap());
        let words: Vec<_> = command.split(' ').skip(1).collect();
        openssl(dir, &words);
        let told = identity(&certificate, &dir.join(format!("{name}.pkcs8")));
        assert!(told.contains("was not sent: no connection"), "{told}");
    }
}

/// What is said of a door with a certificate. `SERVER` stands for its URL, `HOST` for its host and
/// port, `BUNDLE` for the file of certificates, and `DATE` for today.
fn door(issued: &Issued, terms: &Terms<'_>, bundle: &Path) -> String {
    let server = Server::start();
    let tls = Tls::with(&server, issued, terms);
    at(
        client_builder_at(&tls.endpoint()).ca_bundle(bundle),
        &tls.endpoint(),
        bundle,
    )
}

fn at(builder: ClientBuilder, endpoint: &str, bundle: &Path) -> String {
    // A rejection that comes when the handshake is over here may come before the request: then it is
    // not told.
    let builder = patient_builder(builder);
    let attempts = (0..100).map(|_| told(cycle(builder.clone())));
    let is_vague = |told: &String| told.contains("closed the connection after the handshake");
    let told = { attempts }.find(|told| !is_vague(told));
    named(&told.expect("it is told at times"), endpoint, bundle)
}

fn named(told: &str, endpoint: &str, bundle: &Path) -> String {
    let host = endpoint.split_once("://").unwrap().1;
    let told = told.replace(endpoint, "SERVER").replace(host, "HOST");
    let told = told.replace(bundle.to_str().unwrap(), "BUNDLE");
    match told.split_once("which says 2") {
        Some((start, end)) => format!(
            "{start}which says DATE{}",
            &end["026-11-30T08:00:00Z".len()..]
        ),
        None => told,
    }
}

/// Its rows say what OpenSSL says. Elsewhere these texts are in the system's own words.
#[test]
#[cfg(not(target_vendor = "apple"))]
fn client_tells_of_a_certificate_that_it_cannot_trust() {
    let (ca, other) = (Authority::new(), Authority::new());
    let (ca_file, other) = (ca.certificate(), other.certificate());
    let usual = Terms::default();
    let good = ca.issue(HERE);
    let middle = ca.intermediate();
    let leaf = middle.issue(HERE);
    table! {
        door(&good, &usual, &ca_file) => "no error";
        door(&good, &usual, &other) => "NOT SENT: no TLS with HOST: no certificate in BUNDLE, which ClientBuilder::ca_bundle names, has signed its certificate (unable to get local issuer certificate); add the certificate of its CA to that file, which replaces what the system trusts";
        door(&ca.self_signed(HERE), &usual, &ca_file) => "NOT SENT: no TLS with HOST: its certificate is self-signed and not in BUNDLE, which ClientBuilder::ca_bundle names; add it to that file";
        door(&leaf, &usual, &ca_file) => "NOT SENT: no TLS with HOST: no certificate in BUNDLE, which ClientBuilder::ca_bundle names, has signed its certificate (unable to get local issuer certificate); add the certificate of its CA to that file, which replaces what the system trusts";
        door(&leaf, &usual, &middle.certificate()) => "NOT SENT: no TLS with HOST: BUNDLE, which ClientBuilder::ca_bundle names, has the certificate of its CA, but not that of the root CA above (unable to get issuer certificate); add that certificate, which is self-signed, to the file";
        door(&ca.issue_for(HERE, Valid::Before), &usual, &ca_file) => "NOT SENT: no TLS with HOST: its certificate, or one that signed it, has expired by this machine's clock, which says DATE; have that renewed, or set the clock if that is wrong";
        door(&ca.issue_for(HERE, Valid::Later), &usual, &ca_file) => "NOT SENT: no TLS with HOST: its certificate, or one that signed it, is not valid yet by this machine's clock, which says DATE; set the clock if that is wrong, or wait";
        door(&ca.issue("DNS:example.com"), &usual, &ca_file) => "NOT SENT: no TLS with HOST: its certificate is for other names (IP address mismatch); ClientBuilder::endpoint says SERVER: use a host that its certificate names, or have that certificate name this one";
    }
}

#[test]
fn client_tells_of_a_certificate_that_the_system_does_not_trust() {
    let (server, ca) = (Server::start(), Authority::new());
    let usual = Terms::default();
    let told = |issued: &Issued, variables: &[(&str, &str)]| {
        let tls = Tls::with(&server, issued, &usual);
        let mut command = child_at(&tls.endpoint());
        command.envs(variables.iter().copied());
        // The child checks the store first, and so asks for another key.
        let told = complaint(patient(command)).replace(".s3-lock-check", "nightly.lock");
        named(&told, &tls.endpoint(), &ca.certificate())
    };
    let good = ca.issue(HERE);
    table! {
        told(&good, &[]) => "NOT SENT: no TLS with HOST: no certificate that this machine trusts has signed its certificate (unable to get local issuer certificate); NAME THE CA";
        told(&good, &[("SSL_CERT_FILE", "/no/such/file")]) => "NOT SENT: no TLS with HOST: no certificate that this machine trusts has signed its certificate (unable to get local issuer certificate); NAME THE CA; SSL_CERT_FILE names /no/such/file, but it cannot be read (ENOENT)";
        told(&good, &[("SSL_CERT_FILE", "/dev/null")]) => "NOT SENT: no TLS with HOST: no certificate that this machine trusts has signed its certificate (unable to get local issuer certificate); NAME THE CA; SSL_CERT_FILE names /dev/null, but it is empty";
        told(&good, &[("SSL_CERT_DIR", "/no/such/folder")]) => "NOT SENT: no TLS with HOST: no certificate that this machine trusts has signed its certificate (unable to get local issuer certificate); NAME THE CA; SSL_CERT_DIR names /no/such/folder, but it cannot be read (ENOENT)";
        told(&ca.self_signed(HERE), &[]) => "NOT SENT: no TLS with HOST: its certificate is self-signed, and this machine does not trust it; if it is the right one, name a file with it in AWS_CA_BUNDLE or ClientBuilder::ca_bundle";
        told(&good, &[("AWS_CA_BUNDLE", "/no/such/file")]) => r#"invalid ca_bundle "/no/such/file" in AWS_CA_BUNDLE: it cannot be read (ENOENT)"#;
    }
}

#[test]
fn client_tells_of_a_server_that_demands_what_it_has_not() {
    let (ca, clients) = (Authority::new(), Authority::new());
    let (ca_file, clients_file) = (ca.certificate(), clients.certificate());
    let good = ca.issue(HERE);
    let only = |version| Terms {
        only: Some(version),
        ..Terms::default()
    };
    let demands = |version| Terms {
        only: Some(version),
        demands: Some(&clients_file),
    };
    let stranger = ca.issue("DNS:stranger");
    let with = |version, mine: &Issued| {
        let server = Server::start();
        let tls = Tls::with(&server, &good, &demands(version));
        let builder = client_builder_at(&tls.endpoint()).ca_bundle(&ca_file);
        let builder = builder.client_certificate(&mine.certificate, &mine.key);
        let told = at(builder, &tls.endpoint(), &ca_file);
        told.replace(mine.certificate.to_str().unwrap(), "MINE")
    };
    table! {
        door(&good, &only(11), &ca_file) => "NOT SENT: no TLS with HOST: it speaks neither TLS 1.2 nor TLS 1.3 (tlsv1 alert protocol version); turn on TLS 1.2 or 1.3 there";
        door(&good, &demands(12), &ca_file) => "NOT SENT: no TLS with HOST: it refused the handshake (sslv3 alert handshake failure); it may demand a client certificate (ClientBuilder::client_identity), or share no cipher with this machine: see its log";
        door(&good, &demands(13), &ca_file) => "GET SERVER/locks-test/locks/nightly.lock had no answer: HOST demands a client certificate (tlsv13 alert certificate required); name one with ClientBuilder::client_identity";
        with(12, &stranger) => "NOT SENT: no TLS with HOST: it does not accept the client certificate (tlsv1 alert unknown ca); check MINE, which ClientBuilder::client_certificate names: it needs the certificates between it and its CA, and a CA that the server trusts";
        with(13, &stranger) => "GET SERVER/locks-test/locks/nightly.lock had no answer: HOST does not accept the client certificate (tlsv1 alert unknown ca); check MINE, which ClientBuilder::client_certificate names: it needs the certificates between it and its CA, and a CA that the server trusts";
    }
}

/// A port where each connection that has said something gets these bytes, and is closed.
fn says(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    at(
        client_builder_at(&endpoint),
        &endpoint,
        Path::new("/no/such/file"),
    )
}

#[test]
fn client_tells_of_what_is_no_tls() {
    table! {
        says(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n") => "NOT SENT: no TLS with HOST: what answers there does not speak TLS (wrong version number); IS IT HTTP";
        says(b"SSH-2.0-OpenSSH_9.2\r\n") => "NOT SENT: no TLS with HOST: what answers there does not speak TLS (wrong version number); IS IT HTTP";
        says(b"") => "NOT SENT: no TLS with HOST: the connection ended during the handshake (unexpected EOF); a firewall or proxy on the way may have ended it; check also that it is https there, not http";
        says(b"\x15\x03\x03\x00\x02\x02\x28") => "NOT SENT: no TLS with HOST: it refused the handshake (sslv3 alert handshake failure); it may demand a client certificate (ClientBuilder::client_identity), or share no cipher with this machine: see its log";
        says(b"\x15\x03\x03\x00\x02\x02\x70") => "NOT SENT: no TLS with HOST: it has no certificate for that name (tlsv1 unrecognized name); check the host, and what the server is set up for";
        says(b"\x15\x03\x03\x00\x02\x02\x50") => "NOT SENT: no TLS with HOST: it refused the handshake (tlsv1 alert internal error); it may demand a client certificate (ClientBuilder::client_identity), or share no cipher with this machine: see its log";
    }
}

#[test]
fn client_tells_of_plain_http_to_a_port_of_tls() {
    let server = Server::start();
    let tls = Tls::start(&server);
    let plain = tls.endpoint().replace("https", "http");
    table! {
        at(client_builder_at(&plain), &plain, Path::new("/no/such/file")) => "GET SERVER/locks-test/locks/nightly.lock had no answer; MAYBE HTTPS";
    }
}
