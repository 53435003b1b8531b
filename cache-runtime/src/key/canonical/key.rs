use std::fmt;

use serde::{
    Serialize,
    ser::{self, Impossible},
};

use super::{document::Document, error::CanonicalError, members::KeyKind, number};

/// Writes a map key as a string, and says how it compares.
pub(super) struct KeySerializer<'d, 'o>(pub(super) &'d mut Document<'o>);

impl KeySerializer<'_, '_> {
    fn integer<I: itoa::Integer>(self, value: I) -> KeyKind {
        self.0.out.push(b'"');
        number::integer(self.0.out, value);
        self.0.out.push(b'"');
        KeyKind::Integer
    }
}

macro_rules! integers {
    ($($method:ident $integer:ty),* $(,)?) => {$(
        fn $method(self, value: $integer) -> Result<KeyKind, CanonicalError> {
            Ok(self.integer(value))
        }
    )*};
}

macro_rules! refused {
    ($($method:ident($($argument:ty),*) -> $returned:ty: $kind:literal),* $(,)?) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$returned, CanonicalError> {
            Err(CanonicalError::key($kind))
        }
    )*};
}

type Never = Impossible<KeyKind, CanonicalError>;

impl ser::Serializer for KeySerializer<'_, '_> {
    type Ok = KeyKind;
    type Error = CanonicalError;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    integers! {
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_u128 u128,
    }

    fn serialize_bool(self, value: bool) -> Result<KeyKind, CanonicalError> {
        Ok(self.0.string(if value { "true" } else { "false" }))
    }

    fn serialize_char(self, value: char) -> Result<KeyKind, CanonicalError> {
        Ok(self.0.string(value.encode_utf8(&mut [0; 4])))
    }

    fn serialize_str(self, value: &str) -> Result<KeyKind, CanonicalError> {
        Ok(self.0.string(value))
    }

    fn collect_str<T>(self, value: &T) -> Result<KeyKind, CanonicalError>
    where
        T: fmt::Display + ?Sized,
    {
        self.0.display(value)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<KeyKind, CanonicalError> {
        Ok(self.0.string(variant))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<KeyKind, CanonicalError> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<KeyKind, CanonicalError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<KeyKind, CanonicalError> {
        Err(CanonicalError::key("an enum variant with data"))
    }

    refused! {
        serialize_f32(f32) -> KeyKind: "a floating-point number",
        serialize_f64(f64) -> KeyKind: "a floating-point number",
        serialize_bytes(&[u8]) -> KeyKind: "bytes",
        serialize_none() -> KeyKind: "`None`",
        serialize_unit() -> KeyKind: "a unit",
        serialize_unit_struct(&'static str) -> KeyKind: "a unit",
        serialize_seq(Option<usize>) -> Never: "a list",
        serialize_tuple(usize) -> Never: "a tuple",
        serialize_tuple_struct(&'static str, usize) -> Never: "a tuple",
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never: "an enum variant with data",
        serialize_map(Option<usize>) -> Never: "a map",
        serialize_struct(&'static str, usize) -> Never: "a struct",
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never: "an enum variant with data",
    }
}
