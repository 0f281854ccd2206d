//! Requests that AWS refuses unread: signed at another time, or for another region.

use chrono::{DateTime, TimeDelta, Utc};
use hyper1::header::{AUTHORIZATION, HeaderMap};
use hyper1::http::request::Parts;
use s3s::HttpResponse;

use super::clock::parse_amz_date;
use super::reply;
use super::settings::{RegionReply, Settings};

/// The most that a request's time may differ from the server's, as on AWS.
const MAX_SKEW: TimeDelta = TimeDelta::minutes(15);

/// Refuses a request whose time is too far from the server's.
pub fn skewed(head: &Parts, now: DateTime<Utc>) -> Option<HttpResponse> {
    // A request without a legible time is for s3s to refuse.
    let sent = head.headers.get("x-amz-date")?.to_str().ok()?;
    if (now - parse_amz_date(sent)?).abs() <= MAX_SKEW {
        return None;
    }
    let message = "The difference between the request time and the current time is too large.";
    let server_time = now.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let max_skew = MAX_SKEW.num_milliseconds().to_string();
    let fields = [
        ("Code", "RequestTimeTooSkewed"),
        ("Message", message),
        ("RequestTime", sent),
        ("ServerTime", &server_time),
        ("MaxAllowedSkewMilliseconds", &max_skew),
    ];
    Some(reply::error(403, &fields))
}

/// Refuses a request that was signed for another region than the one set.
pub fn misdirected(head: &Parts, settings: &Settings) -> Option<HttpResponse> {
    let region = settings.region.as_deref()?;
    let signed = signed_region(&head.headers)?;
    if signed == region {
        return None;
    }
    Some(match settings.region_reply {
        RegionReply::Redirect => redirect(head, region),
        RegionReply::Malformed => malformed(signed, region),
    })
}

/// Finds the region in `Credential=KEY/DATE/REGION/s3/aws4_request`.
fn signed_region(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').nth(2)
}

fn redirect(head: &Parts, region: &str) -> HttpResponse {
    let bucket = head.uri.path().split('/').nth(1).unwrap_or_default();
    let endpoint = format!("s3.{region}.amazonaws.com");
    let message =
        "The bucket you are attempting to access must be addressed using the specified endpoint.";
    let fields = [
        ("Code", "PermanentRedirect"),
        ("Message", message),
        ("Endpoint", &endpoint),
        ("Bucket", bucket),
    ];
    let mut reply = reply::error(301, &fields);
    reply::set_header(
        reply.headers_mut(),
        "x-amz-bucket-region",
        region.as_bytes(),
    );
    reply
}

fn malformed(signed: &str, region: &str) -> HttpResponse {
    let wrong = format!("the region '{signed}' is wrong; expecting '{region}'");
    let message = format!("The authorization header is malformed; {wrong}");
    let fields = [
        ("Code", "AuthorizationHeaderMalformed"),
        ("Message", &message),
        ("Region", region),
    ];
    reply::error(400, &fields)
}
