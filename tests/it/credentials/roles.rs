//! Roles that profiles name: a stand-in for STS checks what it is asked, and by whom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{
    CALLS, HOUR, HUNTER, PROFILE, RENEW_FOR, TIMEOUT, Told, command, in_, keys_of, metadata,
    printing, sts_error, tokens,
};
use crate::child::Home;
use crate::support::{
    ACCESS_KEY, Answer, Asked, Certificate, ConnectProxy, REGION, SECRET_KEY, Server, StandIn,
    TlsFront,
};

/// The access keys of the profile `keys`, and those of the role that is only on the way.
const SOURCE: &str = "AKIASOURCE";
const BETWEEN: &str = "ASIABETWEEN";

/// The role that may do everything, and one that may only assume it.
const ROLE: &str = "arn:aws:iam::123456789012:role/lock";
const MIDDLE: &str = "arn:aws:iam::123456789012:role/middle";

/// What a call to STS says.
struct Call {
    form: BTreeMap<String, String>,
    /// The scope of the signature, and the access key. Empty if it is not signed.
    signed_by: String,
    token: Option<String>,
}

impl Call {
    fn of(asked: &Asked) -> Call {
        let fields = asked.body.split('&').filter_map(|field| {
            let (name, value) = field.split_once('=')?;
            let value = value.replace("%3A", ":").replace("%2F", "/");
            Some((name.to_owned(), value))
        });
        let signature = asked.header("authorization").unwrap_or_default();
        let credential = signature.split_once("Credential=");
        let credential = credential.and_then(|(_, rest)| rest.split(',').next());
        // Without the day.
        let scope: Vec<_> = credential.unwrap_or_default().split('/').collect();
        let scope = scope.iter().enumerate().filter(|(at, _)| *at != 1);
        let scope: Vec<_> = scope.map(|(_, part)| *part).collect();
        Call {
            form: fields.collect(),
            signed_by: scope.join("/"),
            token: asked.header("x-amz-security-token").map(str::to_owned),
        }
    }

    fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }
}

/// Checks what every request to STS has, and says what is wrong with it.
fn fault(asked: &Asked, call: &Call) -> Option<String> {
    if (asked.method.as_str(), asked.path.as_str()) != ("POST", "/") {
        return Some(format!("{} {}", asked.method, asked.path));
    }
    let form = asked.header("content-type").unwrap_or_default();
    if form != "application/x-www-form-urlencoded" || call.field("Version") != "2011-06-15" {
        return Some(format!("{form} {}", asked.body));
    }
    let is_signed = call.field("Action") == "AssumeRole";
    let signature = asked.header("authorization").unwrap_or_default();
    let signs = |header| signature.contains(header);
    let has_all = signs("host") && signs("x-amz-date") && signs("content-type");
    let signs_token = call.token.is_none() || signs("x-amz-security-token");
    let is_whole = has_all && signs_token && call.signed_by.ends_with("/sts/aws4_request");
    (is_signed != is_whole || is_signed == signature.is_empty()).then(|| signature.to_owned())
}

/// What STS gives for a role: the server's keys for [`ROLE`], with a session token.
fn grant(call: &Call, good_for: Duration) -> Answer {
    let (action, expiration) = (call.field("Action"), in_(good_for));
    let (id, secret, token) = match call.field("RoleArn") {
        ROLE => (ACCESS_KEY, SECRET_KEY, "t".to_owned()),
        arn => (BETWEEN, HUNTER, format!("token-of-{arn}")),
    };
    Answer::Say(
        200,
        format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
             <AssumedRoleUser><Arn>arn:x</Arn></AssumedRoleUser><Credentials>\
             <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
             </{action}Result></{action}Response>"
        ),
    )
}

/// An STS that answers some calls in its own way, and else grants what is asked for in due form.
fn sts(differs: impl Fn(&Call, usize) -> Option<Answer> + Send + Sync + 'static) -> StandIn {
    StandIn::start(move |so_far| {
        let asked = so_far.last().unwrap();
        let call = Call::of(asked);
        if let Some(fault) = fault(asked, &call) {
            return sts_error(400, "FaultOfTheTest", &fault);
        }
        let answer = differs(&call, so_far.len());
        answer.unwrap_or_else(|| grant(&call, HOUR))
    })
}

