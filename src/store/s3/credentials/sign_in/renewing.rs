//! Reads the token of a sign-in, and renews it before it ends.
//!
//! A token that renews another is good for one time. So once it has been sent, the reply is waited for and
//! written down by a thread of its own, whatever becomes of the look-up.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use hyper::{Body, Request};

use crate::store::s3::credentials::context::LookUpContext;
use crate::store::s3::credentials::errors::{failed, misconfigured, no_thread};
use crate::store::s3::credentials::sign_in::document::{Document, Garbled, shown};
use crate::store::s3::credentials::sign_in::refusal::Refusal;
use crate::store::s3::credentials::sign_in::token_file;
use crate::store::s3::credentials::sign_in::token_file::Replacement;
use crate::store::s3::network::advice::{advice_for, advice_if_another_answers};
use crate::store::s3::settings::named::Named;
use crate::store::s3::settings::service::Service;
use crate::store::s3::settings::service_endpoint::ServiceEndpoint;
use crate::store::s3::settings::variables::{NO_HOME, find_home};
use crate::sys::logs;
use crate::sys::runtime::Runtime;
use crate::types::errors::{LockError, StorageErrorKind};

/// What a person has signed in to, and how its token is read and renewed. Pure.
pub(super) trait SignIn: Clone + Send + Sync + 'static {
    /// For people: `SSO session "corp"`.
    fn told(&self) -> String;

    /// The command with which a person signs in.
    fn command(&self) -> String;

    /// When a token ends. None if it is no token.
    fn expiry(&self, token: &Document) -> Option<DateTime<Utc>>;

    /// How long before that it is renewed.
    fn early(&self) -> Duration;

    /// The service that renews it, and its region if it is not the client's.
    fn service(&self, token: &Document) -> (Service, Option<Named>);

    /// The request that renews a token, or why there is none.
    fn renewal(&self, token: &Document, url: &str, now: SystemTime) -> Result<Renewal, String>;

    /// The token that a reply makes of the old one. None if the reply cannot be read.
    fn renewed(&self, token: &Document, reply: &[u8], sent: SystemTime) -> Option<Document>;

    /// What helps if the service refuses to renew it.
    fn remedy(&self, _refusal: &Refusal) -> String {
        format!("sign in again: {}", self.command())
    }
}

/// A request that renews a token.
pub(super) struct Renewal {
    pub request: hyper::http::Result<Request<Body>>,
    /// What of it must not be shown.
    pub secrets: Vec<String>,
}

/// The file `name` of those that AWS's tools keep in `.aws/folder/cache`.
pub(super) async fn cache_file(
    sign_in: &impl SignIn,
    folder: &str,
    name: &str,
    context: &LookUpContext,
) -> Result<PathBuf, LockError> {
    let home = find_home(&context.threads).await.map_err(no_thread)?;
    let home = home.ok_or_else(|| {
        let told = sign_in.told();
        misconfigured(format!(
            "the token of the sign-in to {told} cannot be found: {NO_HOME}"
        ))
    })?;
    let folder = home.join(".aws").join(folder).join("cache");
    Ok(folder.join(format!("{name}.json")))
}

/// The token of a sign-in, renewed if that is due. One that is still good is also used if it cannot be
/// renewed.
pub(super) async fn current<S: SignIn>(
    sign_in: &S,
    path: &Path,
    context: &LookUpContext,
) -> Result<Document, LockError> {
    let held = load(sign_in, path, context).await?;
    let now = context.clock.wall();
    if !held.is_due(sign_in, now) {
        return Ok(held.token);
    }
    let own = (sign_in.clone(), path.to_owned(), context.clone());
    let renewing = context.threads.run("sign-in", move || {
        let (sign_in, path, context) = own;
        Runtime::default().block_on(renew(&sign_in, &path, &context))
    });
    let renewing = async { renewing.await.and_then(|ended| ended).map_err(no_thread)? };
    if held.is_over(now) {
        return renewing.await;
    }
    // A part of the time is left for the request that needs the token. The thread goes on.
    let in_time = tokio::time::timeout(context.limit / 2, renewing).await;
    match in_time {
        Ok(Ok(token)) => Ok(token),
        Ok(Err(error)) => {
            let told = sign_in.told();
            logs::warn!("the sign-in to {told} could not be renewed yet: {error}");
            Ok(held.token)
        }
        Err(_) => Ok(held.token),
    }
}

