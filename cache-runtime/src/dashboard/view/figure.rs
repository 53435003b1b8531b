//! Numbers as people read them.

use std::time::Duration;

/// `12,345`.
pub(in crate::dashboard) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 entry`, `2 entries`.
pub(in crate::dashboard) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `97.3 %`, of a share from 0 to 1. Never 100 % of what is not all, nor 0 % of what is not nothing.
pub(in crate::dashboard) fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 99.9 && percent < 100.0 {
        return "> 99.9 %".to_owned();
    }
    if percent > 0.0 && percent < 0.1 {
        return "< 0.1 %".to_owned();
    }
    if percent >= 100.0 || percent <= 0.0 {
        return format!("{percent:.0} %");
    }
    format!("{percent:.1} %")
}

/// `12.5/s`.
pub(in crate::dashboard) fn rate(per_second: f64) -> String {
    format!("{}/s", number(per_second))
}

/// Three digits that count, with a thousands' comma where there are more.
pub(in crate::dashboard) fn number(number: f64) -> String {
    match number {
        n if n >= 1000.0 => count(whole(n)),
        n if n >= 100.0 => format!("{n:.0}"),
        n if n >= 10.0 => format!("{n:.1}"),
        n if n >= 0.01 => format!("{n:.2}"),
        n if n > 0.0 => "< 0.01".to_owned(),
        _ => "0".to_owned(),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for the eye, which is not negative; what is larger than all integers is the largest"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// `850 µs`, `1.25 ms`, `3.4 s`, `12 min 5 s`, `3 h 20 min`, `2 d 5 h`.
pub(in crate::dashboard) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let micros = duration.as_secs_f64() * 1e6;
    match seconds {
        0 if duration.is_zero() => "0 s".to_owned(),
        0 if micros < 1.0 => "< 1 µs".to_owned(),
        0 if micros < 999.5 => format!("{} µs", brief(micros)),
        0 if micros < 999_500.0 => format!("{} ms", brief(micros / 1e3)),
        0..60 => format!("{} s", brief(micros / 1e6)),
        60..3600 => pair(seconds, "min", 60, "s"),
        3600..86_400 => pair(seconds / 60, "h", 60, "min"),
        _ => pair(seconds / 3600, "d", 24, "h"),
    }
}

fn pair(smaller: u64, unit: &str, size: u64, smaller_unit: &str) -> String {
    match smaller % size {
        0 => format!("{} {unit}", smaller / size),
        rest => format!("{} {unit} {rest} {smaller_unit}", smaller / size),
    }
}

/// Up to three digits.
fn brief(number: f64) -> String {
    let digits = match number {
        n if n >= 99.95 => 0,
        n if n >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{number:.digits$}");
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

/// `512 B`, `1.4 KiB`, `3.2 MiB`.
#[expect(clippy::cast_precision_loss, reason = "three digits for the eye")]
pub(in crate::dashboard) fn bytes(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(size, _)| bytes >= *size);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(size, unit)| format!("{} {unit}", brief(bytes as f64 / size as f64)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!(
            [0.0, 0.0004, 0.973, 0.9999, 1.0].map(share),
            ["0 %", "< 0.1 %", "97.3 %", "> 99.9 %", "100 %"]
        );
        assert_eq!(
            [0.0, 0.001, 0.5, 12.34, 456.7, 12345.6].map(rate),
            ["0/s", "< 0.01/s", "0.50/s", "12.3/s", "457/s", "12,346/s"]
        );
        assert_eq!([5, 1536, 3 << 20].map(bytes), ["5 B", "1.5 KiB", "3 MiB"]);
        let micros = [
            0,
            1,
            850,
            1250,
            999_700,
            3_400_000,
            725_000_000,
            12_000_000_000,
            190_800_000_000,
        ];
        let shown = micros.map(|micros| duration(Duration::from_micros(micros)));
        let expected = [
            "0 s",
            "1 µs",
            "850 µs",
            "1.25 ms",
            "1 s",
            "3.4 s",
            "12 min 5 s",
            "3 h 20 min",
            "2 d 5 h",
        ];
        assert_eq!(shown, expected);
    }
}
