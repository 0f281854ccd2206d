//! What tests can set for the whole server.

use std::time::Duration;

/// What the server says in the `Date` header of its replies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DateHeader {
    /// The server's own clock.
    #[default]
    Clock,
    /// No such header.
    Absent,
    /// A clock of its own, this many seconds ahead of the server's, as a proxy has.
    Ahead(i64),
    /// The same, but in the replies to reads alone, as a cache has; in the others, the server's own clock.
    AheadOnReads(i64),
    /// The same, but in the replies to writes alone.
    AheadOnWrites(i64),
    /// This text, whatever it is.
    Fixed(String),
}

/// How the server refuses a request signed for another region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegionReply {
    /// 301 `PermanentRedirect`, the right region in the header `x-amz-bucket-region` alone.
    #[default]
    Redirect,
    /// 400 `AuthorizationHeaderMalformed`, the right region in the body alone.
    Malformed,
}

/// The settings in force; read once per request.
#[derive(Clone, Default)]
pub struct Settings {
    pub latency: Duration,
    /// How long a key takes no further write after one.
    pub write_pause: Duration,
    pub date: DateHeader,
    /// `None` accepts every region.
    pub region: Option<String>,
    pub region_reply: RegionReply,
}
