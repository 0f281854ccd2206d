//! Requests to AWS's own names, served on this machine: a proxy takes each tunnel to one door, whose certificate
//! names S3's hosts. So redirects are followed as they are at AWS.

use s3_lock::{Client, ClientBuilder, LockError, S3Lock};

use crate::support::{
    ACCESS_KEY, Authority, BUCKET, ConnectProxy, Fault, Match, Message, RegionReply, SECRET_KEY,
    Server, Terms, Tls, Verdict,
};
use crate::{KEY, lock_of, requests_of};

/// Where the client looks for the bucket.
const HERE: &str = "s3.us-east-1.amazonaws.com";
/// Where S3 says that it is for now.
const THERE: &str = "s3-us-west-2.amazonaws.com";

/// S3 as a client sees it that knows nothing but a region.
struct Aws {
    server: Server,
    proxy: ConnectProxy,
    authority: Authority,
}

impl Aws {
    fn start() -> Aws {
        let (server, authority) = (Server::start(), Authority::new());
        let names = [
            "DNS:*.amazonaws.com",
            "DNS:*.us-east-1.amazonaws.com",
            "DNS:*.eu-central-1.amazonaws.com",
            "DNS:*.s3.us-east-1.amazonaws.com",
            "DNS:*.s3.eu-central-1.amazonaws.com",
            "DNS:*.s3-us-west-2.amazonaws.com",
            "DNS:evil.example",
        ];
        let issued = authority.issue(&names.join(","));
        let door = Tls::with(&server, &issued, &Terms::default());
        let to = format!("127.0.0.1:{}", door.port());
        let proxy = ConnectProxy::with(move |_| Verdict::PassTo(to.clone()));
        Aws {
            server,
            proxy,
            authority,
        }
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder()
            .region("us-east-1")
            .credentials(ACCESS_KEY, SECRET_KEY, None)
            .proxy(self.proxy.endpoint())
            .ca_bundle(self.authority.certificate())
    }

    fn lock(&self) -> S3Lock {
        lock_of(&self.builder().build().unwrap())
    }

    fn hosted_lock(&self) -> S3Lock {
        lock_of(&self.builder().virtual_hosted().build().unwrap())
    }

    /// Has the server send the next request of a kind to another host, without doing anything.
    fn redirect(&self, which: Match, host: &str) {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>TemporaryRedirect</Code><Message>Please \
             re-send this request to the specified temporary endpoint.</Message><Endpoint>{host}</Endpoint></Error>"
        );
        let headers = vec![("location".to_owned(), format!("https://{host}/"))];
        let (status, body) = (307, body.into());
        let redirect = Fault::RawAnswer {
            status,
            headers,
            body,
        };
        self.server.fault(which, redirect);
    }

    /// The host and the path of each request so far, beginning with the bucket.
    fn went_to(&self) -> Vec<String> {
        let requests = self.server.requests().into_iter();
        let told = requests.map(|request| {
            let host = request.header("host").unwrap_or_default().to_owned();
            format!(
                "{} {host}/{}/{}",
                request.method, request.bucket, request.key
            )
        });
        told.collect()
    }

    /// The hosts to which tunnels were asked for.
    fn tunnels(&self) -> Vec<String> {
        let requests = self.proxy.requests();
        requests.iter().map(Message::target).collect()
    }
}

fn path(method: &str, host: &str) -> String {
    format!("{method} {host}/{BUCKET}/{KEY}")
}

#[test]
fn acquire_follows_a_temporary_redirect_of_its_write_once() {
    let aws = Aws::start();
    aws.redirect(Match::put(), THERE);
    let guard = aws.lock().acquire("me").unwrap();
    let sent = [path("GET", HERE), path("PUT", HERE), path("PUT", THERE)];
    assert_eq!(aws.went_to(), sent);
    assert_eq!(
        aws.tunnels(),
        [format!("{HERE}:443"), format!("{THERE}:443")]
    );
    // The next one asks where it asked first.
    guard.release().unwrap();
    assert_eq!(aws.went_to().last(), Some(&path("PUT", HERE)));
    assert!(aws.server.object(KEY).is_some());
}

#[test]
fn acquire_follows_a_temporary_redirect_of_its_read() {
    let aws = Aws::start();
    aws.redirect(Match::get(), THERE);
    let (sent, guard) = requests_of(&aws.server, || aws.lock().acquire("me").unwrap());
    assert_eq!(sent, ["GET", "GET", "PUT"]);
    guard.release().unwrap();
}

