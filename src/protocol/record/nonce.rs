//! Random bits that no two writes share.

use serde::{Deserialize, Serialize};

/// 128 random bits that make every write's body, and so its ETag, unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Nonce(pub u128);

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> String {
        format!("{:032x}", nonce.0)
    }
}

impl TryFrom<String> for Nonce {
    type Error = std::num::ParseIntError;

    fn try_from(hex: String) -> Result<Nonce, Self::Error> {
        u128::from_str_radix(&hex, 16).map(Nonce)
    }
}
