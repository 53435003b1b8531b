//! Sizes, times and texts as people read them.

use std::{borrow::Cow, fmt::Write as _, time::Duration};

/// A size, in the unit in which it has one to three digits before the point.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "a digit after the point is shown")]
    let mut count = count as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"KiB");
    while count >= 1023.95 {
        let Some(next) = units.next() else { break };
        count /= 1024.0;
        unit = next;
    }
    format!("{count:.1} {unit}")
}

/// A time in its two largest units: `1m 3s`.
pub(super) fn duration(duration: Duration) -> String {
    let rounded = if duration < Duration::from_secs(1) {
        Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    } else {
        Duration::from_secs(duration.as_secs())
    };
    let text = humantime::format_duration(rounded).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// A time that may be none.
pub(super) fn option_duration(time: Option<Duration>) -> String {
    time.map_or_else(|| "ever".to_owned(), duration)
}

/// A short time, to the digit that says something.
pub(super) fn micros(time: Duration) -> String {
    format!("{time:.1?}")
}

/// A text in which nothing means something to a terminal: neither its escape sequences nor a change of direction.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_special) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_special(character) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

fn is_special(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One of something, or several.
pub(super) fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_fits() {
        for (count, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(bytes(count), shown);
        }
    }

    #[test]
    fn times_have_two_units() {
        assert_eq!(duration(Duration::from_micros(1_234_567)), "1s");
        assert_eq!(duration(Duration::from_secs(86_461)), "1day 1m");
        assert_eq!(duration(Duration::from_micros(12_345)), "12ms");
        assert_eq!(option_duration(None), "ever");
    }

    #[test]
    fn what_would_mean_something_to_a_terminal_is_spelt_out() {
        assert_eq!(printable("a\u{1b}[31mb\r\n\u{202e}"), "a\\u{1b}[31mb\\r\\n\\u{202e}");
        assert_eq!(printable("ü 🦀"), "ü 🦀");
    }
}
