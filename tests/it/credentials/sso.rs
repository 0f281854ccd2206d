//! Single sign-on: the token that `aws sso login` has left, against stand-ins for AWS's services. The one
//! that renews tokens takes each refresh token for one time only.

use std::fs;
use std::io::Write;
use std::iter;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::*;
use crate::support::{Certificate, ConnectProxy, TlsFront, Verdict};

/// `printf %s corp | sha1sum`, and the same of [`START_URL`].
const FILE: &str = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
const OLDER_FILE: &str = "a51746d4aa793ae07b25e90c3a5db96fc7832bd7.json";
const START_URL: &str = "https://corp.awsapps.com/start";

const MINUTE: Duration = Duration::from_secs(60);

/// A home with the settings of SSO, the services, and the S3 that takes what they give.
pub(super) struct World {
    pub(super) server: Server,
    home: Home,
    portal: StandIn,
    pub(super) oidc: StandIn,
}

impl World {
    fn new(name: &str) -> World {
        World::with(name, |_| granted("t", HOUR), |_| renewed(1))
    }

    /// The same with services that answer by these rules.
    pub(super) fn with(
        name: &str,
        portal: impl Fn(&[Asked]) -> Answer + Send + Sync + 'static,
        oidc: impl Fn(&[Asked]) -> Answer + Send + Sync + 'static,
    ) -> World {
        let home = Home::new(&format!("sso-{name}"));
        fs::create_dir_all(home.path().join(".aws/sso/cache")).unwrap();
        let session = format!("sso_region = eu-west-1\nsso_start_url = {START_URL}\n");
        home.write(
            "config",
            &format!(
                "[profile p]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev+Ops\n\
                 [sso-session corp]\n{session}\
                 [profile older]\nsso_account_id = 123456789012\nsso_role_name = Dev\n{session}"
            ),
        );
        World {
            server: Server::start(),
            home,
            portal: StandIn::start(portal),
            oidc: StandIn::start(oidc),
        }
    }

    fn file(&self) -> PathBuf {
        self.home.path().join(".aws/sso/cache").join(FILE)
    }

    /// Puts down a token that ends at this time.
    pub(super) fn sign_in(&self, end: SystemTime) {
        self.put(&token(end));
    }

    pub(super) fn put(&self, token: &Value) {
        fs::write(self.file(), token.to_string()).unwrap();
    }

    pub(super) fn token(&self) -> Value {
        serde_json::from_slice(&fs::read(self.file()).unwrap()).unwrap()
    }

    pub(super) fn command(&self, profile: &str, calls: &str) -> Command {
        let mut command = command(&self.server, &self.home, calls);
        command
            .env("AWS_PROFILE", profile)
            .env("AWS_ENDPOINT_URL_SSO", self.portal.endpoint())
            .env("AWS_ENDPOINT_URL_SSO_OIDC", self.oidc.endpoint());
        command
    }

    fn told(&self, calls: &str) -> Told {
        Told::of(self.command("p", calls))
    }

    /// The tokens that the portal was shown.
    fn shown(&self) -> Vec<String> {
        let asked = self.portal.requests();
        let shown = asked.iter().map(|a| a.header("x-amz-sso_bearer_token"));
        shown.map(|t| t.unwrap_or("none").to_owned()).collect()
    }
}

fn from_now(span: Duration) -> SystemTime {
    SystemTime::now() + span
}

pub(super) fn ago(span: Duration) -> SystemTime {
    SystemTime::now() - span
}

