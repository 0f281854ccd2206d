//! Reads PEM files: which blocks they hold, and what they are if they are no PEM. Pure.

use std::fmt::Write;
use std::path::Path;

/// One block of a PEM file, from its `-----BEGIN` line to its `-----END` line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub label: String,
    /// The line that it begins at, counted from 1.
    pub line: usize,
    pub text: String,
}

impl Block {
    pub(super) fn is_certificate(&self) -> bool {
        let labels = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];
        labels.contains(&self.label.as_str())
    }

    pub(super) fn is_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Whether OpenSSL has added its own rules to a certificate: what it is trusted for, and what not.
    pub(super) fn has_rules(&self) -> bool {
        self.label == "TRUSTED CERTIFICATE"
    }

    /// Whether it needs a passphrase.
    fn is_encrypted(&self) -> bool {
        self.label.starts_with("ENCRYPTED") || self.text.contains("Proc-Type: 4,ENCRYPTED")
    }
}

/// The blocks of a file. What is around them is comment. A block that does not end is left out.
pub(super) fn blocks(file: &[u8]) -> Vec<Block> {
    let text = String::from_utf8_lossy(file);
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}').trim();
        if let Some(label) = marked(line, "-----BEGIN ") {
            open = Some(Block {
                label: label.to_owned(),
                line: number + 1,
                text: String::new(),
            });
        }
        let Some(block) = &mut open else {
            continue;
        };
        block.text.push_str(line);
        block.text.push('\n');
        if marked(line, "-----END ") == Some(&block.label) {
            found.extend(open.take());
        }
    }
    found
}

fn marked<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.strip_prefix(mark)?.strip_suffix("-----")
}

/// Why a file in which a certificate was expected has none, and what helps.
pub(super) fn no_certificate(path: &Path, file: &[u8]) -> String {
    let path = path.display();
    if file.iter().all(u8::is_ascii_whitespace) {
        return "it is empty".to_owned();
    }
    if is_der(file) {
        return format!(
            "it is DER, not PEM: convert it with `openssl x509 -inform DER -in {path} -out {path}.pem`, \
             and name that file"
        );
    }
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = file {
        return "it is UTF-16: save it as UTF-8 or ASCII".to_owned();
    }
    let mut told = "it holds no certificate".to_owned();
    let blocks = blocks(file);
    match blocks.first() {
        Some(block) if block.label == "PKCS7" => {
            let _ = write!(
                told,
                ", but PKCS #7: convert it with `openssl pkcs7 -print_certs -in {path} -out {path}.pem`, \
                 and name that file"
            );
        }
        Some(block) => {
            let _ = write!(told, ", but a block named {}", block.label);
        }
        None => told.push_str(": a PEM file has lines that read -----BEGIN CERTIFICATE-----"),
    }
    told
}

/// The one key of a file, which must be one that TLS can use.
pub(super) fn key(path: &Path, file: &[u8]) -> Result<Block, String> {
    let path = path.display();
    let convert = |what: &str, form: &str| {
        format!(
            "{what}: convert it with `openssl pkey{form} -in {path} -out {path}.pkcs8`, and name that file"
        )
    };
    if file.iter().all(u8::is_ascii_whitespace) {
        return Err("it is empty".to_owned());
    }
    if is_der(file) || file.first() == Some(&0x30) {
        return Err(convert("it is DER, not PEM", " -inform DER"));
    }
    let key = blocks(file).into_iter().find(Block::is_key);
    let Some(key) = key else {
        return Err(
            "it holds no key: a PEM file has a line that reads -----BEGIN PRIVATE KEY-----"
                .to_owned(),
        );
    };
    if key.is_encrypted() {
        let what = "the key is encrypted, and there is nobody to ask for its passphrase";
        return Err(convert(what, ""));
    }
    if key.label != "PRIVATE KEY" {
        let what = format!("its key is no PKCS #8, but a block named {}", key.label);
        return Err(convert(&what, ""));
    }
    Ok(key)
}

