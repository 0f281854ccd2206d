//! Which connections go through which proxy: by the settings of the client or by the variables that
//! curl, Python and the AWS SDKs read.

use std::sync::Arc;

use hyper::Uri;

use crate::store::s3::settings::proxy::exceptions::Exceptions;
use crate::store::s3::settings::proxy::one_proxy::{IN_CODE, Proxy};
use crate::store::s3::settings::variables::variable;
use crate::store::s3::url::{is_https, port};
use crate::types::errors::ConfigError;

/// Which connections go through which proxy. By default none does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(Option<Arc<Rules>>);

#[derive(Debug)]
struct Rules {
    /// For `https://`.
    https: Option<Proxy>,
    /// For `http://`.
    http: Option<Proxy>,
    exceptions: Exceptions,
}

const HTTPS: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
const HTTP: [&str; 2] = ["http_proxy", "HTTP_PROXY"];
const ALL: [&str; 2] = ["all_proxy", "ALL_PROXY"];
const NONE: [&str; 2] = ["no_proxy", "NO_PROXY"];

impl Proxies {
    /// All connections go through one proxy, whatever the environment says.
    pub(crate) fn always(url: &str) -> Result<Proxies, ConfigError> {
        let proxy = Proxy::parse(url, IN_CODE);
        let refused = |reason| ConfigError::new("proxy", format!("invalid proxy: {reason}"));
        let proxy = proxy.map_err(refused)?;
        Ok(Proxies::of_rules(Rules {
            https: Some(proxy.clone()),
            http: Some(proxy),
            exceptions: Exceptions::default(),
        }))
    }

    /// What the environment says.
    pub(crate) fn from_environment() -> Result<Proxies, ConfigError> {
        Proxies::from_variables(variable)
    }

    /// A variable in lower case goes before the same in capitals, as curl and Python have it.
    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Proxies, ConfigError> {
        let set = |names: &[&'static str]| {
            let mut names = names.iter();
            names.find_map(|name| Some((*name, variable(name)?)))
        };
        let (list_name, list) = set(&NONE).unwrap_or_default();
        let exceptions = Exceptions::read(&list);
        if exceptions.are_everything() {
            return Ok(Proxies::default());
        }
        // A web server sets HTTP_PROXY to what a request has in its header `Proxy`.
        let is_cgi = variable("REQUEST_METHOD").is_some();
        let http = if is_cgi { &HTTP[..1] } else { &HTTP[..] };
        let note = exceptions
            .unreadable()
            .map(|entry| format!("{list_name} has an entry that cannot be read: \"{entry}\""));
        let proxy = |names| {
            let found = set(names).or_else(|| set(&ALL));
            let found = found.map(|(name, url)| named(name, &url)).transpose()?;
            Ok(found.map(|proxy| proxy.with_note(note.clone())))
        };
        Ok(Proxies::of_rules(Rules {
            https: proxy(&HTTPS)?,
            http: proxy(http)?,
            exceptions,
        }))
    }

    fn of_rules(rules: Rules) -> Proxies {
        let has_any = rules.https.is_some() || rules.http.is_some();
        Proxies(has_any.then(|| Arc::new(rules)))
    }

    pub(in crate::store::s3) fn are_none(&self) -> bool {
        self.0.is_none()
    }

    /// The proxy for connections to the host of a URL.
    pub(in crate::store::s3) fn of(&self, uri: &Uri) -> Option<&Proxy> {
        let rules = self.0.as_deref()?;
        let proxy = if is_https(uri) {
            &rules.https
        } else {
            &rules.http
        };
        let is_excepted = rules.exceptions.contain(uri.host()?, port(uri));
        proxy.as_ref().filter(|_| !is_excepted)
    }

    /// The same, if that proxy reads the requests itself. Those over https it cannot read.
    pub(in crate::store::s3) fn forwarding_proxy(&self, uri: &Uri) -> Option<&Proxy> {
        self.of(uri).filter(|_| !is_https(uri))
    }
}