fn stamp(time: SystemTime) -> String {
    let time: DateTime<Utc> = time.into();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What `aws sso login` writes, and a field that only others know.
fn token(end: SystemTime) -> Value {
    json!({
        "startUrl": START_URL,
        "region": "eu-west-1",
        "accessToken": format!("{HUNTER}-access-0"),
        "expiresAt": stamp(end),
        "clientId": "client",
        "clientSecret": format!("{HUNTER}-client"),
        "registrationExpiresAt": stamp(from_now(HOUR * 24)),
        "refreshToken": format!("{HUNTER}-refresh-0"),
        "ofOthers": [1, 2],
    })
}

fn access(number: usize) -> String {
    format!("{HUNTER}-access-{number}")
}

/// What OIDC answers.
pub(super) fn renewed(number: usize) -> Answer {
    let reply = json!({
        "accessToken": access(number),
        "tokenType": "Bearer",
        "expiresIn": 3600,
        "refreshToken": format!("{HUNTER}-refresh-{number}"),
    });
    Answer::Say(200, reply.to_string())
}

fn refuses(_: &[Asked]) -> Answer {
    let description = format!("no such token: {HUNTER}-refresh-0");
    let reply = json!({"error": "invalid_grant", "error_description": description});
    Answer::Say(400, reply.to_string())
}

/// What the portal answers.
pub(super) fn granted(session: &str, good_for: Duration) -> Answer {
    let end = from_now(good_for).duration_since(SystemTime::UNIX_EPOCH);
    let reply = json!({"roleCredentials": {
        "accessKeyId": ACCESS_KEY,
        "secretAccessKey": SECRET_KEY,
        "sessionToken": session,
        "expiration": end.unwrap().as_millis() as u64,
    }});
    Answer::Say(200, reply.to_string())
}

#[test]
fn client_whose_user_has_signed_in_gets_the_credentials_of_a_role() {
    let world = World::new("good");
    world.sign_in(from_now(HOUR));
    let before = world.token();
    world.told("try").all_went_well();
    let asked = world.portal.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].method, "GET");
    let path = "/federation/credentials?role_name=Dev%2BOps&account_id=123456789012";
    assert_eq!(asked[0].path, path);
    assert_eq!(world.shown(), [access(0)]);
    assert_eq!(tokens(&world.server), ["t"]);
    assert_eq!(world.oidc.requests().len(), 0);
    assert_eq!(world.token(), before);
}

