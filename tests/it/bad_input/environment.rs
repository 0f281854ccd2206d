//! What a process finds around it: each row is a child with an environment of its own.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use super::compare;
use crate::child::{self, Home};
use crate::support::Server;

/// `printf %s https://corp/start | sha1sum`, and `printf %s me | sha256sum`: where tokens are kept.
const SHA1: &str = "717f6b50ccf65f10839b090b78b6ff0786091a96";
const SHA256: &str = "2744ccd10c7533bd736ad890f9dd5cab2adb27b07d500b9493f29cdc420cb2e0";
/// How many children run at a time.
const CROWD: usize = 6;

/// What a child complains of. Its variables besides those that are right: `-NAME` is not set, and with
/// `-keys` neither of the keys is; `config`, `credentials`, `token` and what ends in `.json` are files in `HOME/.aws`; and
/// `\u{fffd}` is a byte that is no UTF-8.
fn complaint(server: &Server, variables: &[&str]) -> String {
    static HOMES: AtomicUsize = AtomicUsize::new(0);
    let home = HOMES.fetch_add(1, Ordering::Relaxed);
    let home = Home::new(&format!("bad-{home}"));
    let path = home.path().to_string_lossy().into_owned();
    let mut command = child::command("complain", &server.endpoint());
    command.env("HOME", home.path());
    for variable in variables {
        match variable.split_once('=') {
            Some((file @ ("config" | "credentials" | "token"), text)) => home.write(file, text),
            Some((file, text)) if file.ends_with(".json") => {
                let file = file.replace("SHA1", SHA1).replace("SHA256", SHA256);
                let path = home.path().join(".aws").join(&file);
                let folder = path.parent().expect("it is in a folder");
                fs::create_dir_all(folder).expect("the home is the test's own");
                home.write(&file, text);
            }
            Some((name, value)) => {
                command.env(name, with_odd_bytes(&value.replace("HOME", &path)));
            }
            None if *variable == "-keys" => {
                let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
                for name in names {
                    command.env_remove(name);
                }
            }
            None => {
                command.env_remove(variable.trim_start_matches('-'));
            }
        }
    }
    let complaint = child::complaint(command);
    // The same text twice: for the program that prints the error of its main function, and in itself.
    let told = complaint
        .split_once(" | ")
        .map_or(complaint.as_str(), |(_, told)| told);
    told.replace(&path, "HOME")
        .replace(SHA1, "SHA1")
        .replace(SHA256, "SHA256")
        .replace(&server.endpoint(), "SERVER")
}

fn with_odd_bytes(value: &str) -> OsString {
    let pieces: Vec<_> = value.split('\u{fffd}').map(str::as_bytes).collect();
    OsString::from_vec(pieces.join(&0xff))
}

