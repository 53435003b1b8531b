//! What an entry says that stands for no value: that there is nothing, or an error.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

use super::codec::{Codec, EncodedValue};

/// Stored as JSON, whatever the function's codec: `{"absent":0}`, `{"error":…}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Negative {
    /// There is nothing: how deep the `None` stands.
    Absent(u8),
    /// The error, as JSON.
    Error(Box<RawValue>),
}

impl Negative {
    /// An error as it is stored; `None` if it would come back as another one.
    pub(crate) fn error<E: Serialize + DeserializeOwned>(error: &E) -> Option<Box<RawValue>> {
        let json = to_raw_value(error).ok()?;
        let back: E = serde_json::from_str(json.get()).ok()?;
        (serde_json::to_string(&back).ok()? == json.get()).then_some(json)
    }

    pub(crate) fn encode(&self) -> Option<EncodedValue> {
        let json = serde_json::to_vec(self).ok()?;
        Some(EncodedValue {
            codec: Codec::Json,
            bytes: Bytes::from(json),
        })
    }

    pub(crate) fn decode(encoded: &EncodedValue) -> Option<Self> {
        serde_json::from_slice(&encoded.bytes).ok()
    }
}