#[test]
fn client_renews_a_token_before_it_ends_and_writes_it_down() {
    for (name, end) in [("soon", from_now(MINUTE * 14)), ("over", ago(HOUR))] {
        let world = World::new(name);
        world.sign_in(end);
        world.told("try").all_went_well();
        let asked = world.oidc.requests();
        assert_eq!(asked.len(), 1);
        assert_eq!(
            (asked[0].method.as_str(), asked[0].path.as_str()),
            ("POST", "/token")
        );
        assert_eq!(asked[0].header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_str(&asked[0].body).unwrap();
        let expected = json!({
            "grantType": "refresh_token",
            "clientId": "client",
            "clientSecret": format!("{HUNTER}-client"),
            "refreshToken": format!("{HUNTER}-refresh-0"),
        });
        assert_eq!(body, expected);
        assert_eq!(world.shown(), [access(1)]);
        let mut new = world.token();
        let end = new["expiresAt"].take();
        let end: DateTime<Utc> = end.as_str().unwrap().parse().unwrap();
        let left = SystemTime::from(end)
            .duration_since(SystemTime::now())
            .unwrap();
        assert!((MINUTE * 50..=HOUR).contains(&left), "{left:?}");
        let mut expected = token(SystemTime::now());
        expected["accessToken"] = access(1).into();
        expected["refreshToken"] = format!("{HUNTER}-refresh-1").into();
        for field in ["expiresAt", "registrationExpiresAt"] {
            (expected[field], new[field]) = (Value::Null, Value::Null);
        }
        assert_eq!(new, expected);
    }
}

#[test]
#[cfg(unix)]
fn client_writes_a_token_for_its_owner_alone_and_leaves_no_other_file() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new("mode");
    world.sign_in(ago(HOUR));
    fs::set_permissions(world.file(), fs::Permissions::from_mode(0o644)).unwrap();
    world.told("try").all_went_well();
    let mode = fs::metadata(world.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = world.file().parent().unwrap().read_dir().unwrap();
    assert_eq!(folder.count(), 1);
}

#[test]
fn client_keeps_a_refresh_token_that_is_not_replaced() {
    let reply = json!({"accessToken": access(1), "expiresIn": 3600});
    let oidc = move |_: &[Asked]| Answer::Say(200, reply.to_string());
    let world = World::with("kept", |_| granted("t", HOUR), oidc);
    world.sign_in(ago(HOUR));
    world.told("try").all_went_well();
    let expected = format!("{HUNTER}-refresh-0");
    assert_eq!(world.token()["refreshToken"], expected);
    assert_eq!(world.token()["accessToken"], access(1));
}

#[test]
fn client_names_the_command_to_sign_in_with_if_a_token_is_not_renewed() {
    let world = World::with("refused", |_| granted("t", HOUR), refuses);
    world.sign_in(ago(HOUR));
    let before = world.token();
    let told = world.told("acquire");
    told.has(&[
        "Config: the SSO token service http://127.0.0.1:",
        "did not renew the sign-in to SSO session \"corp\": 400 (invalid_grant); sign in again: aws sso login --sso-session corp",
    ]);
    assert_eq!(world.token(), before);
    assert_eq!(world.portal.requests().len(), 0);
    assert_eq!(world.server.requests().len(), 0);
}

#[test]
fn client_uses_a_token_that_is_not_renewed_until_it_ends() {
    let world = World::with("still-good", |_| granted("t", HOUR), refuses);
    world.sign_in(from_now(MINUTE * 5));
    world.told("try").all_went_well();
    assert_eq!(world.shown(), [access(0)]);
}

#[test]
fn client_uses_a_good_token_while_the_service_that_renews_it_hangs() {
    let world = World::with("hang", |_| granted("t", HOUR), |_| Answer::Hang);
    world.sign_in(from_now(MINUTE * 5));
    let mut command = world.command("p", "try");
    command.env(TIMEOUT, "2000");
    Told::of(command).all_went_well();
    assert_eq!(world.shown(), [access(0)]);
}

#[test]
fn client_tells_why_a_token_that_ended_cannot_be_renewed() {
    let older_than_registration = stamp(ago(MINUTE));
    for (field, value, why) in [
        (
            "refreshToken",
            "",
            "cannot be renewed: its token has no refreshToken",
        ),
        (
            "registrationExpiresAt",
            older_than_registration.as_str(),
            "cannot be renewed: its registration ended at ",
        ),
    ] {
        let world = World::new(&format!("no-{field}"));
        let mut token = token(ago(HOUR));
        token[field] = value.into();
        world.put(&token);
        world.told("try").has(&[
            "Config: the sign-in to SSO session \"corp\" ended at ",
            why,
            "; sign in again: aws sso login --sso-session corp",
        ]);
        assert_eq!(world.oidc.requests().len(), 0);
    }
}

#[test]
fn acquire_waits_for_a_service_that_cannot_renew_a_token_for_a_moment() {
    let oidc = |so_far: &[Asked]| match so_far.len() {
        1 => say(503, ""),
        2 => say(400, r#"{"error":"slow_down"}"#),
        number => renewed(number),
    };
    let world = World::with("busy", |_| granted("t", HOUR), oidc);
    world.sign_in(ago(HOUR));
    world.told("acquire").all_went_well();
    assert_eq!(world.shown(), [access(3)]);
}

#[test]
fn acquire_waits_for_a_portal_that_is_busy() {
    let portal = |so_far: &[Asked]| match so_far.len() {
        1 => say(429, r#"{"message":"later"}"#),
        2 => say(500, ""),
        _ => granted("t", HOUR),
    };
    let world = World::with("busy-portal", portal, |_| renewed(1));
    world.sign_in(from_now(HOUR));
    world.told("acquire").all_went_well();
}

#[test]
fn client_tells_of_a_portal_that_does_not_take_the_token() {
    let portal = |_: &[Asked]| {
        let kind = "com.amazonaws.switchboard.portal#UnauthorizedException";
        let reply = json!({"__type": kind, "message": "Session token not found or invalid"});
        Answer::Say(401, reply.to_string())
    };
    let world = World::with("revoked", portal, |_| renewed(1));
    world.sign_in(from_now(HOUR));
    world.told("acquire").has(&[
        "Config: the SSO portal http://127.0.0.1:",
        "401 (UnauthorizedException: Session token not found or invalid)",
        "has ended: sign in again: aws sso login --sso-session corp",
    ]);
    assert_eq!(world.portal.requests().len(), 1);
}

#[test]
fn client_tells_of_a_role_that_whoever_signed_in_does_not_have() {
    for (status, code) in [
        (403, "ForbiddenException"),
        (404, "ResourceNotFoundException"),
    ] {
        let portal = move |_: &[Asked]| {
            let reply = json!({"__type": code, "message": "No access"});
            Answer::Say(status, reply.to_string())
        };
        let world = World::with(code, portal, |_| renewed(1));
        world.sign_in(from_now(HOUR));
        world.told("acquire").has(&[
            "gave no credentials for SSO role \"Dev+Ops\" of account \"123456789012\"",
            &format!("{status} ({code}: No access)"),
            "check sso_account_id and sso_role_name of profile \"p\"",
        ]);
    }
}

#[test]
fn client_tells_of_services_that_answer_with_something_else_without_quoting_it() {
    let odd = || Answer::Say(200, format!(r#"{{"accessToken":["{HUNTER}"]}}"#));
    let world = World::with("odd", move |_| odd(), move |_| odd());
    world.sign_in(ago(HOUR));
    world.told("try").has(&[
        "did not renew the sign-in to SSO session \"corp\", in a reply that cannot be read; check that",
        "which AWS_ENDPOINT_URL_SSO_OIDC says, is the SSO token service",
    ]);
    world.sign_in(from_now(HOUR));
    world.told("try").has(&[
        "in a reply that cannot be read; check that",
        "which AWS_ENDPOINT_URL_SSO says, is the SSO portal",
    ]);
}

#[test]
fn client_with_the_older_keys_uses_a_token_and_never_renews_it() {
    let world = World::new("older");
    let file = world.file().with_file_name(OLDER_FILE);
    fs::write(&file, token(from_now(MINUTE)).to_string()).unwrap();
    Told::of(world.command("older", "try")).all_went_well();
    assert_eq!(world.shown(), [access(0)]);
    fs::write(&file, token(ago(MINUTE)).to_string()).unwrap();
    Told::of(world.command("older", "try")).has(&[
        "the sign-in to SSO at \"https://corp.awsapps.com/start\" ended at ",
        "sign in again: aws sso login --profile older",
    ]);
    assert_eq!(world.oidc.requests().len(), 0);
}

#[test]
fn client_renews_its_token_and_its_credentials_while_the_lock_is_held() {
    // By the child's clock, credentials are good for 200 s, and come 100 s after the ones before.
    let portal = |so_far: &[Asked]| {
        let number = so_far.len() as u32;
        granted(
            &format!("t{number}"),
            Duration::from_secs(100) * (number + 1),
        )
    };
    let world = World::with("held", portal, |_| renewed(1));
    // After 50 s it is to be renewed.
    world.sign_in(from_now(MINUTE * 15 + Duration::from_secs(50)));
    let mut command = world.command("p", "acquire renew");
    command.env(RENEW_FOR, "280");
    Told::of(command).all_went_well();
    assert_eq!(world.oidc.requests().len(), 1);
    assert_eq!(world.shown(), [access(0), access(1), access(1)]);
    assert_eq!(tokens(&world.server), ["t1", "t2", "t3"]);
}

#[test]
#[cfg(unix)]
fn client_does_not_use_up_a_good_token_that_it_cannot_replace() {
    let world = World::new("read-only");
    world.sign_in(from_now(MINUTE * 5));
    allow_reading_alone(&world);
    world.told("nobody try").all_went_well();
    assert_eq!(world.oidc.requests().len(), 0);
    assert_eq!(world.shown(), [access(0)]);
}

#[test]
#[cfg(unix)]
fn client_keeps_a_renewed_token_in_memory_where_it_may_not_write_it() {
    let portal = |so_far: &[Asked]| {
        let number = so_far.len() as u32;
        granted("t", Duration::from_secs(100) * (number + 1))
    };
    let world = World::with("memory", portal, |so_far| match so_far.len() {
        1 => renewed(1),
        _ => refuses(so_far),
    });
    world.sign_in(ago(HOUR));
    allow_reading_alone(&world);
    let mut command = world.command("p", "nobody acquire renew");
    command.env(RENEW_FOR, "280");
    Told::of(command).all_went_well();
    assert_eq!(world.oidc.requests().len(), 1);
    // Three times, or once more on a slow machine: the child's clock does not wait for a look-up.
    let shown = world.shown();
    assert!(
        shown.len() >= 2 && shown.iter().all(|token| *token == access(1)),
        "{shown:?}"
    );
    assert_eq!(world.token()["accessToken"], access(0));
}

/// Lets others read the home, and nobody but root change it.
#[cfg(unix)]
fn allow_reading_alone(world: &World) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::Permissions::from_mode;
    let file = world.file();
    fs::set_permissions(&file, mode(0o444)).unwrap();
    let mut folder = file.parent().unwrap();
    while folder != world.home.path().parent().unwrap() {
        fs::set_permissions(folder, mode(0o555)).unwrap();
        folder = folder.parent().unwrap();
    }
}

#[test]
fn clients_that_renew_a_token_at_the_same_moment_both_go_on() {
    let is_used_up = AtomicBool::new(false);
    let met = Arc::new(AtomicBool::new(false));
    let both = Arc::clone(&met);
    let oidc = move |so_far: &[Asked]| {
        if so_far.len() == 2 {
            both.store(true, Ordering::SeqCst);
        }
        // Each of them waits until the other has sent the same refresh token.
        crate::eventually("both come", || both.load(Ordering::SeqCst));
        if is_used_up.swap(true, Ordering::SeqCst) {
            refuses(so_far)
        } else {
            renewed(1)
        }
    };
    let world = World::with("two", |_| granted("t", HOUR), oidc);
    world.sign_in(ago(HOUR));
    thread::scope(|scope| {
        let child = || Told::of(world.command("p", "crowd"));
        let children = [scope.spawn(child), scope.spawn(child)];
        for child in children {
            child.join().unwrap().all_went_well();
        }
    });
    assert_eq!(world.oidc.requests().len(), 2);
    assert_eq!(world.shown(), [access(1), access(1)]);
    assert_eq!(world.token()["accessToken"], access(1));
}

#[test]
fn client_whose_token_another_has_used_up_waits_for_the_others_reply() {
    let oidc = |so_far: &[Asked]| match so_far.len() {
        1 => {
            // Longer than a file is written, and less than a request may take.
            thread::sleep(Duration::from_secs(3));
            renewed(1)
        }
        _ => refuses(so_far),
    };
    let world = World::with("slow-other", |_| granted("t", HOUR), oidc);
    world.sign_in(ago(HOUR));
    thread::scope(|scope| {
        let child = || {
            let mut command = world.command("p", "crowd");
            command.env(TIMEOUT, "20000");
            Told::of(command)
        };
        let children = [scope.spawn(child), scope.spawn(child)];
        for child in children {
            child.join().unwrap().all_went_well();
        }
    });
    assert_eq!(world.token()["accessToken"], access(1));
}

#[test]
#[cfg(unix)]
fn client_reads_a_token_again_that_another_program_has_half_written() {
    let world = World::new("half");
    let made = Command::new("mkfifo").arg(world.file()).status().unwrap();
    assert!(made.success());
    let (file, token) = (world.file(), token(from_now(HOUR)).to_string());
    // It ends with the tests: nobody reads all of this.
    thread::spawn(move || {
        let whole = iter::repeat_n(token.as_str(), 50);
        for text in iter::once(&token[..40]).chain(whole) {
            let mut pipe = fs::OpenOptions::new().write(true).open(&file).unwrap();
            // An error means that the reader has gone.
            let _ = pipe.write_all(text.as_bytes());
            drop(pipe);
            // So that the reader sees the end of it.
            thread::sleep(Duration::from_millis(100));
        }
    });
    world.told("try").all_went_well();
    assert_eq!(world.shown(), [access(0)]);
}

#[test]
fn client_writes_down_a_renewed_token_that_comes_after_the_call_went_on() {
    let oidc = |_: &[Asked]| {
        // Longer than a call with a good token waits, and less than the request may take.
        thread::sleep(Duration::from_millis(2500));
        renewed(1)
    };
    let world = World::with("slow", |_| granted("t", HOUR), oidc);
    world.sign_in(from_now(MINUTE * 5));
    world.told("try wait wait").all_went_well();
    assert_eq!(world.shown(), [access(0)]);
    assert_eq!(world.token()["accessToken"], access(1));
    assert_eq!(world.oidc.requests().len(), 1);
}

#[test]
fn client_whose_clock_is_wrong_does_not_ask_again_and_again() {
    // By the child's clock, whatever is new has ended already.
    let oidc = |_: &[Asked]| {
        let reply = json!({"accessToken": access(1), "expiresIn": -3600});
        Answer::Say(200, reply.to_string())
    };
    let portal = |_: &[Asked]| {
        let hour_ago = ago(HOUR).duration_since(SystemTime::UNIX_EPOCH);
        let reply = json!({"roleCredentials": {
            "accessKeyId": ACCESS_KEY,
            "secretAccessKey": SECRET_KEY,
            "sessionToken": "t",
            "expiration": hour_ago.unwrap().as_millis() as u64,
        }});
        Answer::Say(200, reply.to_string())
    };
    let world = World::with("clock", portal, oidc);
    world.sign_in(ago(HOUR));
    let mut command = world.command("p", "acquire renew");
    command.env(RENEW_FOR, "50");
    Told::of(command).all_went_well();
    assert!(world.server.requests().len() > 50);
    assert_eq!(world.oidc.requests().len(), 1);
    assert_eq!(world.portal.requests().len(), 1);
}

#[test]
fn acquire_tells_at_once_where_nobody_renews_a_token() {
    let world = World::new("closed");
    world.sign_in(ago(HOUR));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let url = format!("http://{}", closed.unwrap());
    let mut command = world.command("p", "acquire");
    command.env("AWS_ENDPOINT_URL_SSO_OIDC", &url);
    Told::of(command).has(&[
        "Storage: a request for credentials to the SSO token service http://127.0.0.1:",
        &format!("AWS_ENDPOINT_URL_SSO_OIDC says {url}"),
    ]);
}

#[test]
fn client_asks_the_services_that_the_profile_names() {
    let world = World::new("services");
    let config = world.home.path().join(".aws/config");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("[profile p]\n", "[profile p]\nservices = local\n");
    let (portal, oidc) = (world.portal.endpoint(), world.oidc.endpoint());
    let services = format!(
        "[services local]\nsso =\n  endpoint_url = {portal}\nsso_oidc =\n  endpoint_url = {oidc}\n"
    );
    fs::write(&config, format!("{text}{services}")).unwrap();
    world.sign_in(ago(HOUR));
    let mut command = world.command("p", "try");
    command
        .env_remove("AWS_ENDPOINT_URL_SSO")
        .env_remove("AWS_ENDPOINT_URL_SSO_OIDC");
    Told::of(command).all_went_well();
    assert_eq!(world.shown(), [access(1)]);
}

#[test]
fn client_does_not_overrule_a_person_who_signs_in_or_out_during_a_renewal() {
    let other = token(from_now(HOUR * 2));
    for person in [Some(other), None] {
        let name = if person.is_some() { "in" } else { "out" };
        let file = Arc::new(OnceLock::<PathBuf>::new());
        let (of_world, acts) = (Arc::clone(&file), person.clone());
        let oidc = move |_: &[Asked]| {
            let file = of_world.get().expect("the test has said it");
            match &acts {
                Some(token) => fs::write(file, token.to_string()).unwrap(),
                None => fs::remove_file(file).unwrap(),
            }
            renewed(1)
        };
        let world = World::with(name, |_| granted("t", HOUR), oidc);
        world.sign_in(ago(HOUR));
        file.set(world.file()).unwrap();
        world.told("try").all_went_well();
        assert_eq!(world.shown(), [access(1)]);
        assert_eq!(world.file().exists().then(|| world.token()), person);
    }
}

/// The services over https, by a certificate of the test's own, and a proxy that may be on the way.
struct OverTls {
    world: World,
    fronts: [TlsFront; 2],
    certificate: Certificate,
    proxy: ConnectProxy,
}

impl OverTls {
    fn new(name: &str) -> OverTls {
        let (world, certificate) = (World::new(name), Certificate::make(name));
        world.sign_in(ago(HOUR));
        let fronts = [&world.portal, &world.oidc];
        let fronts = fronts.map(|service| TlsFront::start(&service.endpoint(), &certificate));
        OverTls {
            world,
            fronts,
            certificate,
            proxy: ConnectProxy::start(),
        }
    }

    fn command(&self) -> Command {
        let mut command = self.world.command("p", "try");
        command
            .env(TIMEOUT, "30000")
            .env("AWS_ENDPOINT_URL_SSO", self.fronts[0].endpoint())
            .env("AWS_ENDPOINT_URL_SSO_OIDC", self.fronts[1].endpoint());
        command
    }
}

#[test]
fn client_trusts_the_services_of_sso_by_the_file_in_aws_ca_bundle() {
    let site = OverTls::new("sso-tls");
    let mut command = site.command();
    command.env("AWS_CA_BUNDLE", site.certificate.file());
    Told::of(command).all_went_well();
    assert_eq!(site.world.shown(), [access(1)]);
    assert_eq!(site.world.oidc.requests().len(), 1);
}

#[test]
fn client_does_not_show_a_token_to_a_service_that_this_machine_does_not_trust() {
    let site = OverTls::new("sso-distrust");
    Told::of(site.command()).has(&["its certificate is self-signed", "AWS_CA_BUNDLE"]);
    assert_eq!(site.world.oidc.requests().len(), 0);
    assert_eq!(site.world.portal.requests().len(), 0);
}

#[test]
fn client_asks_the_services_of_sso_by_tunnels_through_the_proxy() {
    let site = OverTls::new("sso-tunnel");
    let mut command = site.command();
    command
        .env("AWS_CA_BUNDLE", site.certificate.file())
        .env("HTTPS_PROXY", site.proxy.endpoint());
    Told::of(command).all_went_well();
    let asked = site.proxy.requests();
    let asked: Vec<_> = asked.iter().map(|r| (r.method(), r.target())).collect();
    let tunnel = |front: &TlsFront| {
        let to = front.endpoint().replace("https://", "");
        ("CONNECT".to_owned(), to)
    };
    assert_eq!(asked, [tunnel(&site.fronts[1]), tunnel(&site.fronts[0])]);
    assert_eq!(site.world.shown(), [access(1)]);
}

#[test]
fn client_asks_the_services_of_sso_over_http_through_the_proxy() {
    let world = World::new("sso-proxy");
    world.sign_in(ago(HOUR));
    let inside = |service: &StandIn| service.endpoint().replace("http://", "");
    let (portal, oidc) = (inside(&world.portal), inside(&world.oidc));
    let proxy = ConnectProxy::with(move |request| {
        let is_oidc = request.target().starts_with("http://oidc.test/");
        Verdict::PassTo(if is_oidc { &oidc } else { &portal }.clone())
    });
    let mut command = world.command("p", "try");
    command
        .env("AWS_ENDPOINT_URL_SSO", "http://portal.test")
        .env("AWS_ENDPOINT_URL_SSO_OIDC", "http://oidc.test")
        .env("ALL_PROXY", proxy.endpoint())
        .env("NO_PROXY", "127.0.0.1");
    Told::of(command).all_went_well();
    assert_eq!(proxy.methods(), ["POST", "GET"]);
    assert_eq!(world.shown(), [access(1)]);
}
