//! Strings as `json.dumps` prints them with `ensure_ascii`: everything outside of `' '..='~'` is escaped, DEL too.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Whether a byte stands for itself.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'\\';
        byte += 1;
    }
    plain
};

/// Appends the inside of the JSON string of `value`; whether anything had to be escaped.
pub(super) fn escape(out: &mut Vec<u8>, value: &str) -> bool {
    let mut rest = value;
    while let Some(at) = rest.bytes().position(|byte| !PLAIN[usize::from(byte)]) {
        // What precedes is ASCII, so `at` is a boundary between characters.
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = special.chars();
        if let Some(character) = characters.next() {
            escape_character(out, character);
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    rest.len() != value.len()
}

/// The code points that the inside of a JSON string written by [`escape`] stands for.
pub(super) fn code_points(escaped: &[u8]) -> impl Iterator<Item = u32> + '_ {
    let mut rest = escaped;
    std::iter::from_fn(move || {
        let high = code_unit(&mut rest)?;
        if !(0xD800..0xDC00).contains(&high) {
            return Some(high);
        }
        let low = code_unit(&mut rest)?;
        Some(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    })
}

/// The two lower-case hex digits of `byte`.
pub(super) fn hex(byte: u8) -> [u8; 2] {
    [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0b1111)]]
}

fn escape_character(out: &mut Vec<u8>, character: char) {
    let short = match character {
        '"' => b'"',
        '\\' => b'\\',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let [high, low] = unit.to_be_bytes();
                out.extend_from_slice(b"\\u");
                out.extend_from_slice(&hex(high));
                out.extend_from_slice(&hex(low));
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Takes one UTF-16 unit off the front.
fn code_unit(rest: &mut &[u8]) -> Option<u32> {
    let (unit, tail) = match **rest {
        [] => return None,
        [b'\\', b'u', a, b, c, d, ref tail @ ..] => {
            let unit = [a, b, c, d]
                .iter()
                .fold(0, |unit, &digit| (unit << 4) | hex_value(digit));
            (unit, tail)
        }
        [b'\\', short, ref tail @ ..] => (u32::from(unescape(short)), tail),
        [byte, ref tail @ ..] => (u32::from(byte), tail),
    };
    *rest = tail;
    Some(unit)
}

fn unescape(short: u8) -> u8 {
    match short {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'f' => 0x0c,
        itself => itself,
    }
}

fn hex_value(digit: u8) -> u32 {
    u32::from(match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'a' + 10,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_comes_back_from_its_escape() {
        for character in '\0'..=char::MAX {
            let mut escaped = Vec::new();
            escape(&mut escaped, character.encode_utf8(&mut [0; 4]));
            let back: Vec<u32> = code_points(&escaped).collect();
            assert_eq!(back, [u32::from(character)]);
            assert!(escaped.is_ascii());
        }
    }
}
