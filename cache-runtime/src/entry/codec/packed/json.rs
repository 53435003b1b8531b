//! What is in a payload as JSON, for people to look at.

use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Appends JSON.
pub(super) struct Json<'o>(pub(super) &'o mut String);

impl Json<'_> {
    fn push(self, text: impl fmt::Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{text}");
    }

    fn text(self, text: &str) {
        self.push(serde_json::Value::from(text));
    }
}

impl<'de> DeserializeSeed<'de> for Json<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! pushed {
    ($($method:ident $type:ty),+ $(,)?) => {$(
        fn $method<E>(self, value: $type) -> Result<(), E> {
            self.push(value);
            Ok(())
        }
    )+};
}

impl<'de> Visitor<'de> for Json<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    pushed! { visit_bool bool, visit_i64 i64, visit_i128 i128, visit_u64 u64, visit_u128 u128 }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        // What is not finite is `null`.
        self.push(serde_json::Value::from(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.text(value);
        Ok(())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<(), E> {
        self.push(serde_json::Value::from(value));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.push("null");
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        self.push("null");
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut separator = '[';
        let Self(json) = self;
        loop {
            let before = json.len();
            json.push(separator);
            if elements.next_element_seed(Json(json))?.is_none() {
                json.truncate(before);
                break;
            }
            separator = ',';
        }
        json.push_str(if separator == '[' { "[]" } else { "]" });
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut separator = '{';
        let Self(json) = self;
        loop {
            let before = json.len();
            json.push(separator);
            let key_at = json.len();
            if entries.next_key_seed(Json(json))?.is_none() {
                json.truncate(before);
                break;
            }
            if !json[key_at..].starts_with('"') {
                let key = json.split_off(key_at);
                Json(json).text(&key);
            }
            json.push(':');
            entries.next_value_seed(Json(json))?;
            separator = ',';
        }
        json.push_str(if separator == '{' { "{}" } else { "}" });
        Ok(())
    }
}
