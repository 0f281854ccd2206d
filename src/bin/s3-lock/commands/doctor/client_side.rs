//! What is found out without the store: where requests go, and who signs them.

use s3_lock::LockError;
use s3_lock::inspection::{Setting, Signer, Way};

use crate::arguments::as_options;
use crate::output::doctor::{Credentials, Finding, Set, Settings};
use crate::output::times::rfc3339;

impl Settings {
    pub fn found(way: Result<Way, LockError>) -> Settings {
        let way = match way {
            Ok(way) => way,
            Err(error) => return Settings::wrong(&error),
        };
        Settings {
            finding: Finding::ok(format!("requests go to {}", way.endpoint.value)),
            region: Some(Set::from(way.region)),
            endpoint: Some(Set::from(way.endpoint)),
            is_aws: Some(way.is_aws),
            proxy: way.proxy.map(Set::from),
            certificates: way.certificates.map(|text| as_options(&text)),
        }
    }

    pub fn wrong(error: &LockError) -> Settings {
        Settings {
            finding: Finding::failed(error),
            region: None,
            endpoint: None,
            is_aws: None,
            proxy: None,
            certificates: None,
        }
    }
}

impl Credentials {
    pub fn found(signer: Result<Signer, LockError>) -> Credentials {
        let signer = match signer {
            Ok(signer) => signer,
            Err(error) => return Credentials::none(Finding::failed(&error)),
        };
        let id = shortened(&signer.access_key_id);
        let files = signer.files.as_ref();
        let files = files.map_or(String::new(), |files| format!(" in {files}"));
        let expires_at = signer.expires_at.map(rfc3339);
        let until = match (&expires_at, signer.is_temporary) {
            (Some(at), _) => format!("until {at}"),
            (None, true) => "temporary: the source does not say until when".to_owned(),
            (None, false) => "without an expiry".to_owned(),
        };
        let from = as_options(&signer.from);
        Credentials {
            finding: Finding::ok(format!("{id} from {from}{files}, {until}")),
            access_key_id: Some(id),
            source: Some(from),
            files: signer.files,
            is_temporary: Some(signer.is_temporary),
            expires_at,
        }
    }

    pub fn none(finding: Finding) -> Credentials {
        Credentials {
            finding,
            access_key_id: None,
            source: None,
            files: None,
            is_temporary: None,
            expires_at: None,
        }
    }
}

impl From<Setting> for Set {
    fn from(Setting { value, by }: Setting) -> Set {
        let set_by = as_options(&by);
        Set { value, set_by }
    }
}

/// Enough to know a key by.
fn shortened(id: &str) -> String {
    let letters: Vec<char> = id.chars().collect();
    if letters.len() <= 12 {
        return id.to_owned();
    }
    let text = |letters: &[char]| letters.iter().collect::<String>();
    let (start, end) = (text(&letters[..4]), text(&letters[letters.len() - 4..]));
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_ends_and_a_short_one_is_shown() {
        assert_eq!(shortened("AKIAIOSFODNN7EXAMPLE"), "AKIA…MPLE");
        assert_eq!(shortened("test"), "test");
        assert_eq!(shortened("ключключключ1"), "ключ…люч1");
    }
}