fn named(variable: &str, url: &str) -> Result<Proxy, ConfigError> {
    Proxy::parse(url, variable).map_err(|reason| {
        // Not quoted: it may hold a password.
        let message = format!(
            "invalid proxy in {variable}: {reason}; correct it, or call ClientBuilder::no_proxy if this \
             client needs none"
        );
        ConfigError::new("proxy", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const S3: &str = "https://s3.eu-west-1.amazonaws.com/b/k";
    const LOCAL: &str = "http://127.0.0.1:9000/b/k";

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, String> {
        let find = |name: &str| {
            let mut found = variables
                .iter()
                .filter(|(n, v)| *n == name && !v.is_empty());
            found.next().map(|(_, value)| (*value).to_owned())
        };
        Proxies::from_variables(find).map_err(|error| error.to_string())
    }

    /// Where requests to a URL go with these variables.
    fn way(variables: &[(&str, &str)], url: &str) -> String {
        let proxies = proxies(variables).unwrap();
        let way = proxies.of(&url.parse().unwrap());
        way.map_or("direct".to_owned(), ToString::to_string)
    }

    #[test]
    fn each_scheme_has_its_own_variable_and_both_have_all_proxy() {
        let variables = [("HTTPS_PROXY", "a"), ("HTTP_PROXY", "b")];
        assert_eq!(way(&variables, S3), "proxy http://a (from HTTPS_PROXY)");
        assert_eq!(way(&variables, LOCAL), "proxy http://b (from HTTP_PROXY)");
        assert_eq!(way(&variables[..1], LOCAL), "direct");
        assert_eq!(way(&variables[1..], S3), "direct");
        let variables = [("ALL_PROXY", "a"), ("HTTP_PROXY", "b")];
        assert_eq!(way(&variables, S3), "proxy http://a (from ALL_PROXY)");
        assert_eq!(way(&variables, LOCAL), "proxy http://b (from HTTP_PROXY)");
    }

    #[test]
    fn lower_case_goes_first_and_an_empty_variable_is_not_set() {
        let both = [("HTTPS_PROXY", "capitals"), ("https_proxy", "lower")];
        assert_eq!(way(&both, S3), "proxy http://lower (from https_proxy)");
        let empty = [("HTTPS_PROXY", "capitals"), ("https_proxy", "")];
        assert_eq!(way(&empty, S3), "proxy http://capitals (from HTTPS_PROXY)");
        let empty = [("ALL_PROXY", "all"), ("HTTPS_PROXY", "")];
        assert_eq!(way(&empty, S3), "proxy http://all (from ALL_PROXY)");
        let lists = [
            ("ALL_PROXY", "all"),
            ("no_proxy", "a"),
            ("NO_PROXY", "127.0.0.1"),
        ];
        assert_eq!(way(&lists, LOCAL), "proxy http://all (from ALL_PROXY)");
    }

    #[test]
    fn http_proxy_in_capitals_is_not_read_by_a_cgi_program() {
        let capitals = [("HTTP_PROXY", "a"), ("REQUEST_METHOD", "GET")];
        assert_eq!(way(&capitals, LOCAL), "direct");
        let lower = [("http_proxy", "a"), ("REQUEST_METHOD", "GET")];
        assert_eq!(way(&lower, LOCAL), "proxy http://a (from http_proxy)");
        let https = [("HTTPS_PROXY", "a"), ("REQUEST_METHOD", "GET")];
        assert_eq!(way(&https, S3), "proxy http://a (from HTTPS_PROXY)");
    }

    #[test]
    fn exceptions_are_checked_against_the_host_and_its_port() {
        let listed = |list| way(&[("ALL_PROXY", "a"), ("NO_PROXY", list)], LOCAL);
        for list in ["127.0.0.1", "127.0.0.0/8", "127.0.0.1:9000", "*"] {
            assert_eq!(listed(list), "direct", "{list}");
        }
        for list in ["", "localhost", "127.0.0.1:80"] {
            assert_ne!(listed(list), "direct", "{list}");
        }
        let list = [("ALL_PROXY", "a"), ("NO_PROXY", "amazonaws.com:443")];
        assert_eq!(way(&list, S3), "direct");
        let of_bucket = "https://my-bucket.s3.amazonaws.com/k";
        assert_eq!(way(&list, of_bucket), "direct");
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_told_with_the_variable_that_has_it() {
        let note = |list| {
            let proxies = proxies(&[("ALL_PROXY", "a"), list]).unwrap();
            proxies.of(&LOCAL.parse().unwrap()).unwrap().note()
        };
        let told = "; no_proxy has an entry that cannot be read: \"127.0.0.0/99\"";
        assert_eq!(note(("no_proxy", "x,127.0.0.0/99")), told);
        assert_eq!(note(("NO_PROXY", "x")), "");
    }

    #[test]
    fn loopback_goes_through_the_proxy_unless_the_list_has_it() {
        let all = [("HTTP_PROXY", "a")];
        for url in [LOCAL, "http://localhost:9000/", "http://[::1]/"] {
            assert_ne!(way(&all, url), "direct", "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_is_told_by_its_variable_and_only_if_it_is_used() {
        let socks = [("all_proxy", "socks5://me:hunter2@a")];
        let told = proxies(&socks).unwrap_err();
        assert!(
            told.starts_with("invalid proxy in all_proxy: it is a SOCKS"),
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
        let unused = [
            ("all_proxy", "socks5://a"),
            ("HTTP_PROXY", "b"),
            ("HTTPS_PROXY", "c"),
        ];
        proxies(&unused).unwrap();
        let none = [("all_proxy", "socks5://a"), ("NO_PROXY", "*")];
        assert!(proxies(&none).unwrap().are_none());
    }

    #[test]
    fn a_proxy_of_the_client_is_for_all_it_connects_to() {
        let proxies = Proxies::always("http://me:hunter2@a:3128").unwrap();
        for url in [S3, LOCAL] {
            let proxy = proxies.of(&url.parse().unwrap()).unwrap();
            let told = proxy.to_string();
            assert_eq!(told, "proxy http://a:3128 (from ClientBuilder::proxy)");
        }
        let shown = format!("{proxies:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_proxy_reads_requests_over_http_alone() {
        let proxies = Proxies::always("a").unwrap();
        assert!(proxies.forwarding_proxy(&LOCAL.parse().unwrap()).is_some());
        assert!(proxies.forwarding_proxy(&S3.parse().unwrap()).is_none());
    }
}