/// A token, and when it ends.
struct Held {
    token: Document,
    expiry: DateTime<Utc>,
    /// What its file had.
    file: Vec<u8>,
}

impl Held {
    fn is_due(&self, sign_in: &impl SignIn, now: SystemTime) -> bool {
        let left = SystemTime::from(self.expiry).duration_since(now);
        left.map_or(true, |left| left.is_zero() || left < sign_in.early())
    }

    fn is_over(&self, now: SystemTime) -> bool {
        SystemTime::from(self.expiry) <= now
    }
}

/// How often, and with which pauses, to read a file anew that is no JSON.
const HALF_READS: u32 = 6;
const HALF_READ_PAUSE: Duration = Duration::from_millis(50);

/// Reads the token.
async fn load<S: SignIn>(
    sign_in: &S,
    path: &Path,
    context: &LookUpContext,
) -> Result<Held, LockError> {
    let mut reads = 0;
    let (file, found) = loop {
        let at = path.to_owned();
        let text = context.threads.run("reader", move || token_file::read(&at));
        let text = context.in_time(&path.display().to_string(), text).await?;
        let text = text.map_err(|error| not_read(sign_in, path, &error))?;
        reads += 1;
        match Document::parse(&text) {
            Ok(found) => break (text, found),
            // Older versions of the AWS CLI write it in place, and may do so at this moment.
            Err(_) if reads < HALF_READS => context.clock.sleep(HALF_READ_PAUSE).await,
            Err(garbled) => return Err(no_json(sign_in, path, &garbled)),
        }
    };
    let with_end = |token| Some((sign_in.expiry(&token)?, token));
    let found = with_end(found).ok_or_else(|| no_token(sign_in, path))?;
    let (expiry, token) = match context.unsaved_tokens.of(path).and_then(with_end) {
        Some(unsaved) if unsaved.0 > found.0 => unsaved,
        _ => found,
    };
    Ok(Held {
        token,
        expiry,
        file,
    })
}

/// Renews the token, unless another process has done so since.
async fn renew<S: SignIn>(
    sign_in: &S,
    path: &Path,
    context: &LookUpContext,
) -> Result<Document, LockError> {
    let held = load(sign_in, path, context).await?;
    let now = context.clock.wall();
    if !held.is_due(sign_in, now) {
        return Ok(held.token);
    }
    let (service, region) = sign_in.service(&held.token);
    let endpoint = context.endpoint_of(service, region).await?;
    let renewal = sign_in.renewal(&held.token, &endpoint.url, now);
    let renewal = renewal.map_err(|why| not_renewable(sign_in, &held, &why))?;
    match Replacement::beside(path) {
        // It may be somebody's who shares it with this machine: it is not used up without need.
        Err(error) if !held.is_over(now) => return Err(not_replaceable(path, &error)),
        _ => {}
    }
    let place = format!("{} {}", service.name(), endpoint.url);
    let advice = |step| advice_for(&endpoint, step);
    let asked = context.ask(&place, renewal.request, &advice, context.limit);
    let reply = asked.await?;
    if reply.status() != 200 {
        let secrets: Vec<_> = renewal.secrets.iter().map(String::as_str).collect();
        let refusal = Refusal::read(&reply, &secrets);
        let others = others(sign_in, path, &held, &refusal, context).await;
        return others.ok_or_else(|| refused(sign_in, &place, &refusal));
    }
    let token = sign_in.renewed(&held.token, reply.body(), now);
    let token = token.ok_or_else(|| unreadable(sign_in, &place, &endpoint))?;
    save(sign_in, path, &held, &token, context);
    Ok(token)
}

