//! The fields of a record that this version does not know. A later version may add some. Every
//! write keeps them: otherwise an older program between two newer ones would remove what they rely
//! on.

use std::fmt;
use std::sync::Arc;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::protocol::record::limits::MAX_BODY;

/// How many bytes of them are kept, as they are written. The labels done take less than 23 KiB
/// at most, and this version's other fields less than 15 KiB, so a new holder's record has room for all.
pub(super) const MAX_UNKNOWN: usize = MAX_BODY / 8 * 3;

/// The names of this version's fields. A test compares them with what is written.
pub(super) const KNOWN: [&str; 17] = [
    "format",
    "state",
    "owner",
    "fencing_token",
    "lease_ms",
    "nonce",
    "acquired_at",
    "host",
    "pid",
    "purpose",
    "label",
    "broken",
    "reclaimed",
    "origin",
    "served",
    "queued",
    "done",
];

/// Fields in the order in which they were read. Most records have none, and then a clone costs
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::protocol) struct Fields(Option<Arc<Vec<Field>>>);

/// A value is the exact text that was read. So a number too large for any type here, an object's
/// own order and a duplicate name are written as they were. A write is recognised by comparing the
/// whole record, so what is read back must be what was sent.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Field {
    name: String,
    value: Box<str>,
}

impl Fields {
    /// The same JSON object with these fields at its end.
    pub(super) fn appended_to(&self, mut object: Vec<u8>) -> Vec<u8> {
        let Some(fields) = &self.0 else {
            return object;
        };
        let brace = object.pop();
        debug_assert_eq!(brace, Some(b'}'));
        for field in fields.iter() {
            object.extend(field.written().bytes());
        }
        object.push(b'}');
        object
    }

    pub(super) fn are_too_many(&self) -> bool {
        let fields = self.0.iter().flat_map(|fields| fields.iter());
        fields.map(|field| field.written().len()).sum::<usize>() > MAX_UNKNOWN
    }
}

impl Field {
    fn written(&self) -> String {
        let name = serde_json::Value::from(&*self.name);
        format!(",{name}:{}", self.value)
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        deserializer.deserialize_map(Unknown)
    }
}

struct Unknown;

impl<'de> Visitor<'de> for Unknown {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if KNOWN.contains(&&*name) {
                map.next_value::<IgnoredAny>()?;
            } else {
                let value = map.next_value::<Box<RawValue>>()?.into();
                fields.push(Field { name, value });
            }
        }
        Ok(Fields((!fields.is_empty()).then(|| Arc::new(fields))))
    }
}
