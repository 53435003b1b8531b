//! Numbers as Python's `repr` prints them.

/// Appends an integer.
pub(super) fn integer<I: itoa::Integer>(out: &mut Vec<u8>, value: I) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an `f64`, or an `f32` with the shortest digits that identify it among the `f32`s.
pub(super) fn float<F: Float>(out: &mut Vec<u8>, value: F) {
    match value.not_finite() {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => finite(out, zmij::Buffer::new().format_finite(value)),
    }
}

/// What `f32` and `f64` have in common here.
pub(super) trait Float: zmij::Float + Copy {
    /// What `json.dumps` prints for what is not a number of JSON.
    fn not_finite(self) -> Option<&'static str>;
}

macro_rules! float {
    ($($float:ty)*) => {$(
        impl Float for $float {
            fn not_finite(self) -> Option<&'static str> {
                if self.is_finite() {
                    None
                } else if self.is_nan() {
                    Some("NaN")
                } else if self.is_sign_positive() {
                    Some("Infinity")
                } else {
                    Some("-Infinity")
                }
            }
        }
    )*};
}

float!(f32 f64);

/// Lays out the digits of `shortest` as Python does: with an exponent below 1e-4 and from 1e16 on, and that with a
/// sign and at least two digits. `shortest` starts to use one at 1e16 too, but below 1e-5.
fn finite(out: &mut Vec<u8>, shortest: &str) {
    let magnitude = match shortest.strip_prefix('-') {
        Some(magnitude) => {
            out.push(b'-');
            magnitude
        }
        None => shortest,
    };
    if let Some((mantissa, power)) = magnitude.split_once('e') {
        out.extend_from_slice(mantissa.as_bytes());
        exponent(out, power.parse().expect("an exponent is a small integer"));
    } else if magnitude.starts_with("0.0000") {
        let digits = magnitude.trim_start_matches(['0', '.']);
        let (first, fraction) = digits.split_at(1);
        out.extend_from_slice(first.as_bytes());
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
        // "0.00001" has five places before its first digit ends, and so on.
        let places = magnitude.len() - "0.".len() - fraction.len();
        exponent(out, -i16::try_from(places).expect("a float has few digits"));
    } else {
        out.extend_from_slice(magnitude.as_bytes());
    }
}

fn exponent(out: &mut Vec<u8>, power: i16) {
    out.extend_from_slice(if power < 0 { b"e-" } else { b"e+" });
    if power.unsigned_abs() < 10 {
        out.push(b'0');
    }
    integer(out, power.unsigned_abs());
}
