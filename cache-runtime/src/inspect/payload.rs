//! Payloads as people read them.

use serde::{Deserialize as _, Serialize, de::IgnoredAny};

/// A payload is shown up to here, in bytes of its own.
const LONGEST: usize = 1 << 20;

/// The same of what is shown in hex.
const LONGEST_HEX: usize = 4 << 10;

/// JSON that is nested deeper than this is shown in one line.
const DEEPEST: usize = 128;

/// A payload, made readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Payload {
    /// How it is written here.
    pub form: PayloadForm,
    /// It, or the beginning of it.
    pub text: String,
    /// Whether that is not all of it.
    pub is_cut: bool,
}

/// How a [`Payload`] is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PayloadForm {
    /// JSON with a line for each value, digit for digit and in the order in which it was stored.
    Json,
    /// Text that is no JSON.
    Text,
    /// Two digits for each byte.
    Hex,
}

impl Payload {
    /// JSON if it is, text if it is, hex otherwise.
    pub(super) fn of(bytes: &[u8]) -> Self {
        match str::from_utf8(bytes) {
            Ok(text) if bytes.len() <= LONGEST && is_json(text) => Self {
                form: PayloadForm::Json,
                text: indented(text).unwrap_or_else(|| text.to_owned()),
                is_cut: false,
            },
            Ok(text) => {
                let end = text.floor_char_boundary(LONGEST);
                Self {
                    form: PayloadForm::Text,
                    text: text[..end].to_owned(),
                    is_cut: end < text.len(),
                }
            }
            Err(_) => Self::hex(bytes),
        }
    }

    /// In hex, whatever it is.
    pub(super) fn hex(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let shown = &bytes[..bytes.len().min(LONGEST_HEX)];
        let digits = shown
            .iter()
            .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        Self {
            form: PayloadForm::Hex,
            text: digits.map(char::from).collect(),
            is_cut: shown.len() < bytes.len(),
        }
    }
}

fn is_json(text: &str) -> bool {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    IgnoredAny::deserialize(&mut deserializer).is_ok() && deserializer.end().is_ok()
}

/// JSON with a line for each value. Not by way of a value: that would forget how numbers were written, and members of one name.
/// `None` if it is nested too deep for that.
fn indented(json: &str) -> Option<String> {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut characters = json.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                out.push('"');
                copy_string(&mut characters, &mut out);
            }
            '{' | '[' => {
                out.push(character);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                    continue;
                }
                depth += 1;
                if depth > DEEPEST {
                    return None;
                }
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.checked_sub(1)?;
                line(&mut out, depth);
                out.push(character);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            character if character.is_ascii_whitespace() => {}
            character => out.push(character),
        }
    }
    Some(out)
}

/// The rest of a string, to its closing quote.
fn copy_string(characters: &mut impl Iterator<Item = char>, out: &mut String) {
    while let Some(character) = characters.next() {
        out.push(character);
        match character {
            '"' => return,
            '\\' => out.extend(characters.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> (PayloadForm, String) {
        let payload = Payload::of(bytes);
        (payload.form, payload.text)
    }

    #[test]
    fn json_has_a_line_for_each_value_and_keeps_its_digits_and_its_order() {
        let json = br#"{"b":1.50,"a":[1,12345678901234567890123,{"x":"a,\"{"}],"b":{},"c":[ ]}"#;
        let expected = "{\n  \"b\": 1.50,\n  \"a\": [\n    1,\n    12345678901234567890123,\n    {\n      \"x\": \"a,\\\"{\"\n    }\n  ],\n  \"b\": {},\n  \"c\": []\n}";
        assert_eq!(shown(json), (PayloadForm::Json, expected.to_owned()));
        assert_eq!(shown(b"null"), (PayloadForm::Json, "null".to_owned()));
    }

    #[test]
    fn what_is_no_json_is_text_and_what_is_no_text_is_hex() {
        assert_eq!(shown(b"{\"a\":"), (PayloadForm::Text, "{\"a\":".to_owned()));
        assert_eq!(shown(b"1 2"), (PayloadForm::Text, "1 2".to_owned()));
        assert_eq!(shown(&[0, 0xff, 0x10]), (PayloadForm::Hex, "00ff10".to_owned()));
        assert_eq!(shown(b""), (PayloadForm::Text, String::new()));
    }

    #[test]
    fn what_is_hostile_is_shown_in_bounds() {
        let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
        assert_eq!(shown(&deep).1.len(), deep.len(), "in one line");
        let long = Payload::of(&vec![b'x'; 3 << 20]);
        assert!(long.is_cut && long.text.len() == LONGEST);
        let binary = Payload::of(&vec![0xff; 3 << 20]);
        assert!(binary.is_cut && binary.text.len() == 2 * LONGEST_HEX);
    }
}
