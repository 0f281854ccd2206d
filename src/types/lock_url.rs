//! The URL of a lock, `s3://bucket/folder/name`: read and written. Two locks never have the same URL.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::protocol::Location;
use crate::types::errors::ConfigError;
use crate::types::names::{LOCK, QUEUE, location};

/// What a URL names: the arguments of a lock's builder, which are valid.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NamedLock {
    pub bucket: String,
    pub folder: String,
    pub name: String,
}

const SCHEME: &str = "s3";
const FORM: &str = "write s3://bucket/folder/name";

/// What is escaped within a segment, besides all that is not ASCII: what would end the path, what starts an
/// escape, and what does not survive a shell or a text around the URL.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'$')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b'*')
    .add(b';')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Reads a URL.
pub(crate) fn parse(url: &str) -> Result<NamedLock, ConfigError> {
    let (bucket, path) = split(url)?;
    let refuse = |reason: &str| Err(invalid(url, reason));
    if bucket.is_empty() {
        return refuse(&format!("it has no bucket; {FORM}"));
    }
    if bucket.contains(':') {
        let reason = format!(
            "a port has no place in it; {FORM}, and set the endpoint with ClientBuilder::endpoint \
             or AWS_ENDPOINT_URL_S3"
        );
        return refuse(&reason);
    }
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        return refuse(&format!("it names a bucket and no lock; {FORM}"));
    };
    if path.ends_with('/') {
        return refuse("it ends with a '/', so it names a folder; add the name of the lock");
    }
    if path.split('/').any(str::is_empty) {
        return refuse("it has two '/' in a row; write one");
    }
    let segments = path.split('/').map(|segment| decoded(url, segment));
    let mut segments = segments.collect::<Result<Vec<_>, _>>()?;
    let last = segments.pop().unwrap_or_default();
    let name = match last.strip_suffix(LOCK) {
        Some(name) => name.to_owned(),
        None => not_a_queue(url, last)?,
    };
    let (bucket, folder) = (bucket.to_owned(), segments.join("/"));
    // Here, so that the error comes before any other setting.
    location(&bucket, &folder, &name)?;
    Ok(NamedLock {
        bucket,
        folder,
        name,
    })
}

/// The URL of the lock that is stored here. [`parse`] reads it back.
pub(crate) fn write(lock: &Location) -> String {
    let name = lock.key.strip_suffix(LOCK).unwrap_or(&lock.key);
    // The ending would be cut, or refused.
    let is_whole = !name.ends_with(LOCK) && !name.ends_with(QUEUE);
    let path = if is_whole { name } else { &lock.key };
    let segments = path.split('/');
    let segments = segments.map(|segment| utf8_percent_encode(segment, ESCAPED).to_string());
    let path = segments.collect::<Vec<_>>().join("/");
    format!("{SCHEME}://{}/{path}", lock.bucket)
}

/// The bucket, and what stands behind the next slash.
fn split(url: &str) -> Result<(&str, Option<&str>), ConfigError> {
    let (plain, others) = without_query(url);
    if names_user(plain) {
        let message = format!(
            "invalid url: it names a user before the bucket; {FORM}, and give credentials to the \
             client or the environment"
        );
        return Err(ConfigError::new("url", message));
    }
    let Some((scheme, rest)) = plain.split_once("://") else {
        let reason = format!("it does not begin with s3://; {FORM}");
        return Err(invalid(url, &reason));
    };
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        let reason = format!(
            "it does not begin with s3://; {FORM}, and set an endpoint with \
             ClientBuilder::endpoint or AWS_ENDPOINT_URL_S3"
        );
        return Err(invalid(url, &reason));
    }
    if let Some(mark) = others.chars().next() {
        let message = format!(
            "invalid url: what follows the '{mark}' has no place in it; {FORM}, and a '{mark}' that \
             is part of a name as %{:X}",
            u32::from(mark)
        );
        return Err(ConfigError::new("url", message));
    }
    Ok(match rest.split_once('/') {
        Some((bucket, path)) => (bucket, Some(path)),
        None => (rest, None),
    })
}

/// The error about a URL. It shows nothing that may be a secret: a password, or the query of a signed URL.
fn invalid(url: &str, reason: &str) -> ConfigError {
    let (plain, _) = without_query(url);
    if has_at_sign(plain) {
        return ConfigError::new("url", format!("invalid url: {reason}"));
    }
    ConfigError::invalid("url", plain, reason)
}

/// What comes before a query or fragment, and the rest.
fn without_query(url: &str) -> (&str, &str) {
    let at = url.find(['?', '#']).unwrap_or(url.len());
    url.split_at(at)
}

