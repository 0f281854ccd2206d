//! The doctor at AWS's own endpoint, served on this machine: a proxy takes each tunnel to a door whose certificate names
//! S3's hosts.

use super::*;
use crate::support::{Authority, BUCKET, ConnectProxy, Terms, Tls, Verdict};

struct Aws {
    server: Server,
    proxy: ConnectProxy,
    authority: Authority,
}

impl Aws {
    fn start() -> Aws {
        let (server, authority) = (Server::start(), Authority::new());
        let issued = authority.issue("DNS:*.us-east-1.amazonaws.com");
        let door = Tls::with(&server, &issued, &Terms::default());
        let to = format!("127.0.0.1:{}", door.port());
        let proxy = ConnectProxy::with(move |_| Verdict::PassTo(to.clone()));
        Aws {
            server,
            proxy,
            authority,
        }
    }

    fn doctor(&self, arguments: &[&str]) -> Command {
        let mut command = doctor(&self.server, arguments);
        command
            .env_remove("AWS_ENDPOINT_URL_S3")
            .env("HTTPS_PROXY", self.proxy.endpoint_for("me:hunter2"))
            .arg("--ca-bundle")
            .arg(self.authority.certificate());
        command
    }

    fn examined(&self) -> (Ended, Value) {
        let (text, json) = both(self.doctor(&[]), self.doctor(&["--json"]));
        let json = json.json();
        (text, json)
    }

    /// Refuses these requests, as AWS words it.
    fn deny(&self, rule: Match, action: &str) {
        let message = format!(
            "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: {action} on resource: \
             \"arn:aws:s3:::{BUCKET}\" because no identity-based policy allows the {action} action"
        );
        let denied = Fault::Answer {
            status: 403,
            code: "AccessDenied".to_owned(),
            message,
            headers: Vec::new(),
        };
        self.server.fault(rule.always(), denied);
    }
}

#[test]
fn doctor_at_aws_tells_of_the_way_there() {
    let aws = Aws::start();
    let (ended, json) = aws.examined();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(
        ended.stdout.lines().all(|line| line.starts_with("ok ")),
        "{}",
        ended.stdout
    );
    let endpoint = &json["settings"]["endpoint"];
    assert_eq!(endpoint["value"], "https://s3.us-east-1.amazonaws.com");
    assert_eq!(json["settings"]["is_aws"], true);
    assert_eq!(json["settings"]["proxy"]["set_by"], "HTTPS_PROXY");
    assert!(line(&ended, "certificates").ends_with("which --ca-bundle names"));
    assert!(!format!("{ended:?}{json}").contains("hunter2"));
}

#[test]
fn doctor_at_aws_needs_no_permission_to_check_the_store() {
    let aws = Aws::start();
    lock(&aws.server)
        .acquire("somebody")
        .unwrap()
        .release()
        .unwrap();
    // What a narrow policy leads to: only the lock and its queue, and no list.
    aws.deny(Match::list(), "s3:ListBucket");
    aws.deny(Match::put().key_prefix("locks/.s3-lock-"), "s3:PutObject");
    aws.deny(Match::get().key_prefix("locks/.s3-lock-"), "s3:GetObject");
    aws.deny(Match::get().key(QUEUE), "s3:ListBucket");
    let before = aws.server.object(KEY);
    let (ended, json) = aws.examined();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert_eq!(permit(&json, "s3:PutObject", SCRATCH).0, "warn");
    assert_eq!(permit(&json, "s3:GetObject", KEY).0, "ok");
    assert_eq!(permit(&json, "s3:PutObject", KEY).0, "ok");
    // The message says that it is only absent.
    assert_eq!(permit(&json, "s3:GetObject", QUEUE).0, "ok");
    assert_eq!(json["conditional_writes"]["is_safe"], Value::Null);
    assert!(line(&ended, "conditional writes").starts_with("warn"));
    assert_eq!(aws.server.object(KEY), before);
}

#[test]
fn doctor_at_aws_tells_that_the_lock_may_not_be_written_though_the_store_was_not_checked() {
    let aws = Aws::start();
    aws.deny(Match::put(), "s3:PutObject");
    let (ended, json) = aws.examined();
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    let (status, remedy) = permit(&json, "s3:PutObject", KEY);
    assert_eq!(status, "fail");
    assert!(remedy.contains("grant s3:PutObject"), "{remedy}");
}

#[test]
fn doctor_at_aws_does_not_know_what_a_hidden_absent_lock_may_be_used_for() {
    let aws = Aws::start();
    // Nothing is there, nothing may be listed, and no message says what is missing.
    aws.server
        .fault(Match::any().always(), Fault::answer(403, "AccessDenied"));
    let ended = run(&mut aws.doctor(&["--json"]));
    let json = ended.json();
    assert_eq!(permit(&json, "s3:GetObject", KEY).0, "unknown");
    assert_eq!(status(&json, "reachable"), "warn");
}
