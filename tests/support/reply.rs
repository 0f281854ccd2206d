//! Replies that do not come from `s3s`.

use hyper1::StatusCode;
use hyper1::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use s3s::xml::{SerResult, Serializer};
use s3s::{Body, HttpResponse};

/// What proxies say to people.
pub const PAGE: &[u8] = b"<html><body>Not today.</body></html>";

/// Builds an S3 error reply; `fields` are the elements of its body, `Code` first.
pub fn error(status: u16, fields: &[(&str, &str)]) -> HttpResponse {
    let mut body = Vec::new();
    write_error(&mut body, fields).expect("writing to a Vec does not fail");
    let mut reply = raw(status, body);
    set_header(
        reply.headers_mut(),
        CONTENT_TYPE.as_str(),
        b"application/xml",
    );
    reply
}

/// Builds a reply of these bytes.
pub fn raw(status: u16, body: Vec<u8>) -> HttpResponse {
    let mut reply = HttpResponse::new(Body::from(body));
    *reply.status_mut() =
        StatusCode::from_u16(status).expect("scripted statuses have three digits");
    reply
}

/// Sets a header, in place of any that has its name.
pub fn set_header(headers: &mut HeaderMap, name: &str, value: &[u8]) {
    let name = HeaderName::from_bytes(name.as_bytes()).expect("scripted header names are tokens");
    let value =
        HeaderValue::from_bytes(value).expect("scripted header values hold no control characters");
    headers.insert(name, value);
}

fn write_error(body: &mut Vec<u8>, fields: &[(&str, &str)]) -> SerResult {
    let mut xml = Serializer::new(body);
    xml.decl()?;
    xml.element("Error", |xml| {
        fields
            .iter()
            .try_for_each(|(name, text)| xml.content(name, text))
    })
}
