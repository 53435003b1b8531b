//! A fingerprint of the structure of a type, so that two builds of one service never decode each other's entries.
//!
//! The type's own `Deserialize` is driven by a deserializer that writes down every request (kinds, names, lists of
//! fields and variants) and answers it with a dummy: 1, `false`, `"1"`, a list of one element. What differs in a
//! field, its name, its type, its order or a variant makes other requests, and so another fingerprint.
//!
//! One pass sees one variant of each enum, and it ends where a `Deserialize` refuses its dummy (a date, a UUID). So
//! passes are repeated with what the earlier ones taught: another variant, the refused field last, an alias left out,
//! the name of a field that a flattened struct missed. What stays unseen are types behind an element of a tuple that
//! was refused, optional fields of flattened structs, and the variants of enums that serde buffers (`untagged`, `tag`).
//! The envelope's shape is a second line behind the decoder, which refuses most of those itself.

mod access;
mod fidelity;
mod memory;
mod refusal;
mod tracer;

use serde::de::DeserializeOwned;

pub(crate) use self::fidelity::Fidelity;
use self::tracer::Tracer;

/// Passes at most. Usual types need one or two, and one more for each variant.
const PASSES: usize = 128;

/// Refused passes in a row that taught nothing after which there is nothing more to learn.
const FRUITLESS_PASSES: usize = 8;

/// What is known of the structure of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Structure {
    /// Of the structure, and of what it was asked for with.
    pub(crate) fingerprint: u64,
    pub(crate) fidelity: Fidelity,
    /// Whether it has flattened fields.
    pub(crate) flattens: bool,
}

/// The structure of `R`; its fingerprint is of `parts`, too. Takes up to milliseconds: keep the result.
///
/// Equal in every process and on every platform. Never panics unless `R`'s own `Deserialize` does.
pub(crate) fn of<R: DeserializeOwned>(parts: &[&str]) -> Structure {
    let mut tracer = Tracer::new(parts);
    let mut fruitless = 0;
    for _ in 0..PASSES {
        let complete = tracer.pass::<R>();
        let learned = tracer.memory.end_pass(complete);
        fruitless = if learned { 0 } else { fruitless + 1 };
        if tracer.is_exhausted() || (complete && !learned) || fruitless == FRUITLESS_PASSES {
            break;
        }
    }
    tracer.leave_out_fields::<R>();
    tracer.structure()
}

#[cfg(test)]
mod tests;