#[test]
fn acquire_follows_a_temporary_redirect_to_the_buckets_own_host() {
    for lock in [Aws::lock, Aws::hosted_lock] {
        let aws = Aws::start();
        let host = format!("{BUCKET}.{THERE}");
        aws.redirect(Match::put(), &host);
        lock(&aws).acquire("me").unwrap().release().unwrap();
        assert_eq!(aws.went_to()[2], format!("PUT {host}/{KEY}"));
        assert!(aws.server.object(KEY).is_some());
    }
}

#[test]
fn acquire_follows_a_temporary_redirect_from_the_buckets_own_host_to_its_path() {
    let aws = Aws::start();
    aws.redirect(Match::put(), THERE);
    aws.hosted_lock().acquire("me").unwrap().release().unwrap();
    let first = format!("PUT {BUCKET}.{HERE}/{KEY}");
    assert_eq!(aws.went_to()[1..3], [first, path("PUT", THERE)]);
}

#[test]
fn acquire_is_refused_by_a_store_that_redirects_it_again_and_again() {
    let aws = Aws::start();
    for _ in 0..4 {
        aws.redirect(Match::put(), THERE);
    }
    let refused = aws.lock().acquire("me").unwrap_err();
    assert!(matches!(refused, LockError::Storage(_)), "{refused:?}");
    assert_eq!(aws.server.count("PUT"), 3);
    assert!(aws.server.object(KEY).is_none());
}

#[test]
fn acquire_follows_no_temporary_redirect_to_anybody_else() {
    for host in [
        "evil.example",
        "s3.amazonaws.com.evil.example",
        "127.0.0.1:1",
        "evil.amazonaws.com",
        "other-bucket.s3.us-east-1.amazonaws.com",
    ] {
        let aws = Aws::start();
        aws.redirect(Match::put(), host);
        let refused = aws.lock().acquire("me").unwrap_err();
        assert!(matches!(refused, LockError::Storage(_)), "{refused:?}");
        assert_eq!(aws.tunnels(), [format!("{HERE}:443")], "{host}");
        assert_eq!(aws.server.count("PUT"), 1, "{host}");
    }
}

#[test]
fn acquire_goes_to_the_region_that_s3_names_however_it_does() {
    for reply in [RegionReply::Redirect, RegionReply::Malformed] {
        for lock in [Aws::lock, Aws::hosted_lock] {
            let aws = Aws::start();
            aws.server.set_region("eu-central-1");
            aws.server.set_region_reply(reply);
            lock(&aws).acquire("me").unwrap().release().unwrap();
            let hosts = aws.tunnels();
            assert!(hosts[0].ends_with("s3.us-east-1.amazonaws.com:443"));
            assert!(
                hosts[1..]
                    .iter()
                    .all(|host| host.ends_with("s3.eu-central-1.amazonaws.com:443"))
            );
            assert_eq!(aws.server.count("PUT"), 2);
        }
    }
}

#[test]
fn acquire_whose_redirected_write_gets_no_reply_finds_out_whether_it_was_done() {
    let aws = Aws::start();
    aws.redirect(Match::put(), THERE);
    aws.server.fault(Match::put(), Fault::DropAfter);
    let guard = aws.lock().acquire("me").unwrap();
    guard.verify().unwrap();
    guard.release().unwrap();
    // The one that was redirected, the one that was done, and the release.
    assert_eq!(aws.server.count("PUT"), 3);
}

#[test]
fn client_sends_a_password_of_the_proxy_to_no_host_of_s3() {
    let aws = Aws::start();
    aws.redirect(Match::put(), THERE);
    let proxy = aws
        .proxy
        .endpoint()
        .replace("http://", "http://me:hunter2@");
    let client = aws.builder().proxy(proxy).build().unwrap();
    lock_of(&client).acquire("me").unwrap().release().unwrap();
    let asked = aws.server.requests();
    assert!(
        asked
            .iter()
            .all(|r| r.header("proxy-authorization").is_none())
    );
    let tunnels = aws.proxy.requests();
    assert!(tunnels.iter().all(|r| r.header("authorization").is_none()));
    assert!(
        tunnels
            .iter()
            .all(|r| r.header("proxy-authorization").is_some())
    );
}