/// Whether a user is named before the bucket. No bucket has a ':', and a password may have a '/', as about half of
/// AWS's secret keys do. So with a ':' there, the '@' may come later.
fn names_user(plain: &str) -> bool {
    let rest = plain.split_once("://").map_or(plain, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    has_at_sign(authority) || (authority.contains(':') && has_at_sign(rest))
}

fn has_at_sign(text: &str) -> bool {
    text.contains('@') || text.contains("%40")
}

/// A segment without its percent-escapes.
fn decoded(url: &str, segment: &str) -> Result<String, ConfigError> {
    let refuse = |reason| Err(invalid(url, reason));
    let mut escapes = segment.split('%').skip(1).map(str::as_bytes);
    let is_escape = |rest: &[u8]| {
        let digits = rest.get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !escapes.all(is_escape) {
        return refuse("a '%' begins no escape in it; write %25 for a '%' that is part of a name");
    }
    let Ok(decoded) = percent_decode_str(segment).decode_utf8() else {
        return refuse(
            "its escapes are not UTF-8; escape the bytes of the UTF-8 form of each letter",
        );
    };
    if decoded.contains('/') {
        return refuse("it holds %2F; write '/' between folders: no name holds one");
    }
    Ok(decoded.into_owned())
}

/// A name without an ending. Whoever copies the key of a lock's queue means that lock, and would lock another.
fn not_a_queue(url: &str, name: String) -> Result<String, ConfigError> {
    let Some(stem) = name.strip_suffix(QUEUE) else {
        return Ok(name);
    };
    let reason = format!(
        "it ends with {QUEUE}, as the object beside a lock does; write {stem:?} for that lock, and \
         {:?} for a lock whose own name ends so",
        [&name, LOCK].concat()
    );
    Err(invalid(url, &reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(bucket: &str, folder: &str, name: &str) -> NamedLock {
        NamedLock {
            bucket: bucket.to_owned(),
            folder: folder.to_owned(),
            name: name.to_owned(),
        }
    }

    /// What a URL says of the folder and the name.
    fn read(path: &str) -> (String, String) {
        let NamedLock { folder, name, .. } = parse(&format!("s3://my-bucket/{path}")).unwrap();
        (folder, name)
    }

    fn is(folder: &str, name: &str) -> (String, String) {
        (folder.to_owned(), name.to_owned())
    }

    #[test]
    fn parse_takes_the_host_the_last_segment_and_what_is_between() {
        let url = "s3://my-bucket/locks/reports/nightly";
        assert_eq!(
            parse(url).unwrap(),
            named("my-bucket", "locks/reports", "nightly")
        );
        assert_eq!(
            parse("S3://my-bucket/nightly").unwrap(),
            named("my-bucket", "", "nightly")
        );
        // A store other than AWS may have such a bucket.
        assert_eq!(
            parse("s3://My_Bucket/n").unwrap(),
            named("My_Bucket", "", "n")
        );
    }

    #[test]
    fn parse_decodes_escapes_once() {
        assert_eq!(read("f%C3%BCr/a%20b%25%32%35"), is("für", "a b%25"));
        assert_eq!(read("für/a+b c"), is("für", "a+b c"));
        assert_eq!(read("f/%3F%23%40:"), is("f", "?#@:"));
    }

    #[test]
    fn parse_cuts_one_ending_of_a_lock() {
        assert_eq!(read("f/nightly.lock"), is("f", "nightly"));
        assert_eq!(read("f/nightly.lock.lock"), is("f", "nightly.lock"));
        assert_eq!(read("f/print.queue.lock"), is("f", "print.queue"));
        assert_eq!(
            read("f.lock/g.queue/nightly"),
            is("f.lock/g.queue", "nightly")
        );
        assert_eq!(read("f/nightly%2Elock"), is("f", "nightly"));
    }

    #[test]
    fn parse_reads_back_what_write_wrote() {
        for key in [
            "nightly.lock",
            "a/b/nightly.lock",
            "nightly.lock.lock",
            "nightly.queue.lock",
            "für/ü%25 ?#&=+:@\"'$(x)*.lock",
            "a.lock/b.queue/c.lock",
            ".queue.lock",
        ] {
            let bucket = "my-bucket".to_owned();
            let key = key.to_owned();
            let lock = Location { bucket, key };
            let url = write(&lock);
            assert!(url.is_ascii() && !url.contains(' '), "{url}");
            let NamedLock {
                bucket,
                folder,
                name,
            } = parse(&url).unwrap();
            assert_eq!(location(&bucket, &folder, &name).unwrap(), lock, "{url}");
        }
    }

    #[test]
    fn write_leaves_out_the_ending() {
        let lock = location("my-bucket", "locks", "nightly").unwrap();
        assert_eq!(write(&lock), "s3://my-bucket/locks/nightly");
        let lock = location("my-bucket", "", "nightly report").unwrap();
        assert_eq!(write(&lock), "s3://my-bucket/nightly%20report");
    }

    #[test]
    fn parse_shows_no_secret() {
        for url in [
            "s3://AKID:hunter2@my-bucket/n",
            "https://AKID:hunter2@host/n",
            "s3://my-bucket/n?X-Amz-Signature=hunter2",
            "https://host/n?X-Amz-Signature=hunter2",
            "s3://my-bucket/n#hunter2",
            // Half of all secret keys have a '/'.
            "s3://AKID:hunter2/hunter2@my-bucket/n",
            "https://AKID:hunter2/hunter2@host/n",
            "s3://AKID:hunter2%40my-bucket/n",
            "s3://AKID%3Ahunter2%40my-bucket/n",
            "s3:///AKID:hunter2@my-bucket/n",
            "AKID:hunter2@my-bucket/n",
            "s3:/AKID:hunter2@my-bucket/n",
            "my-bucket.s3.amazonaws.com/n?X-Amz-Signature=hunter2",
            "https:/host/n?X-Amz-Signature=hunter2",
            "my-bucket/n#hunter2",
        ] {
            let refused = parse(url).unwrap_err().to_string();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