/// Whether it begins as a certificate in DER does: a sequence whose first part is a sequence.
fn is_der(file: &[u8]) -> bool {
    let body = match file {
        [0x30, 0x82, _, _, body @ ..] | [0x30, 0x81, _, body @ ..] => body,
        _ => return false,
    };
    body.first() == Some(&0x30)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    fn labels(text: &str) -> Vec<(String, usize)> {
        let blocks = blocks(text.as_bytes());
        blocks.into_iter().map(|b| (b.label, b.line)).collect()
    }

    fn path() -> &'static Path {
        Path::new("/k")
    }

    #[test]
    fn a_block_is_found_whatever_is_around_it() {
        for text in [
            ONE.to_owned(),
            format!("\u{feff}{ONE}"),
            format!("# Some CA\nsubject=CN = a\n{ONE}").replace("# ", ""),
            ONE.replace('\n', "\r\n"),
            format!("  {}", ONE.replace('\n', "\n  ")),
            ONE.trim_end().to_owned(),
        ] {
            let found = blocks(text.as_bytes());
            let texts: Vec<_> = found.iter().map(|b| b.text.as_str()).collect();
            assert_eq!(texts, [ONE], "{text:?}");
        }
    }

    #[test]
    fn a_block_knows_the_line_that_it_begins_at() {
        let text = format!("# one\n{ONE}# two\n{ONE}");
        let two = [("CERTIFICATE".to_owned(), 2), ("CERTIFICATE".to_owned(), 6)];
        assert_eq!(labels(&text), two);
    }

    #[test]
    fn a_block_that_does_not_end_is_none() {
        assert_eq!(labels("-----BEGIN CERTIFICATE-----\nAAAA\n"), []);
        let cut = format!("-----BEGIN CERTIFICATE-----\nAA\n{ONE}");
        assert_eq!(labels(&cut), [("CERTIFICATE".to_owned(), 3)]);
        assert_eq!(labels("-----BEGIN A-----\n-----END B-----\n"), []);
    }

    #[test]
    fn a_key_of_another_form_is_told_with_the_command_that_converts_it() {
        let of = |label: &str, inner: &str| {
            let text = format!("-----BEGIN {label}-----\n{inner}-----END {label}-----\n");
            key(path(), text.as_bytes()).map(|b| b.text)
        };
        assert!(of("PRIVATE KEY", "AA\n").is_ok());
        let command = "convert it with `openssl pkey -in /k -out /k.pkcs8`, and name that file";
        for label in ["RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            let told = of(label, "AA\n").unwrap_err();
            let what = format!("its key is no PKCS #8, but a block named {label}: {command}");
            assert_eq!(told, what);
        }
        for (label, inner) in [
            ("ENCRYPTED PRIVATE KEY", "AA\n"),
            (
                "RSA PRIVATE KEY",
                "Proc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nAA\n",
            ),
        ] {
            let told = of(label, inner).unwrap_err();
            let what = "the key is encrypted, and there is nobody to ask for its passphrase";
            assert_eq!(told, format!("{what}: {command}"));
        }
    }

    #[test]
    fn the_parameters_before_a_key_are_passed_over() {
        let text = "-----BEGIN EC PARAMETERS-----\nAA\n-----END EC PARAMETERS-----\n\
                    -----BEGIN PRIVATE KEY-----\nBB\n-----END PRIVATE KEY-----\n";
        assert_eq!(key(path(), text.as_bytes()).unwrap().line, 4);
    }

    #[test]
    fn a_file_without_a_certificate_is_told_by_what_it_is() {
        let told = |file: &[u8]| no_certificate(path(), file);
        assert_eq!(told(b" \n"), "it is empty");
        assert!(told(&[0x30, 0x82, 1, 2, 0x30, 0x82]).starts_with("it is DER, not PEM: convert"));
        assert!(told(b"\xff\xfe-\0-\0").starts_with("it is UTF-16"));
        let pkcs7 = b"-----BEGIN PKCS7-----\nAA\n-----END PKCS7-----\n";
        assert!(told(pkcs7).contains("openssl pkcs7 -print_certs -in /k -out /k.pem"));
        let other = b"-----BEGIN X509 CRL-----\nAA\n-----END X509 CRL-----\n";
        assert_eq!(
            told(other),
            "it holds no certificate, but a block named X509 CRL"
        );
        for file in [b"hello".as_slice(), &[0, 159, 146, 150]] {
            let what = "it holds no certificate: a PEM file has lines that read -----BEGIN CERTIFICATE-----";
            assert_eq!(told(file), what);
        }
    }
}