fn calls(sts: &StandIn) -> Vec<Call> {
    sts.requests().iter().map(Call::of).collect()
}

fn scope(key: &str) -> String {
    format!("{key}/{REGION}/sts/aws4_request")
}

fn keys() -> String {
    format!("[profile keys]\naws_access_key_id = {SOURCE}\naws_secret_access_key = {HUNTER}\n")
}

fn profile(name: &str, lines: &[&str]) -> String {
    format!("[profile {name}]\n{}\n", lines.join("\n"))
}

/// The line of a profile that has a role.
fn role(arn: &str) -> String {
    format!("role_arn = {arn}")
}

/// A child that uses the profile `a` of this config file.
fn with_config(server: &Server, home: &Home, sts: &StandIn, config: &str) -> std::process::Command {
    home.write("config", config);
    let mut command = command(server, home, "try");
    command
        .env("AWS_PROFILE", "a")
        .env("AWS_ENDPOINT_URL_STS", sts.endpoint());
    command
}

/// The usual config: the role of the profile `a` takes the keys of the profile `keys`.
fn usual() -> String {
    profile("a", &[&role(ROLE), "source_profile = keys"]) + &keys()
}

#[test]
fn client_assumes_the_role_of_its_profile_with_the_keys_of_another() {
    let (server, home) = (Server::start(), Home::new("role"));
    let sts = sts(|_, _| None);
    let lines = [
        &role(ROLE),
        "source_profile = keys",
        "external_id = x-1",
        "role_session_name = nightly",
        "duration_seconds = 1800",
    ];
    let config = profile("a", &lines) + &keys();
    let mut command = with_config(&server, &home, &sts, &config);
    command.env(CALLS, "try found");
    let told = Told::of(command);
    assert!(told.0[0].starts_with("none"), "{}", told.0[0]);
    let way = format!("profile \"a\": role {ROLE} from profile \"keys\"");
    assert_eq!(told.0[1].trim(), way);
    let [call] = &calls(&sts)[..] else {
        panic!("it asked more than once");
    };
    let form: Vec<_> = call
        .form
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let expected = [
        ("Action", "AssumeRole"),
        ("DurationSeconds", "1800"),
        ("ExternalId", "x-1"),
        ("RoleArn", ROLE),
        ("RoleSessionName", "nightly"),
        ("Version", "2011-06-15"),
    ];
    assert_eq!(form, expected);
    assert_eq!(call.signed_by, scope(SOURCE));
    assert_eq!(call.token, None);
    assert_eq!(tokens(&server), ["t"]);
}

#[test]
fn client_names_a_session_after_its_process_and_sends_nothing_that_is_not_set() {
    let (server, home) = (Server::start(), Home::new("role-bare"));
    let sts = sts(|_, _| None);
    Told::of(with_config(&server, &home, &sts, &usual())).all_went_well();
    let call = &calls(&sts)[0];
    assert_eq!(call.form.len(), 4, "{:?}", call.form);
    let number = call.field("RoleSessionName").strip_prefix("s3-lock-");
    assert!(number.is_some_and(|n| n.parse::<u32>().is_ok()));
}

#[test]
fn client_assumes_one_role_after_another_with_the_session_token_of_the_one_before() {
    let (server, home) = (Server::start(), Home::new("role-chain"));
    let sts = sts(|_, _| None);
    let config = profile("a", &[&role(ROLE), "source_profile = b"])
        + &profile("b", &[&role(MIDDLE), "source_profile = c"])
        + &profile("c", &[&role("arn:first"), "source_profile = keys"])
        + &keys();
    Told::of(with_config(&server, &home, &sts, &config)).all_went_well();
    let told = |call: &Call| {
        let token = call.token.clone().unwrap_or_default();
        format!("{} by {} {token}", call.field("RoleArn"), call.signed_by)
    };
    let told: Vec<_> = calls(&sts).iter().map(told).collect();
    let expected = [
        format!("arn:first by {} ", scope(SOURCE)),
        format!("{MIDDLE} by {} token-of-arn:first", scope(BETWEEN)),
        format!("{ROLE} by {} token-of-{MIDDLE}", scope(BETWEEN)),
    ];
    assert_eq!(told, expected);
    assert_eq!(tokens(&server), ["t"]);
}

