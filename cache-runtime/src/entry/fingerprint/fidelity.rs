//! Whether values of a type come back from a codec as they were, as far as its `Deserialize` shows.

/// What is to be looked at before a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fidelity {
    /// Nothing: there is no value that a codec would change.
    Sure,
    /// Where it is JSON, whether its floats are finite.
    Floats,
    /// Where it is JSON, whether it is the same when it is decoded again.
    Json,
    /// Whether it is the same when it is decoded again.
    Unsure,
}

/// What the requests of a type have shown.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a doubt of its own")]
pub(super) struct Doubts {
    floats: bool,
    json: bool,
    unsure: bool,
    flattens: bool,
    /// Nothing but newtypes has been asked for since an option was.
    in_option: bool,
    /// The type whose value is to be read next, as far as that is known.
    expected: Option<&'static str>,
}

impl Doubts {
    /// A value of this type is read next.
    pub(super) fn expect(&mut self, ty: &'static str) {
        // `deserialize_with`: it may make anything of what it reads.
        self.unsure |= ty.contains("__DeserializeWith");
        self.expected = Some(ty);
    }

    /// A field of this type that is not there is no error: it is made up. It may have been another value that was left out.
    pub(super) fn made_up(&mut self, ty: &str) {
        self.unsure |= !ty.starts_with(OPTION);
    }

    /// A visitor that makes a value of type `made` where one of the expected type is to be read. If it is another type, a conversion
    /// follows (`from`, `transparent`), which may lose something.
    pub(super) fn makes(&mut self, made: &'static str) {
        let Some(mut expected) = self.expected.take() else {
            return;
        };
        while let Some(inner) = POINTERS.iter().find_map(|pointer| content(expected, pointer)) {
            expected = inner;
        }
        self.unsure |= expected != made && !is_of_std(expected);
        // What is in there is read without a word of what it is.
        self.expected = content(made, OPTION);
    }

    /// A request of this kind. What is asked for by other kinds may be anything.
    pub(super) fn asked_for(&mut self, kind: &str) {
        match kind {
            "deserialize_f32" | "deserialize_f64" => self.floats = true,
            // `Some(None)` is `None` in JSON.
            "option" => self.json |= self.in_option,
            "deserialize_i128"
            | "deserialize_u128"
            | "deserialize_bytes"
            | "deserialize_byte_buf"
            | "deserialize_unit"
            | "unit struct" => self.json = true,
            "deserialize_bool" | "deserialize_i8" | "deserialize_i16" | "deserialize_i32" | "deserialize_i64"
            | "deserialize_u8" | "deserialize_u16" | "deserialize_u32" | "deserialize_u64" | "deserialize_char"
            | "deserialize_str" | "deserialize_string" | "newtype struct" | "seq" | "tuple" | "map" | "struct"
            | "enum" | "unit variant" | "newtype variant" | "tuple variant" | "struct variant" => {}
            _ => self.unsure = true,
        }
        self.in_option = kind == "option" || (self.in_option && kind == "newtype struct");
    }

    /// What a visitor makes of a request. Types of other crates may make of a text or a number what they like.
    pub(super) fn answered_with(&mut self, value: &str) {
        let name = value.split('<').next().unwrap_or(value);
        self.unsure |= !is_of_std(name) && !PLAIN.contains(&name);
    }

    /// A map that makes a struct: serde reads one with flattened fields so.
    pub(super) fn map_makes(&mut self, value: &str) {
        let is_map = value.starts_with("std::collections::") || value.starts_with("alloc::collections::");
        self.flattens |= !is_map;
        self.unsure |= !is_map;
    }

    pub(super) fn fidelity(&self) -> Fidelity {
        match self {
            Self { unsure: true, .. } => Fidelity::Unsure,
            Self { json: true, .. } => Fidelity::Json,
            Self { floats: true, .. } => Fidelity::Floats,
            _ => Fidelity::Sure,
        }
    }

    pub(super) fn flattens(&self) -> bool {
        self.flattens
    }
}

const OPTION: &str = "core::option::Option<";

/// What reads its content as if it were not there.
const POINTERS: &[&str] = &["alloc::boxed::Box<", "alloc::rc::Rc<", "alloc::sync::Arc<"];

/// The type inside of a generic one.
fn content(ty: &'static str, outer: &str) -> Option<&'static str> {
    ty.strip_prefix(outer)?.strip_suffix('>')
}

/// Types of the language and of its libraries.
fn is_of_std(ty: &str) -> bool {
    let path = ty.split('<').next().unwrap_or(ty);
    !path.contains("::")
        || ["core::", "alloc::", "std::"]
            .iter()
            .any(|library| path.starts_with(library))
}

/// Types that print what they read.
const PLAIN: &[&str] = &["uuid::Uuid"];