/// Runs all children, some at a time.
fn complaints(rows: &[&[&str]]) -> Vec<String> {
    let server = Server::start();
    let next = AtomicUsize::new(0);
    let mut told: Vec<_> = thread::scope(|scope| {
        let work = || {
            let rows = std::iter::from_fn(|| {
                let row = next.fetch_add(1, Ordering::Relaxed);
                Some((row, *rows.get(row)?))
            });
            rows.map(|(row, variables)| (row, complaint(&server, variables)))
                .collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..CROWD).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    told.sort();
    told.into_iter().map(|(_, told)| told).collect()
}

/// A table whose calls are made beforehand, all of them at once.
macro_rules! environments {
    ($($variables:expr => $text:expr;)+) => {{
        let mut told = complaints(&[$(&$variables),+]).into_iter();
        compare(&[$((stringify!($variables), told.next().unwrap(), $text)),+]);
    }};
}

#[test]
fn client_tells_of_regions_and_endpoints_of_the_environment_that_cannot_be() {
    environments! {
        ["AWS_REGION=eu central"] => r#"invalid region "eu central" in AWS_REGION: a region looks like eu-central-1"#;
        ["AWS_REGION=us-east-1 "] => r#"invalid region "us-east-1 " in AWS_REGION: a region looks like eu-central-1"#;
        ["AWS_REGION=\u{fffd}"] => r#"invalid region "�" in AWS_REGION: a region looks like eu-central-1"#;
        ["-AWS_REGION", "AWS_DEFAULT_REGION=Europe"] => r#"invalid region "Europe" in AWS_DEFAULT_REGION: a region looks like eu-central-1"#;
        ["-AWS_REGION", "config=[default]\nregion = Europe\n"] => r#"invalid region "Europe" in profile "default": a region looks like eu-central-1"#;
        ["-AWS_REGION", "AWS_PROFILE=p", "config=[profile p]\nregion = eu/central\n"] => r#"invalid region "eu/central" in profile "p": a region looks like eu-central-1"#;
        ["-AWS_REGION", "-AWS_ENDPOINT_URL_S3"] => r#"no region found: AWS_REGION and AWS_DEFAULT_REGION are not set, and there is no profile "default" in HOME/.aws/config (ENOENT), HOME/.aws/credentials (ENOENT); set one of them or call ClientBuilder::region"#;
        ["-AWS_REGION", "-AWS_ENDPOINT_URL_S3", "AWS_PROFILE=typo"] => r#"no region found: AWS_REGION and AWS_DEFAULT_REGION are not set, and there is no profile "typo" in HOME/.aws/config (ENOENT), HOME/.aws/credentials (ENOENT); set one of them or call ClientBuilder::region, or correct the name of the profile"#;
        ["AWS_ENDPOINT_URL_S3=localhost:9000"] => r#"invalid endpoint "localhost:9000" in AWS_ENDPOINT_URL_S3: it needs a scheme: http:// or https://"#;
        ["AWS_ENDPOINT_URL_S3=http://localhost:9000/s3?X-Amz-Security-Token=hunter2"] => r#"invalid endpoint "http://localhost:9000/s3?…" in AWS_ENDPOINT_URL_S3: only a path may follow the host and port"#;
        ["AWS_ENDPOINT_URL_S3=http://localhost:9000/locks-test"] => r#"invalid bucket "locks-test": AWS_ENDPOINT_URL_S3 says http://localhost:9000/locks-test, which names it already, so that requests would name it twice; leave it out there"#;
        ["AWS_ENDPOINT_URL_S3=http://localhost\u{fffd}"] => r#"invalid endpoint "http://localhost�" in AWS_ENDPOINT_URL_S3: its host is not a name or address that a URL can have"#;
        ["AWS_ENDPOINT_URL_S3=http://user:hunter2@localhost"] => "invalid endpoint in AWS_ENDPOINT_URL_S3: it holds credentials; set them separately";
        ["-AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL=http://"] => r#"invalid endpoint "http://" in AWS_ENDPOINT_URL: it has no host"#;
    }
}

#[test]
fn client_tells_of_proxies_of_the_environment_that_cannot_be() {
    environments! {
        ["HTTPS_PROXY=socks5://me:hunter2@host"] => "invalid proxy in HTTPS_PROXY: it is a SOCKS proxy, and only http:// and https:// proxies are supported; CORRECT IT";
        ["all_proxy=socks5h://host:1080"] => "invalid proxy in all_proxy: it is a SOCKS proxy, and only http:// and https:// proxies are supported; CORRECT IT";
        ["http_proxy=http://me:hunter2@host:port"] => "invalid proxy in http_proxy: its port is not a number from 1 to 65535; CORRECT IT";
        ["HTTP_PROXY=http://host/proxy.pac"] => "invalid proxy in HTTP_PROXY: nothing may follow the host and port; CORRECT IT";
        ["ALL_PROXY=http://host\u{fffd}"] => "invalid proxy in ALL_PROXY: its host is not a name or address that a URL can have; CORRECT IT";
        ["ALL_PROXY=http://me:hunter2@127.0.0.1:1"] => "GET SERVER/locks-test/locks/.s3-lock-check was not sent: proxy http://127.0.0.1:1 (from ALL_PROXY) was not reached: no connection to 127.0.0.1:1 (Connection refused (os error 111)); check the port in ALL_PROXY, and that the proxy is up";
        ["https_proxy=127.0.0.1:1", "AWS_ENDPOINT_URL_S3=https://127.0.0.1:2"] => "GET https://127.0.0.1:2/locks-test/locks/.s3-lock-check was not sent: proxy http://127.0.0.1:1 (from https_proxy) was not reached: no connection to 127.0.0.1:1 (Connection refused (os error 111)); check the port in https_proxy, and that the proxy is up";
    }
}

#[test]
fn client_tells_of_endpoints_of_profiles_that_cannot_be() {
    environments! {
        ["-AWS_ENDPOINT_URL_S3", "config=[default]\nendpoint_url = localhost:9000\n"] => r#"invalid endpoint "localhost:9000" in profile "default": it needs a scheme: http:// or https://"#;
        ["-AWS_ENDPOINT_URL_S3", "AWS_PROFILE=p", "config=[profile p]\nendpoint_url = https://me:hunter2@host\n"] => r#"invalid endpoint in profile "p": it holds credentials; set them separately"#;
        ["-AWS_ENDPOINT_URL_S3", "config=[default]\nservices = s\n[services s]\ns3 =\n  endpoint_url = http://host:x\n"] => r#"invalid endpoint "http://host:x" in the services section "s" of profile "default": its port is not a number from 1 to 65535"#;
        ["-AWS_ENDPOINT_URL_S3", "config=[default]\nservices = s\n[services t]\n"] => r#"profile "default" names the services section "s", and HOME/.aws/config has no section [services s]; add it, or correct the name"#;
        ["-AWS_ENDPOINT_URL_S3", "config=[default]\nendpoint_url = http://localhost:9/s3/locks-test\n"] => r#"invalid bucket "locks-test": profile "default" says http://localhost:9/s3/locks-test, which names it already, so that requests would name it twice; leave it out there"#;
        ["-AWS_ENDPOINT_URL_S3", "AWS_PROFILE=typo"] => r#"there is no profile "typo", which may name the endpoint; looked in HOME/.aws/config (ENOENT), HOME/.aws/credentials (ENOENT); correct the name, which AWS_PROFILE or ClientBuilder::profile gives, or add that profile"#;
        ["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=1"] => r#"invalid ignore_configured_endpoint_urls "1" in AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: it must be true or false"#;
        ["config=[default]\nignore_configured_endpoint_urls = yes\n"] => r#"invalid ignore_configured_endpoint_urls "yes" in profile "default": it must be true or false"#;
        ["AWS_USE_FIPS_ENDPOINT=yes"] => r#"invalid use_fips_endpoint "yes" in AWS_USE_FIPS_ENDPOINT: it must be true or false"#;
        ["AWS_USE_DUALSTACK_ENDPOINT=on"] => r#"invalid use_dualstack_endpoint "on" in AWS_USE_DUALSTACK_ENDPOINT: it must be true or false"#;
        ["-AWS_ENDPOINT_URL_S3", "config=[default]\nuse_fips_endpoint = 1\n"] => r#"invalid use_fips_endpoint "1" in profile "default": it must be true or false"#;
        ["-AWS_ENDPOINT_URL_S3", "AWS_REGION=cn-north-1", "AWS_USE_FIPS_ENDPOINT=true"] => "no endpoint for S3: AWS_REGION says cn-north-1, and S3 has no FIPS endpoints in China; unset AWS_USE_FIPS_ENDPOINT and use_fips_endpoint, or choose another region";
    }
}

#[test]
fn client_tells_of_credentials_of_the_environment_that_cannot_be() {
    environments! {
        ["-AWS_SECRET_ACCESS_KEY"] => "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; set both or neither";
        ["-AWS_ACCESS_KEY_ID"] => "AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not; set both or neither";
        ["AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=hunter2"] => "AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not; set both or neither";
        ["AWS_SECRET_ACCESS_KEY=hunter2\n"] => "the secret access key of the environment holds a space, line break or other character that it cannot have; copy it again";
        ["AWS_SECRET_ACCESS_KEY=hunter2\u{fffd}"] => "the secret access key of the environment holds a space, line break or other character that it cannot have; copy it again";
        ["AWS_SESSION_TOKEN=hunter2 x"] => "the session token of the environment holds a space, line break or other character that it cannot have; copy it again";
        ["AWS_SESSION_TOKEN=hunter2\u{fffd}"] => "the session token of the environment holds a space, line break or other character that it cannot have; copy it again";
        ["AWS_CREDENTIAL_EXPIRATION=hunter2"] => "AWS_CREDENTIAL_EXPIRATION is not a time such as 2026-11-23T02:00:00Z";
        ["AWS_SECRET_ACCESS_KEY=hunter2"] => "CHECK: 403 (SignatureDoesNotMatch); check the access key, its secret and its session token; the keys are from the environment (AWS_ACCESS_KEY_ID)";
        ["AWS_SECRET_ACCESS_KEY=hunter2", "AWS_PROFILE=p"] => r#"CHECK: 403 (SignatureDoesNotMatch); check the access key, its secret and its session token; the keys are from the environment (AWS_ACCESS_KEY_ID), which goes before profile "p""#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\naws_access_key_id = AK\naws_secret_access_key = hunter2\n"] => r#"CHECK: 403 (InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records.); check the access key, its secret and its session token; the keys are from profile "p""#;
        ["-keys"] => r#"LOOKED AT profile "default" in HOME/.aws/config (ENOENT), HOME/.aws/credentials (ENOENT), AND ALL THE REST"#;
    }
}

#[test]
fn client_tells_of_profiles_that_cannot_be() {
    environments! {
        ["-keys", "AWS_PROFILE=typo"] => r#"no credentials found: there is no profile "typo"; looked in HOME/.aws/config (ENOENT), HOME/.aws/credentials (ENOENT); correct the name, which AWS_PROFILE or ClientBuilder::profile gives, or add that profile"#;
        ["-keys", "AWS_PROFILE=p", "credentials=[p]\naws_access_key_id = AK\n"] => r#"profile "p" has aws_access_key_id and no aws_secret_access_key; add it to HOME/.aws/config (ENOENT), HOME/.aws/credentials (read)"#;
        ["-keys", "AWS_PROFILE=p", "credentials=[p]\naws_secret_access_key = hunter2\n"] => r#"profile "p" has aws_secret_access_key and no aws_access_key_id; add it to HOME/.aws/config (ENOENT), HOME/.aws/credentials (read)"#;
        ["-keys", "AWS_PROFILE=p", "credentials=[p]\naws_access_key_id = AK\naws_secret_access_key = hunter 2\n"] => r#"the secret access key of profile "p" holds a space, line break or other character that it cannot have; copy it again"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\ncredential_process = 'hunter2\n"] => r#"the credential_process of profile "p" is empty, or a quotation mark in it is not closed"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\ncredential_process = /no/such/program hunter2\n"] => r#"the credential_process of profile "p" cannot be run: "/no/such/program" is not there; correct the path, or, if the file is there, the interpreter that its first line names"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\ncredential_process = aws-vualt hunter2\n"] => r#"the credential_process of profile "p" cannot be run: there is no program "aws-vualt" in PATH; install it, correct its name, or write its whole path: services often have a shorter PATH than shells"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\ncredential_process = ~/no-such-program hunter2\n"] => r#"the credential_process of profile "p" cannot be run: "~/no-such-program" is not there: only a shell replaces the ~; write the whole path"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\ncredential_process = TOKEN=hunter2 echo\n"] => r#"the credential_process of profile "p" cannot be run: it begins with "TOKEN=...", and only a shell sets a variable so; begin it with env"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\ncredential_process = / hunter2\n"] => r#"the credential_process of profile "p" cannot be run: no permission to execute "/" (Permission denied (os error 13)); make it executable for this user (chmod +x), on a disk that allows it"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\ncredential_process = echo hunter2\n"] => r#"the credential_process of profile "p" did not print the JSON that is expected: {"Version": 1, "AccessKeyId": "...", "SecretAccessKey": "..."}, and SessionToken and Expiration if there are any"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nsso_session = s\n"] => r#"profile "p" names the SSO session "s", and there is no [sso-session s] in HOME/.aws/config; add it, or correct sso_session of the profile"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nweb_identity_token_file = t\n"] => r#"profile "p" has web_identity_token_file and no role_arn; add it to HOME/.aws/config (read), HOME/.aws/credentials (ENOENT)"#;
        ["-keys", "AWS_CONFIG_FILE=/no/such/file", "AWS_SHARED_CREDENTIALS_FILE=/no/such/other"] => r#"LOOKED AT profile "default" in /no/such/file (ENOENT), /no/such/other (ENOENT), AND ALL THE REST"#;
        ["-keys", "AWS_CONFIG_FILE=/"] => r#"profile "default" cannot be relied on: / cannot be read: Is a directory (os error 21); correct that: without it, the endpoint or the credentials could be other ones"#;
    }
}

/// A profile with the older keys of SSO, and the name of its file of tokens.
const SSO: &str = "config=[profile p]\nsso_start_url = https://corp/start\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r\n";
const SSO_TOKEN: &str = "sso/cache/SHA1.json=";
/// The same of `aws login`.
const LOGIN: &str = "config=[profile p]\nlogin_session = me\n";

#[test]
fn client_tells_of_sign_ins_that_cannot_be() {
    environments! {
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nsso_session = s\n[sso-session s]\nsso_region = eu-west-1\nsso_start_url = u\n"] => r#"profile "p" is for SSO and has no sso_account_id and no sso_role_name; add them to HOME/.aws/config (read), HOME/.aws/credentials (ENOENT)"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nsso_account_id = 1\nsso_role_name = r\nsso_region = eu-west-1\n"] => r#"profile "p" is for SSO and has no sso_start_url; add it to HOME/.aws/config (read), HOME/.aws/credentials (ENOENT)"#;
        ["-keys", "AWS_PROFILE=p", SSO] => r#"nobody is signed in to SSO at "https://corp/start": there is no HOME/.aws/sso/cache/SHA1.json; sign in: aws sso login --profile p"#;
        ["-keys", "AWS_PROFILE=two words", &SSO.replace("profile p", "profile two words")] => r#"nobody is signed in to SSO at "https://corp/start": there is no HOME/.aws/sso/cache/SHA1.json; sign in: aws sso login --profile 'two words'"#;
        ["-keys", "AWS_PROFILE=p", SSO, &format!("{SSO_TOKEN}hunter2")] => r#"the token of the sign-in to SSO at "https://corp/start", HOME/.aws/sso/cache/SHA1.json, does not parse as JSON at line 1, column 1; sign in again: aws sso login --profile p"#;
        ["-keys", "AWS_PROFILE=p", SSO, SSO_TOKEN] => r#"the token of the sign-in to SSO at "https://corp/start", HOME/.aws/sso/cache/SHA1.json, does not parse as JSON at line 1, column 0; sign in again: aws sso login --profile p"#;
        ["-keys", "AWS_PROFILE=p", SSO, &format!(r#"{SSO_TOKEN}{{"accessToken":"hunter2"}}"#)] => r#"the token of the sign-in to SSO at "https://corp/start", HOME/.aws/sso/cache/SHA1.json, lacks accessToken or expiresAt, or a part of them; sign in again: aws sso login --profile p"#;
        ["-keys", "AWS_PROFILE=p", SSO, &format!(r#"{SSO_TOKEN}{{"accessToken":"hunter2","expiresAt":"soon"}}"#)] => r#"the token of the sign-in to SSO at "https://corp/start", HOME/.aws/sso/cache/SHA1.json, lacks accessToken or expiresAt, or a part of them; sign in again: aws sso login --profile p"#;
        ["-keys", "AWS_PROFILE=p", SSO, &format!(r#"{SSO_TOKEN}{{"accessToken":"hunter2","expiresAt":"2026-01-01T00:00:00Z"}}"#)] => r#"the sign-in to SSO at "https://corp/start" ended at 2026-01-01T00:00:00Z, and only a profile with an sso_session is renewed without a person; sign in again: aws sso login --profile p"#;
        ["-keys", "AWS_PROFILE=p", SSO, &format!(r#"{SSO_TOKEN}{{"accessToken":"hunter2\n2","expiresAt":"2226-01-01T00:00:00Z"}}"#), "AWS_ENDPOINT_URL_SSO=http://localhost:1"] => "the SSO portal http://localhost:1 cannot be asked: its URL or token is malformed";
        ["-keys", "AWS_PROFILE=p", SSO, &format!(r#"{SSO_TOKEN}{{"accessToken":"hunter2","expiresAt":"2226-01-01T00:00:00Z"}}"#), "AWS_ENDPOINT_URL_SSO=http://a:hunter2@sso"] => "the SSO portal cannot be asked at the URL in AWS_ENDPOINT_URL_SSO: it holds credentials";
        ["-keys", "AWS_PROFILE=p", SSO, "AWS_CONFIG_FILE=HOME/.aws/config", "HOME=here"] => r#"the token of the sign-in to SSO at "https://corp/start" cannot be found: there is no home directory: HOME is not an absolute path"#;
        ["-keys", "AWS_PROFILE=p", LOGIN] => r#"nobody is signed in to AWS with profile "p": there is no HOME/.aws/login/cache/SHA256.json; sign in: aws login --profile p"#;
        ["-keys", "AWS_PROFILE=p", LOGIN, "login/cache/SHA256.json=[]"] => r#"the token of the sign-in to AWS with profile "p", HOME/.aws/login/cache/SHA256.json, does not parse as JSON at line 1, column 0; sign in again: aws login --profile p"#;
        ["-keys", "AWS_PROFILE=p", LOGIN, "AWS_LOGIN_CACHE_DIRECTORY=~nobody/cache"] => "AWS_LOGIN_CACHE_DIRECTORY names a home directory that is not there; correct it";
    }
}

#[test]
fn client_tells_of_roles_that_cannot_be() {
    environments! {
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\n"] => r#"profile "p" has role_arn, and does not say whose keys assume that role; add source_profile or credential_source to HOME/.aws/config (read), HOME/.aws/credentials (ENOENT)"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\naws_access_key_id = AK\naws_secret_access_key = hunter2\n"] => r#"profile "p" has role_arn, and does not say whose keys assume that role; add source_profile (`source_profile = p` for its own) or credential_source to HOME/.aws/config (read), HOME/.aws/credentials (ENOENT)"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\nsource_profile = q\ncredential_source = Environment\n"] => r#"profile "p" has both source_profile and credential_source, and a role takes its keys from one place; remove one of them in HOME/.aws/config (read), HOME/.aws/credentials (ENOENT)"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\ncredential_source = environment\n"] => r#"invalid credential_source "environment" in profile "p": it is one of Environment, Ec2InstanceMetadata and EcsContainer, with these capitals"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\nsource_profile = q\n"] => r#"profile "p" takes its keys from profile "q" (source_profile), and there is none; looked in HOME/.aws/config (no profile "q"), HOME/.aws/credentials (ENOENT); correct the name, or add that profile"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\nsource_profile = q\n[profile q]\nregion = eu-west-1\n"] => r#"profile "p" takes its keys from profile "q" (source_profile), which has none; looked in HOME/.aws/config (read), HOME/.aws/credentials (ENOENT); add aws_access_key_id and aws_secret_access_key, a credential_process, or a role with its source to it"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\nsource_profile = q\n[profile q]\naws_secret_access_key = hunter2\n"] => r#"profile "q" has aws_secret_access_key and no aws_access_key_id; add it to HOME/.aws/config (read), HOME/.aws/credentials (ENOENT)"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\nsource_profile = p\n"] => r#"profile "p" takes its keys from itself (source_profile), and has none; add aws_access_key_id and aws_secret_access_key to it, or name another source_profile, in HOME/.aws/config (read), HOME/.aws/credentials (ENOENT)"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\nsource_profile = q\n[profile q]\nrole_arn = arn:y\nsource_profile = p\n"] => r#"profile "p" takes its keys from "q", and that from "p", so none of them has any; name a source_profile that has keys of its own, in HOME/.aws/config (read), HOME/.aws/credentials (ENOENT)"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\nsource_profile = q\nmfa_serial = arn:mfa\n"] => r#"profile "p" needs a code of an MFA device (mfa_serial), and a lock cannot ask for one; put the keys that `aws sts get-session-token` gives into a profile and name that as source_profile, use a credential_process that asks for the code in a window of its own, or a role without MFA"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\nsource_profile = q\nduration_seconds = 60\n"] => r#"invalid duration_seconds "60" in profile "p": STS takes a number of seconds from 900 to 43200"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\nsource_profile = q\nrole_session_name = two words\n"] => r#"invalid role_session_name "two words" in profile "p": STS takes 2 to 64 letters, digits and characters of _+=,.@-"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\ncredential_source = Ec2InstanceMetadata\n"] => r#"profile "p" takes its keys from credential_source Ec2InstanceMetadata, and there are none: the metadata of an EC2 instance (AWS_EC2_METADATA_DISABLED is true)"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\ncredential_source = EcsContainer\n"] => r#"profile "p" takes its keys from credential_source EcsContainer, and there are none: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI (not set)"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\ncredential_source = Environment\n"] => r#"profile "p" takes its keys from credential_source Environment, and there are none: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (not set)"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\nweb_identity_token_file = /no/such/token\n"] => r#"the web identity token /no/such/token, which web_identity_token_file of profile "p" names, cannot be read (ENOENT); CHECK THE FILE"#;
        ["-keys", "AWS_PROFILE=p", "config=[profile p]\nrole_arn = arn:x\nsource_profile = q\n[profile q]\naws_access_key_id = AK\naws_secret_access_key = hunter2\n", "AWS_ENDPOINT_URL_STS=http://a:hunter2@b"] => r#"STS cannot be asked at the URL in AWS_ENDPOINT_URL_STS: it holds credentials"#;
    }
}

#[test]
fn client_tells_of_what_machines_give_that_cannot_be() {
    environments! {
        ["-keys", "AWS_WEB_IDENTITY_TOKEN_FILE=/no/such/token"] => "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not; set both or neither";
        ["-keys", "AWS_WEB_IDENTITY_TOKEN_FILE=/no/such/token", "AWS_ROLE_ARN=arn:x"] => "the web identity token /no/such/token, which AWS_WEB_IDENTITY_TOKEN_FILE names, cannot be read (ENOENT); CHECK THE FILE";
        ["-keys", "AWS_WEB_IDENTITY_TOKEN_FILE=/no/such/token", "AWS_ROLE_ARN=arn:x", "AWS_ROLE_SESSION_NAME=a/b"] => r#"invalid role_session_name "a/b" in AWS_ROLE_SESSION_NAME: STS takes 2 to 64 letters, digits and characters of _+=,.@-"#;
        ["-keys", "AWS_WEB_IDENTITY_TOKEN_FILE=/dev/null", "AWS_ROLE_ARN=arn:x"] => "the web identity token /dev/null, which AWS_WEB_IDENTITY_TOKEN_FILE names, is empty; CHECK THE FILE";
        ["-keys", "token=hunter2", "AWS_WEB_IDENTITY_TOKEN_FILE=HOME/.aws/token", "AWS_ROLE_ARN=arn:x", "AWS_ENDPOINT_URL_STS=sts:443"] => "STS cannot be asked at the URL in AWS_ENDPOINT_URL_STS: it needs a scheme: http:// or https://";
        ["-keys", "token=hunter2", "AWS_WEB_IDENTITY_TOKEN_FILE=HOME/.aws/token", "AWS_ROLE_ARN=arn:x", "AWS_ENDPOINT_URL=http://a:hunter2@sts"] => "STS cannot be asked at the URL in AWS_ENDPOINT_URL: it holds credentials";
        ["-keys", "token=hunter2", "AWS_WEB_IDENTITY_TOKEN_FILE=HOME/.aws/token", "AWS_ROLE_ARN=arn:x", "config=[default]\nservices = s\n[services s]\nsts =\n  endpoint_url = sts\n"] => r#"STS cannot be asked at the URL in the services section "s" of profile "default": it needs a scheme: http:// or https://"#;
        ["-keys", "token=hunter2", "AWS_WEB_IDENTITY_TOKEN_FILE=HOME/.aws/token", "AWS_ROLE_ARN=arn:x", "AWS_STS_REGIONAL_ENDPOINTS=local"] => r#"invalid sts_regional_endpoints "local" in AWS_STS_REGIONAL_ENDPOINTS: it must be regional or legacy"#;
        ["-keys", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=hunter2"] => "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path: it must begin with a slash and hold no space";
        ["-keys", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/hunter2 x"] => "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not a path: it must begin with a slash and hold no space";
        ["-keys", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://example.com/hunter2"] => "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither an https URL nor an http URL of this machine (localhost, a loopback address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]), so it is not asked: the answer would cross the network in the clear";
        ["-keys", "AWS_CONTAINER_CREDENTIALS_FULL_URI=hunter2"] => "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither an https URL nor an http URL of this machine (localhost, a loopback address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]), so it is not asked: the answer would cross the network in the clear";
        ["-keys", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://localhost/", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/no/such/token"] => "the token /no/such/token, which AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names, cannot be read (ENOENT); CHECK THE FILE";
        ["-keys", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://localhost/", "AWS_CONTAINER_AUTHORIZATION_TOKEN=hunter2\n2"] => "the token in AWS_CONTAINER_AUTHORIZATION_TOKEN holds a line break or other character that it cannot have; copy it again";
        ["-keys", "AWS_EC2_METADATA_DISABLED=1"] => r#"AWS_EC2_METADATA_DISABLED is "1": it must be true or false"#;
        ["-keys", "-AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=6"] => r#"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is "6": it must be IPv4 or IPv6"#;
        ["-keys", "-AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT=localhost:1338"] => "the metadata of an EC2 instance cannot be asked at the URL in AWS_EC2_METADATA_SERVICE_ENDPOINT: it needs a scheme: http:// or https://";
        ["-keys", "-AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://a:hunter2@b"] => "the metadata of an EC2 instance cannot be asked at the URL in AWS_EC2_METADATA_SERVICE_ENDPOINT: it holds credentials";
    }
}
