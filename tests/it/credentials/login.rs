//! `aws login`: the credentials that it has left, against a stand-in for the service that renews them. That
//! one checks the proof that comes with a refresh token.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use super::*;

/// Who has signed in, and `printf %s arn:... | sha256sum`.
const SESSION: &str = "arn:aws:iam::123456789012:user/me";
const FILE: &str = "286187707741fc2ccb93cf9e56dbd0ee0a16208feed5fbc8ae1baa86d44c283f.json";

const MINUTE: Duration = Duration::from_secs(60);

/// A home with the settings of `aws login`, the service, and the S3 that takes the credentials.
struct World {
    server: Server,
    home: Home,
    service: StandIn,
    key: String,
}

impl World {
    fn new(name: &str) -> World {
        World::with(name, |_| renewed(1))
    }

    fn with(name: &str, rule: impl Fn(&[Asked]) -> Answer + Send + Sync + 'static) -> World {
        let home = Home::new(&format!("login-{name}"));
        fs::create_dir_all(home.path().join(".aws/login/cache")).unwrap();
        let profile = format!("[profile p]\nlogin_session = {SESSION}\n");
        home.write("config", &profile);
        World {
            server: Server::start(),
            home,
            service: StandIn::start(rule),
            key: openssl(
                &["ecparam", "-name", "prime256v1", "-genkey", "-noout"],
                b"",
            ),
        }
    }

    fn file(&self) -> PathBuf {
        self.home.path().join(".aws/login/cache").join(FILE)
    }

    fn sign_in(&self, end: SystemTime) {
        self.put(&self.token_until(end));
    }

    fn put(&self, token: &Value) {
        fs::write(self.file(), token.to_string()).unwrap();
    }

    /// What `aws login` writes, and a field that only others know.
    fn token_until(&self, end: SystemTime) -> Value {
        json!({
            "accessToken": {
                "accessKeyId": ACCESS_KEY,
                "secretAccessKey": SECRET_KEY,
                "sessionToken": "t0",
                "accountId": "123456789012",
                "expiresAt": stamp(end),
            },
            "tokenType": "aws_sigv4",
            "clientId": "arn:aws:signin:::devtools/same-device",
            "dpopKey": self.key,
            "refreshToken": format!("{HUNTER}-refresh-0"),
            "idToken": format!("{HUNTER}-id"),
            "ofOthers": [1, 2],
        })
    }

    fn token(&self) -> Value {
        serde_json::from_slice(&fs::read(self.file()).unwrap()).unwrap()
    }

    fn command(&self, calls: &str) -> Command {
        let mut command = command(&self.server, &self.home, calls);
        command
            .env("AWS_PROFILE", "p")
            .env("AWS_ENDPOINT_URL_SIGNIN", self.service.endpoint());
        command
    }

    fn told(&self, calls: &str) -> Told {
        Told::of(self.command(calls))
    }
}