#[test]
fn client_assumes_a_role_with_the_keys_of_the_same_profile() {
    let (server, home) = (Server::start(), Home::new("role-self"));
    let sts = sts(|_, _| None);
    let credentials =
        format!("[a]\naws_access_key_id = {SOURCE}\naws_secret_access_key = {HUNTER}\n");
    home.write("credentials", &credentials);
    let config = profile("a", &[&role(ROLE), "source_profile = a"]);
    Told::of(with_config(&server, &home, &sts, &config)).all_went_well();
    assert_eq!(calls(&sts)[0].signed_by, scope(SOURCE));
}

#[test]
fn client_assumes_a_role_with_the_keys_of_the_environment_if_code_names_the_profile() {
    let (server, home) = (Server::start(), Home::new("role-environment"));
    let sts = sts(|_, _| None);
    let config = profile("a", &[&role(ROLE), "credential_source = Environment"]);
    let mut command = with_config(&server, &home, &sts, &config);
    command
        .env_remove("AWS_PROFILE")
        .env(PROFILE, "a")
        .env("AWS_ACCESS_KEY_ID", SOURCE)
        .env("AWS_SECRET_ACCESS_KEY", HUNTER)
        .env("AWS_SESSION_TOKEN", "token");
    Told::of(command).all_went_well();
    let call = &calls(&sts)[0];
    assert_eq!(call.signed_by, scope(SOURCE));
    assert_eq!(call.token.as_deref(), Some("token"));
}

#[test]
fn client_assumes_a_role_with_the_keys_of_a_container() {
    let (server, home) = (Server::start(), Home::new("role-container"));
    let sts = sts(|_, _| None);
    let endpoint = StandIn::start(|_| keys_of(SOURCE, "token", HOUR));
    let config = profile("a", &[&role(ROLE), "credential_source = EcsContainer"]);
    let mut command = with_config(&server, &home, &sts, &config);
    let url = format!("{}/get", endpoint.endpoint());
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    Told::of(command).all_went_well();
    let call = &calls(&sts)[0];
    assert_eq!(call.signed_by, scope(SOURCE));
    assert_eq!(call.token.as_deref(), Some("token"));
}

#[test]
fn client_assumes_a_role_with_the_keys_of_an_instance() {
    let (server, home) = (Server::start(), Home::new("role-instance"));
    let sts = sts(|_, _| None);
    let service = metadata(|asked, _| {
        let is_last = asked.path.ends_with("/web");
        is_last.then(|| keys_of(SOURCE, "token", HOUR))
    });
    let config = profile(
        "a",
        &[&role(ROLE), "credential_source = Ec2InstanceMetadata"],
    );
    let mut command = with_config(&server, &home, &sts, &config);
    command
        .env_remove("AWS_EC2_METADATA_DISABLED")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.endpoint());
    Told::of(command).all_went_well();
    let call = &calls(&sts)[0];
    assert_eq!(call.signed_by, scope(SOURCE));
    assert_eq!(call.token.as_deref(), Some("token"));
}

#[test]
fn client_tells_of_an_instance_that_a_profile_names_and_that_does_not_answer() {
    let (server, home) = (Server::start(), Home::new("role-no-instance"));
    let sts = sts(|_, _| None);
    let service = StandIn::start(|_| Answer::Hang);
    let config = profile(
        "a",
        &[&role(ROLE), "credential_source = Ec2InstanceMetadata"],
    );
    let mut command = with_config(&server, &home, &sts, &config);
    command
        .env_remove("AWS_EC2_METADATA_DISABLED")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.endpoint());
    Told::of(command).has(&["Storage: ", &service.endpoint(), "no answer"]);
}

