//! Credentials of a task or pod, from the endpoint that ECS or EKS names in its environment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hyper::{Body, Request, Uri};
use rusoto_core::credential::AwsCredentials;

use crate::store::s3::credentials::context::{LookUpContext, NoCredentials};
use crate::store::s3::credentials::errors::{failed, misconfigured};
use crate::store::s3::credentials::json;
use crate::store::s3::credentials::json::{complaint, without};
use crate::store::s3::settings::variables::variable;
use crate::types::errors::{LockError, StorageErrorKind};

const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// The address of ECS's endpoint.
const ECS: &str = "http://169.254.170.2";
/// How long the endpoint may take. It is on this machine.
const LIMIT: Duration = Duration::from_millis(2500);

pub(super) async fn look(context: &LookUpContext) -> Result<AwsCredentials, NoCredentials> {
    let Some(url) = url(variable(RELATIVE_URI), variable(FULL_URI))? else {
        let note = format!("{RELATIVE_URI} and {FULL_URI} (not set)");
        return Err(NoCredentials::Nothing(note));
    };
    let token = authorization(context).await?;
    let place = format!("the container's endpoint {}", origin(&url));
    let mut request = Request::get(&url);
    if let Some(token) = &token {
        request = request.header("authorization", token);
    }
    let (request, limit) = (request.body(Body::empty()), context.limit.min(LIMIT));
    let reply = context.ask_directly(&place, request, limit).await?;
    let status = reply.status();
    if status == 200 {
        return Ok(json::read(reply.body(), &place)?);
    }
    let said = complaint(reply.body());
    let said = said.and_then(|said| without(token.as_deref().unwrap_or_default(), said));
    let said = said.map_or(String::new(), |said| format!(" ({said})"));
    let what = format!("{place} answered {status}{said} instead of giving credentials");
    if reply.is_busy() {
        return Err(failed(StorageErrorKind::Unavailable, what).into());
    }
    let error = misconfigured(format!(
        "{what}; check {RELATIVE_URI} or {FULL_URI}, {TOKEN} or {TOKEN_FILE}, and the role of the task \
         or pod"
    ));
    Err(error.into())
}

/// The endpoint's URL, if this container has one.
fn url(relative: Option<String>, full: Option<String>) -> Result<Option<String>, LockError> {
    if let Some(path) = relative {
        let url = format!("{ECS}{path}");
        // Not quoted: the path is a secret among the tasks of one machine.
        if path.starts_with('/') && url.parse::<Uri>().is_ok() {
            return Ok(Some(url));
        }
        return Err(misconfigured(format!(
            "{RELATIVE_URI} is not a path: it must begin with a slash and hold no space"
        )));
    }
    let Some(full) = full else {
        return Ok(None);
    };
    match full.parse::<Uri>() {
        Ok(uri) if may_be_asked(&uri) => Ok(Some(full)),
        _ => Err(misconfigured(format!(
            "{FULL_URI} is neither an https URL nor an http URL of this machine (localhost, a \
             loopback address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]), so it is not asked: \
             the answer would cross the network in the clear"
        ))),
    }
}

fn may_be_asked(uri: &Uri) -> bool {
    let plain = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
    match uri.scheme_str() {
        Some("https") => plain,
        Some("http") => plain && uri.host().is_some_and(is_here),
        _ => false,
    }
}

/// Whether a host is this machine, or the address of ECS or EKS on it.
fn is_here(host: &str) -> bool {
    const ECS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2));
    const EKS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23));
    const EKS_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23));
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || [ECS, EKS, EKS_6].contains(&address),
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

/// Scheme, host and port. The rest of the URL may be a secret.
fn origin(url: &str) -> String {
    let uri = url.parse::<Uri>().unwrap_or_default();
    let authority = uri.authority().map_or("", |a| a.as_str());
    format!("{}://{authority}", uri.scheme_str().unwrap_or_default())
}

/// The token that the endpoint expects. Its file is read each time, because EKS replaces it.
async fn authorization(context: &LookUpContext) -> Result<Option<String>, LockError> {
    let Some(file) = variable(TOKEN_FILE) else {
        return variable(TOKEN)
            .map(|token| sendable(token, TOKEN))
            .transpose();
    };
    match context.read(&file).await? {
        Ok(token) => sendable(token.trim().to_owned(), &file).map(Some),
        Err(error) => Err(misconfigured(format!(
            "the token {file}, which {TOKEN_FILE} names, cannot be read ({error}); correct the path, or check \
             what writes the file"
        ))),
    }
}

fn sendable(token: String, place: &str) -> Result<String, LockError> {
    if token.contains(|c: char| c.is_control() || !c.is_ascii()) {
        return Err(misconfigured(format!(
            "the token in {place} holds a line break or other character that it cannot have; copy it again"
        )));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(uri: &str) -> Option<String> {
        url(None, Some(uri.to_owned())).ok().flatten()
    }

    #[test]
    fn a_relative_uri_is_on_the_address_of_ecs_and_goes_first() {
        let relative = Some("/v2/credentials/id".to_owned());
        let full = Some("http://localhost/other".to_owned());
        let url = url(relative, full).ok().flatten();
        assert_eq!(
            url.as_deref(),
            Some("http://169.254.170.2/v2/credentials/id")
        );
    }

    #[test]
    fn a_relative_uri_that_would_make_another_host_is_refused() {
        assert!(url(Some(".evil.example/".to_owned()), None).is_err());
    }

    #[test]
    fn http_is_for_this_machine_alone() {
        for here in [
            "http://localhost:1234/get",
            "http://127.0.0.7/get",
            "http://[::1]:80/get",
            "http://169.254.170.2/v2",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
        ] {
            assert_eq!(full(here).as_deref(), Some(here));
        }
        for elsewhere in [
            "http://example.com/get",
            "http://10.0.0.1/get",
            "http://169.254.169.254/latest",
            "http://localhost.example.com/",
            "http://user@localhost/",
            "ftp://localhost/",
            "/get",
            "",
        ] {
            assert_eq!(full(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn https_may_go_anywhere() {
        assert!(full("https://example.com/get").is_some());
    }

    #[test]
    fn the_path_is_not_shown() {
        assert_eq!(origin("http://[::1]:80/secret?x"), "http://[::1]:80");
    }
}