fn stamp(time: SystemTime) -> String {
    let time: DateTime<Utc> = time.into();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn from_now(span: Duration) -> SystemTime {
    SystemTime::now() + span
}

fn ago(span: Duration) -> SystemTime {
    SystemTime::now() - span
}

/// What the service answers.
fn renewed(number: usize) -> Answer {
    renewed_for(number, MINUTE * 15)
}

fn renewed_for(number: usize, good_for: Duration) -> Answer {
    let reply = json!({
        "accessToken": {
            "accessKeyId": ACCESS_KEY,
            "secretAccessKey": SECRET_KEY,
            "sessionToken": format!("t{number}"),
        },
        "tokenType": "aws_sigv4",
        "expiresIn": good_for.as_secs(),
        "refreshToken": format!("{HUNTER}-refresh-{number}"),
    });
    Answer::Say(200, reply.to_string())
}

fn refusing(code: &'static str) -> impl Fn(&[Asked]) -> Answer {
    move |_| {
        let message = format!("refused {HUNTER}-refresh-0");
        let reply = json!({"error": code, "message": message});
        Answer::Say(400, reply.to_string())
    }
}

/// Runs the program `openssl`.
fn openssl(arguments: &[&str], input: &[u8]) -> String {
    use std::io::Write;
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Reads the variant of base64 that URLs have.
fn decoded(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes() {
        let digit = DIGITS.iter().position(|d| *d == byte).expect("a digit");
        bits = bits << 6 | u32::try_from(digit).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// A number as DER has it.
fn der_integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    let plain = &bytes[zeros..];
    let pad = plain.first().is_none_or(|b| *b >= 0x80);
    let mut der = vec![2, u8::try_from(plain.len() + usize::from(pad)).unwrap()];
    der.extend(pad.then_some(0));
    der.extend(plain);
    der
}

/// Checks a proof by the key of the world, with the program `openssl`.
fn check_proof(world: &World, proof: &str) {
    let (signed, signature) = proof.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&decoded(header)).unwrap();
    assert_eq!(header["typ"], "dpop+jwt");
    assert_eq!(header["alg"], "ES256");
    let jwk = &header["jwk"];
    assert_eq!((&jwk["kty"], &jwk["crv"]), (&json!("EC"), &json!("P-256")));
    let public = ["x", "y"].map(|name| decoded(jwk[name].as_str().unwrap()));
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let shown = openssl(&["ec", "-text", "-noout"], world.key.as_bytes());
    let shown: String = shown.chars().filter(char::is_ascii_hexdigit).collect();
    assert!(shown.contains(&hex(&public.concat())), "{shown}");

    let signature = decoded(signature);
    assert_eq!(signature.len(), 64);
    let (r, s) = signature.split_at(32);
    let halves = [der_integer(r), der_integer(s)].concat();
    let der = [&[0x30, u8::try_from(halves.len()).unwrap()], &halves[..]].concat();
    let path = |name: &str| world.home.path().join(name);
    fs::write(path("signature"), der).unwrap();
    fs::write(path("key"), &world.key).unwrap();
    let (key, signature) = (path("key"), path("signature"));
    let told = openssl(
        &[
            "dgst",
            "-sha256",
            "-prverify",
            key.to_str().unwrap(),
            "-signature",
            signature.to_str().unwrap(),
        ],
        signed.as_bytes(),
    );
    assert_eq!(told.trim(), "Verified OK");

    let claims: Value = serde_json::from_slice(&decoded(claims)).unwrap();
    assert_eq!(claims["htm"], "POST");
    assert_eq!(
        claims["htu"],
        format!("{}/v1/token", world.service.endpoint())
    );
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let age = since.unwrap().as_secs() - claims["iat"].as_u64().unwrap();
    assert!(age < 600, "{age}");
    assert_eq!(claims["jti"].as_str().unwrap().len(), 36);
}

#[test]
fn client_uses_the_credentials_of_a_login_while_they_are_good() {
    let world = World::new("good");
    world.sign_in(from_now(MINUTE * 10));
    let before = world.token();
    world.told("try").all_went_well();
    assert_eq!(tokens(&world.server), ["t0"]);
    assert_eq!(world.service.requests().len(), 0);
    assert_eq!(world.token(), before);
}

#[test]
fn client_renews_a_login_before_it_ends_and_writes_it_down() {
    for (name, end) in [("soon", from_now(MINUTE * 4)), ("over", ago(HOUR))] {
        let world = World::new(name);
        world.sign_in(end);
        world.told("try").all_went_well();
        let asked = world.service.requests();
        assert_eq!(asked.len(), 1);
        let line = (asked[0].method.as_str(), asked[0].path.as_str());
        assert_eq!(line, ("POST", "/v1/token"));
        let body: Value = serde_json::from_str(&asked[0].body).unwrap();
        let expected = json!({
            "clientId": "arn:aws:signin:::devtools/same-device",
            "refreshToken": format!("{HUNTER}-refresh-0"),
            "grantType": "refresh_token",
        });
        assert_eq!(body, expected);
        check_proof(&world, asked[0].header("dpop").unwrap());
        assert_eq!(tokens(&world.server), ["t1"]);
        let mut new = world.token();
        let end = new["accessToken"]["expiresAt"].take();
        let end: DateTime<Utc> = end.as_str().unwrap().parse().unwrap();
        let left = SystemTime::from(end).duration_since(SystemTime::now());
        assert!((MINUTE * 10..=MINUTE * 15).contains(&left.unwrap()));
        let mut expected = world.token_until(SystemTime::now());
        expected["accessToken"]["expiresAt"] = Value::Null;
        expected["accessToken"]["sessionToken"] = "t1".into();
        expected["refreshToken"] = format!("{HUNTER}-refresh-1").into();
        assert_eq!(new, expected);
    }
}

#[test]
fn client_renews_a_login_again_and_again_while_the_lock_is_held() {
    let world = World::with("held", |so_far| {
        // By the child's clock, each is good for 200 s, and comes 100 s after the one before.
        let number = so_far.len();
        renewed_for(number, Duration::from_secs(100) * (number as u32 + 1))
    });
    world.sign_in(ago(HOUR));
    let mut command = world.command("acquire renew");
    command.env(RENEW_FOR, "280");
    Told::of(command).all_went_well();
    let sent: Vec<_> = world.service.requests();
    let sent = sent.iter().map(|a| serde_json::from_str(&a.body).unwrap());
    let sent: Vec<Value> = sent
        .map(|body: Value| body["refreshToken"].clone())
        .collect();
    let expected = [0, 1, 2].map(|number| format!("{HUNTER}-refresh-{number}"));
    assert_eq!(sent, expected);
}

#[test]
fn client_names_the_command_to_log_in_with_if_a_login_is_not_renewed() {
    for code in ["TOKEN_EXPIRED", "USER_CREDENTIALS_CHANGED"] {
        let world = World::with(code, refusing(code));
        world.sign_in(ago(HOUR));
        world.told("acquire").has(&[
            "Config: the AWS sign-in service http://127.0.0.1:",
            &format!("did not renew the sign-in to AWS with profile \"p\": 400 ({code})"),
            "; sign in again: aws login --profile p",
        ]);
    }
}

#[test]
fn client_tells_which_permission_the_renewal_of_a_login_needs() {
    let world = World::with("permission", refusing("INSUFFICIENT_PERMISSIONS"));
    world.sign_in(ago(HOUR));
    world
        .told("acquire")
        .has(&["; grant signin:CreateOAuth2Token to arn:aws:iam::123456789012:user/me"]);
}

#[test]
fn client_uses_a_login_that_is_not_renewed_until_it_ends() {
    let world = World::with("still-good", refusing("TOKEN_EXPIRED"));
    world.sign_in(from_now(MINUTE * 2));
    world.told("try").all_went_well();
    assert_eq!(tokens(&world.server), ["t0"]);
}

#[test]
fn client_tells_of_a_login_whose_key_is_not_usable_without_showing_it() {
    let world = World::new("key");
    let mut token = world.token_until(ago(HOUR));
    token["dpopKey"] = format!("-----BEGIN EC PRIVATE KEY-----\n{HUNTER}\n").into();
    world.put(&token);
    world.told("try").has(&[
        "cannot be renewed: the dpopKey of its token is not usable",
        "; sign in again: aws login --profile p",
    ]);
}

#[test]
fn client_finds_a_login_in_the_folder_that_the_environment_names() {
    let world = World::new("folder");
    world.sign_in(from_now(MINUTE * 10));
    let folder = world.home.path().join("elsewhere");
    fs::rename(world.file().parent().unwrap(), &folder).unwrap();
    let mut command = world.command("try");
    command.env("AWS_LOGIN_CACHE_DIRECTORY", "~/elsewhere");
    Told::of(command).all_went_well();
}
