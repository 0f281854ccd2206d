//! What helps if a service is not reached, by the step at which the way to it ended, or if something else
//! answers. Pure.

use crate::store::s3::network::connect_error::Step;
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::service_endpoint::ServiceEndpoint;

/// What helps if the way to a service ended at this step.
pub(crate) fn advice_for(endpoint: &ServiceEndpoint, step: Step) -> String {
    match &endpoint.set {
        Some(set) => about_endpoint(set, step),
        None => about_region(&endpoint.region, endpoint.service.name(), step),
    }
}

/// What helps if a reply is hardly that of a service.
pub(crate) fn advice_if_another_answers(endpoint: &ServiceEndpoint) -> String {
    match &endpoint.set {
        Some(Named { value, by }) => format!(
            "check that {value}, which {by} says, is {}, and that no proxy answers in its place",
            endpoint.service.name()
        ),
        None => "something answers in its place: check the network and its proxy".to_owned(),
    }
}

/// What helps on the way to an endpoint that was set.
fn about_endpoint(set: &Named, step: Step) -> String {
    let what = match step {
        Step::Name => "check its spelling, and this machine's DNS",
        Step::Refused => "check its port, and that the server is up",
        Step::Silent => "check the host, the network, and whether it needs a proxy (HTTPS_PROXY)",
        Step::Proxy => "check the proxy",
        Step::BeyondProxy => "check its spelling and its port, and that the proxy can reach it",
        Step::Tls => "check whether it is https there, and the way to it",
        Step::NotTls => {
            "begin it with http:// if there is no TLS, or else correct its port, and check that no \
             proxy or firewall answers in its place"
        }
        Step::OtherName => {
            "use a host that its certificate names, or have that certificate name this one"
        }
        Step::Http => {
            "check whether it is https or http there; it may also speak HTTP/2 alone, or another protocol"
        }
        Step::Ended => "if that goes on, check whether it is https there",
    };
    format!("{}: {what}", set.says())
}

/// The same if no endpoint was set, so that the service is looked for in a region.
fn about_region(region: &Named, service: &str, step: Step) -> String {
    let what = match step {
        Step::Name => "check that there is such a region, and this machine's DNS",
        Step::Refused | Step::Silent => {
            "check the network, and whether it needs a proxy (HTTPS_PROXY)"
        }
        Step::Proxy => "check the proxy",
        Step::BeyondProxy => {
            "check that there is such a region, and that the proxy can reach its host"
        }
        Step::Tls | Step::NotTls | Step::OtherName | Step::Http => {
            "something answers in its place: check the network"
        }
        Step::Ended => "if that goes on, check the network",
    };
    let says = region.says();
    format!("no endpoint is set, so {service} is looked for in a region, and {says}: {what}")
}