/// Writes a renewed token. If that fails, it is kept in memory.
fn save<S: SignIn>(
    sign_in: &S,
    path: &Path,
    held: &Held,
    token: &Document,
    context: &LookUpContext,
) {
    // A person who has signed in or out meanwhile, perhaps as somebody else, is not overruled.
    if !token_file::read(path).is_ok_and(|file| file == held.file) {
        logs::info!(
            "{} was replaced meanwhile, and is left alone",
            path.display()
        );
        return;
    }
    let replacement = Replacement::beside(path);
    match replacement.and_then(|new| new.put(&token.to_json())) {
        Ok(()) => {
            context.unsaved_tokens.forget(path);
            logs::info!("the sign-in to {} was renewed", sign_in.told());
        }
        Err(error) => {
            context.unsaved_tokens.keep(path, token.clone());
            let (told, path) = (sign_in.told(), path.display());
            logs::warn!(
                "the sign-in to {told} was renewed, but {path} cannot be replaced: {error}; other \
                 processes may have to sign in again: {}",
                sign_in.command()
            );
        }
    }
}

/// For how long at least, and with which pauses, to look for the token of another process.
const LOOKING: Duration = Duration::from_secs(2);
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// The token of another process that has used up the old one at the same time. It writes the new one
/// soon.
async fn others<S: SignIn>(
    sign_in: &S,
    path: &Path,
    held: &Held,
    refusal: &Refusal,
    context: &LookUpContext,
) -> Option<Document> {
    if refusal.may_pass() {
        return None;
    }
    // The other one's request may take as long as this one's.
    let looking = LOOKING.max(context.limit);
    let looks = looking.as_millis() / LOOK_PAUSE.as_millis();
    for _ in 0..looks {
        let other = load(sign_in, path, context).await.ok()?;
        if other.expiry > held.expiry && !other.is_over(context.clock.wall()) {
            return Some(other.token);
        }
        context.clock.sleep(LOOK_PAUSE).await;
    }
    None
}

fn not_read(sign_in: &impl SignIn, path: &Path, error: &io::Error) -> LockError {
    let (told, path, command) = (sign_in.told(), path.display(), sign_in.command());
    misconfigured(match error.kind() {
        io::ErrorKind::NotFound => {
            format!("nobody is signed in to {told}: there is no {path}; sign in: {command}")
        }
        _ => format!(
            "the token of the sign-in to {told}, {path}, cannot be read ({error}); check whose file it is"
        ),
    })
}

fn no_json(sign_in: &impl SignIn, path: &Path, garbled: &Garbled) -> LockError {
    let (told, path, command) = (sign_in.told(), path.display(), sign_in.command());
    let Garbled { line, column } = garbled;
    misconfigured(format!(
        "the token of the sign-in to {told}, {path}, does not parse as JSON at line {line}, column \
         {column}; sign in again: {command}"
    ))
}

fn no_token(sign_in: &impl SignIn, path: &Path) -> LockError {
    let (told, path, command) = (sign_in.told(), path.display(), sign_in.command());
    misconfigured(format!(
        "the token of the sign-in to {told}, {path}, lacks accessToken or expiresAt, or a part of \
         them; sign in again: {command}"
    ))
}

fn not_renewable(sign_in: &impl SignIn, held: &Held, why: &str) -> LockError {
    let (told, ended, command) = (sign_in.told(), shown(held.expiry), sign_in.command());
    misconfigured(format!(
        "the sign-in to {told} ended at {ended}, and {why}; sign in again: {command}"
    ))
}

fn not_replaceable(path: &Path, error: &io::Error) -> LockError {
    let path = path.display();
    misconfigured(format!("{path} cannot be replaced: {error}"))
}

fn refused(sign_in: &impl SignIn, place: &str, refusal: &Refusal) -> LockError {
    let (told, said) = (sign_in.told(), refusal.told());
    let what = format!("{place} did not renew the sign-in to {told}: {said}");
    if refusal.may_pass() {
        return failed(StorageErrorKind::Unavailable, what);
    }
    misconfigured(format!("{what}; {}", sign_in.remedy(refusal)))
}

fn unreadable(sign_in: &impl SignIn, place: &str, endpoint: &ServiceEndpoint) -> LockError {
    let (told, advice) = (sign_in.told(), advice_if_another_answers(endpoint));
    misconfigured(format!(
        "{place} did not renew the sign-in to {told}, in a reply that cannot be read; {advice}"
    ))
}