#[test]
fn client_assumes_a_role_with_the_keys_that_a_command_prints() {
    let (server, home) = (Server::start(), Home::new("role-command"));
    let sts = sts(|_, _| None);
    let script = home.path().join("get.sh");
    let json = format!(r#"{{"Version":1,"AccessKeyId":"{SOURCE}","SecretAccessKey":"{HUNTER}"}}"#);
    std::fs::write(&script, printing(&json)).unwrap();
    let line = format!("credential_process = sh '{}'", script.display());
    let config = profile("a", &[&role(ROLE), "source_profile = b"]) + &profile("b", &[&line]);
    Told::of(with_config(&server, &home, &sts, &config)).all_went_well();
    assert_eq!(calls(&sts)[0].signed_by, scope(SOURCE));
}

#[test]
fn client_assumes_a_role_with_the_keys_of_a_web_identity() {
    let (server, home) = (Server::start(), Home::new("role-web"));
    let sts = sts(|_, _| None);
    let file = home.path().join("token");
    std::fs::write(&file, format!("{HUNTER}\n")).unwrap();
    let line = format!("web_identity_token_file = {}", file.display());
    let config =
        profile("a", &[&role(ROLE), "source_profile = b"]) + &profile("b", &[&role(MIDDLE), &line]);
    Told::of(with_config(&server, &home, &sts, &config)).all_went_well();
    let [first, second] = &calls(&sts)[..] else {
        panic!("there are two roles");
    };
    assert_eq!(first.field("Action"), "AssumeRoleWithWebIdentity");
    assert_eq!(first.field("WebIdentityToken"), HUNTER);
    assert_eq!(second.signed_by, scope(BETWEEN));
    let token = format!("token-of-{MIDDLE}");
    assert_eq!(second.token.as_deref(), Some(token.as_str()));
}

#[test]
fn client_assumes_a_role_with_the_keys_of_sso() {
    let (server, home) = (Server::start(), Home::new("role-sso"));
    let sts = sts(|_, _| None);
    let end: chrono::DateTime<chrono::Utc> = (std::time::SystemTime::now() + HOUR).into();
    let portal = StandIn::start(move |_| {
        let end = end.timestamp_millis();
        let keys = format!(
            r#"{{"accessKeyId":"{BETWEEN}","secretAccessKey":"{HUNTER}","sessionToken":"token","expiration":{end}}}"#
        );
        Answer::Say(200, format!(r#"{{"roleCredentials":{keys}}}"#))
    });
    let cache = home.path().join(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let token = format!(
        r#"{{"accessToken":"{HUNTER}","expiresAt":"{}"}}"#,
        end.format("%Y-%m-%dT%H:%M:%SZ")
    );
    // `printf %s corp | sha1sum`
    let file = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    std::fs::write(cache.join(file), token).unwrap();
    let sso = [
        "sso_session = corp",
        "sso_account_id = 1",
        "sso_role_name = dev",
        "[sso-session corp]",
        "sso_region = eu-west-1",
        "sso_start_url = https://corp/start",
    ];
    let config = profile("a", &[&role(ROLE), "source_profile = b"]) + &profile("b", &sso);
    let mut command = with_config(&server, &home, &sts, &config);
    command.env("AWS_ENDPOINT_URL_SSO", portal.endpoint());
    Told::of(command).all_went_well();
    let call = &calls(&sts)[0];
    assert_eq!(call.signed_by, scope(BETWEEN));
    assert_eq!(call.token.as_deref(), Some("token"));
}

#[test]
fn client_asks_sts_where_the_services_section_of_the_profile_in_use_says() {
    let (server, home) = (Server::start(), Home::new("role-services"));
    let (own, other) = (sts(|_, _| None), StandIn::start(|_| Answer::Hang));
    let config = profile(
        "a",
        &["services = local", &role(ROLE), "source_profile = keys"],
    ) + &keys()
        + &format!("endpoint_url = {}\n", other.endpoint())
        + &format!(
            "[services local]\nsts =\n  endpoint_url = {}\n",
            own.endpoint()
        );
    let mut command = with_config(&server, &home, &own, &config);
    command.env_remove("AWS_ENDPOINT_URL_STS");
    Told::of(command).all_went_well();
    assert_eq!(own.requests().len(), 1);
    assert_eq!(other.requests().len(), 0);
}

#[test]
fn client_asks_sts_in_the_region_of_the_profile_in_use() {
    let (server, home) = (Server::start(), Home::new("role-region"));
    let sts = sts(|_, _| None);
    let config = profile(
        "a",
        &["region = eu-west-3", &role(ROLE), "source_profile = keys"],
    ) + &keys()
        + "region = ap-south-1\n";
    let mut command = with_config(&server, &home, &sts, &config);
    command.env_remove("AWS_REGION");
    Told::of(command).all_went_well();
    let signed_by = &calls(&sts)[0].signed_by;
    assert_eq!(*signed_by, format!("{SOURCE}/eu-west-3/sts/aws4_request"));
}

#[test]
fn client_looks_at_keys_of_the_environment_then_at_a_role_and_then_at_a_web_identity() {
    let (server, home) = (Server::start(), Home::new("role-order"));
    let sts = Arc::new(sts(|_, _| None));
    let file = home.path().join("token");
    std::fs::write(&file, HUNTER).unwrap();
    let actions = || -> Vec<_> {
        let calls = calls(&sts);
        calls
            .iter()
            .map(|call| call.field("Action").to_owned())
            .collect()
    };
    let child = |config: &str, with_keys: &[(&str, &str)]| {
        let mut command = with_config(&server, &home, &sts, config);
        command
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", &file)
            .env("AWS_ROLE_ARN", ROLE)
            .envs(with_keys.iter().copied());
        Told::of(command).all_went_well();
        actions()
    };
    let keys = [
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ];
    assert_eq!(child(&usual(), &keys), Vec::<String>::new());
    assert_eq!(child(&usual(), &[]), ["AssumeRole"]);
    let own_keys = usual().replace("[profile keys]", "[profile a]").replace(
        &format!("{}\nsource_profile = keys", role(ROLE)),
        "region = us-east-1",
    );
    let both = ["AssumeRole", "AssumeRoleWithWebIdentity"];
    assert_eq!(child(&own_keys, &[]), both);
}

#[test]
fn client_tells_of_a_role_that_is_denied_and_does_not_ask_again() {
    let (server, home) = (Server::start(), Home::new("role-denied"));
    let message = "User: arn:aws:iam::1:user/me is not authorized to perform: sts:AssumeRole";
    let sts = sts(move |_, _| Some(sts_error(403, "AccessDenied", message)));
    let mut command = with_config(&server, &home, &sts, &usual());
    command.env(CALLS, "acquire");
    Told::of(command).has(&[
        "Config: ",
        &format!("STS refused role {ROLE} (session s3-lock-"),
        ") to profile \"keys\": 403 (AccessDenied: User: arn:aws:iam::1:user/me is not",
        "check role_arn of profile \"a\", that this identity may do sts:AssumeRole on it",
        "external_id, which is not set, MFA",
    ]);
    assert_eq!(sts.requests().len(), 1);
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn client_tells_which_role_of_a_chain_is_denied_and_to_whom() {
    let (server, home) = (Server::start(), Home::new("role-chain-denied"));
    let sts = sts(|_, count| (count == 2).then(|| sts_error(403, "AccessDenied", "no")));
    let config = profile("a", &[&role(ROLE), "source_profile = b"])
        + &profile("b", &[&role(MIDDLE), "source_profile = keys"])
        + &keys();
    Told::of(with_config(&server, &home, &sts, &config)).has(&[
        &format!("STS refused role {ROLE} "),
        &format!(" to profile \"b\": role {MIDDLE} from profile \"keys\": 403 (AccessDenied: no)"),
    ]);
}

#[test]
fn client_tells_by_how_much_its_clock_is_off_if_sts_says_that_it_is() {
    let (server, home) = (Server::start(), Home::new("role-clock"));
    let message = "Signature expired: 20261123T020000Z is now earlier than 20261123T021500Z";
    let sts = sts(move |_, _| Some(sts_error(403, "SignatureDoesNotMatch", message)));
    let mut command = with_config(&server, &home, &sts, &usual());
    command.env(CALLS, "acquire");
    // The stand-in does not say what time it has.
    Told::of(command).has(&["Storage: ", "Signature expired", "set this machine's clock"]);
}

#[test]
fn client_does_not_pass_on_a_session_token_that_sts_repeats() {
    let (server, home) = (Server::start(), Home::new("role-echo"));
    let message = format!("the canonical request was: x-amz-security-token:{HUNTER}");
    let sts = sts(move |_, _| Some(sts_error(403, "SignatureDoesNotMatch", &message)));
    let config = usual() + &format!("aws_session_token = {HUNTER}\n");
    let told = Told::of(with_config(&server, &home, &sts, &config));
    told.has(&[
        "403 (SignatureDoesNotMatch)",
        "secret access key of profile \"keys\"",
    ]);
}

#[test]
fn acquire_waits_for_an_sts_that_gives_no_role_for_the_moment() {
    let (server, home) = (Server::start(), Home::new("role-busy"));
    let sts = sts(|_, count| match count {
        1 => Some(sts_error(503, "ServiceUnavailable", "later")),
        2 => Some(sts_error(400, "Throttling", "Rate exceeded")),
        _ => None,
    });
    let mut command = with_config(&server, &home, &sts, &usual());
    command.env(CALLS, "acquire");
    Told::of(command).all_went_well();
}

#[test]
fn client_tells_of_an_answer_of_sts_that_gives_no_role() {
    for body in ["", "<html>", "{}", "<AssumeRoleResponse/>"] {
        let (server, home) = (Server::start(), Home::new("role-garbage"));
        let sts = sts(move |_, _| Some(Answer::Say(200, body.to_owned())));
        let told = Told::of(with_config(&server, &home, &sts, &usual()));
        told.has(&["Config: ", "cannot be read", ROLE]);
    }
}

#[test]
fn client_gives_an_sts_that_hangs_no_longer_than_a_request() {
    let (server, home) = (Server::start(), Home::new("role-hangs"));
    let sts = sts(|_, _| Some(Answer::Hang));
    let mut command = with_config(&server, &home, &sts, &usual());
    command.env(TIMEOUT, "1000");
    let told = Told::of(command);
    told.has(&["Storage: ", "no answer within 0.", &sts.endpoint()]);
    assert!(told.took(0) < Duration::from_secs(4), "{:?}", told.took(0));
}

#[test]
fn acquire_gives_each_role_of_a_chain_the_time_of_a_request() {
    let (server, home) = (Server::start(), Home::new("role-slow"));
    // Three times 2 s is more than the 4 s that a single request may take.
    let sts = sts(|_, _| {
        thread::sleep(Duration::from_secs(2));
        None
    });
    let config = profile("a", &[&role(ROLE), "source_profile = b"])
        + &profile("b", &[&role(MIDDLE), "source_profile = c"])
        + &profile("c", &[&role("arn:first"), "source_profile = keys"])
        + &keys();
    let mut command = with_config(&server, &home, &sts, &config);
    command.env(CALLS, "acquire");
    let start = Instant::now();
    Told::of(command).all_went_well();
    assert!(start.elapsed() > Duration::from_secs(6));
    assert_eq!(sts.requests().len(), 3);
}

#[test]
fn client_asks_for_a_role_anew_with_newer_keys_of_its_source_before_its_credentials_expire() {
    let (server, home) = (Server::start(), Home::new("role-renewed"));
    let sts = sts(|call, _| Some(grant(call, Duration::from_secs(200))));
    let endpoint = StandIn::start(|so_far| {
        let token = format!("token-{}", so_far.len());
        keys_of(SOURCE, &token, HOUR)
    });
    let config = profile("a", &[&role(ROLE), "credential_source = EcsContainer"]);
    let mut command = with_config(&server, &home, &sts, &config);
    let url = format!("{}/get", endpoint.endpoint());
    command
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        .env(CALLS, "acquire renew")
        // Longer than the first ones are good for, so that the next ones are waited for at last.
        .env(RENEW_FOR, "280");
    Told::of(command).all_went_well();
    let calls = calls(&sts);
    let tokens: Vec<_> = calls
        .iter()
        .filter_map(|call| call.token.as_deref())
        .collect();
    assert_eq!(tokens[..2], ["token-1", "token-2"]);
}

#[test]
fn client_asks_sts_over_tls_by_the_file_in_aws_ca_bundle_with_and_without_a_proxy() {
    let certificate = Certificate::make("sts-tls");
    for is_proxied in [false, true] {
        let (server, home) = (Server::start(), Home::new("role-tls"));
        let (sts, proxy) = (sts(|_, _| None), ConnectProxy::start());
        let front = TlsFront::start(&sts.endpoint(), &certificate);
        let mut command = with_config(&server, &home, &sts, &usual());
        command
            .env(TIMEOUT, "30000")
            .env("AWS_ENDPOINT_URL_STS", front.endpoint())
            .env("AWS_CA_BUNDLE", certificate.file());
        if is_proxied {
            command.env("HTTPS_PROXY", proxy.endpoint());
        }
        Told::of(command).all_went_well();
        assert_eq!(sts.requests().len(), 1);
        assert_eq!(proxy.methods().len(), usize::from(is_proxied));
    }
}
