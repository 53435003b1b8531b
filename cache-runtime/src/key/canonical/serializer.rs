//! How each kind of value is printed. Enums look as `serde_json` prints them.

use std::fmt;

use serde::{Serialize, ser};

use super::{document::Document, error::CanonicalError, members::Members, number};

/// A list being written: sequences, tuples and tuple variants.
pub(super) struct List<'d, 'o> {
    document: &'d mut Document<'o>,
    empty: bool,
    closing: &'static [u8],
}

impl<'d, 'o> List<'d, 'o> {
    fn open(document: &'d mut Document<'o>, closing: &'static [u8]) -> Result<Self, CanonicalError> {
        document.enter()?;
        document.out.push(b'[');
        Ok(Self {
            document,
            empty: true,
            closing,
        })
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        if !self.empty {
            self.document.out.extend_from_slice(b", ");
        }
        self.empty = false;
        value.serialize(&mut *self.document)
    }

    fn close(self) {
        self.document.out.extend_from_slice(self.closing);
        self.document.leave();
    }
}

impl Document<'_> {
    /// A value one level down that leaves no trace in the text.
    fn wrapped<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
        self.enter()?;
        value.serialize(&mut *self)?;
        self.leave();
        Ok(())
    }

    /// The `{"Variant": ` before an enum variant's data.
    fn variant(&mut self, name: &str) -> &mut Self {
        self.out.push(b'{');
        self.string(name);
        self.out.extend_from_slice(b": ");
        self
    }

    fn null(&mut self) {
        self.out.extend_from_slice(b"null");
    }
}

macro_rules! numbers {
    ($($method:ident $number:ty => $write:ident),* $(,)?) => {$(
        fn $method(self, value: $number) -> Result<(), CanonicalError> {
            number::$write(self.out, value);
            Ok(())
        }
    )*};
}

impl<'d, 'o> ser::Serializer for &'d mut Document<'o> {
    type Ok = ();
    type Error = CanonicalError;
    type SerializeSeq = List<'d, 'o>;
    type SerializeTuple = List<'d, 'o>;
    type SerializeTupleStruct = List<'d, 'o>;
    type SerializeTupleVariant = List<'d, 'o>;
    type SerializeMap = Members<'d, 'o>;
    type SerializeStruct = Members<'d, 'o>;
    type SerializeStructVariant = Members<'d, 'o>;

    numbers! {
        serialize_i8 i8 => integer, serialize_i16 i16 => integer, serialize_i32 i32 => integer,
        serialize_i64 i64 => integer, serialize_i128 i128 => integer,
        serialize_u8 u8 => integer, serialize_u16 u16 => integer, serialize_u32 u32 => integer,
        serialize_u64 u64 => integer, serialize_u128 u128 => integer,
        serialize_f32 f32 => float, serialize_f64 f64 => float,
    }

    fn serialize_bool(self, value: bool) -> Result<(), CanonicalError> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), CanonicalError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), CanonicalError> {
        self.string(value);
        Ok(())
    }

    fn collect_str<T>(self, value: &T) -> Result<(), CanonicalError>
    where
        T: fmt::Display + ?Sized,
    {
        self.display(value).map(drop)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), CanonicalError> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<(), CanonicalError> {
        self.null();
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CanonicalError> {
        self.wrapped(value)
    }

    fn serialize_unit(self) -> Result<(), CanonicalError> {
        self.null();
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), CanonicalError> {
        self.null();
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), CanonicalError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), CanonicalError> {
        self.wrapped(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), CanonicalError> {
        self.variant(variant).wrapped(value)?;
        self.out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'d, 'o>, CanonicalError> {
        List::open(self, b"]")
    }

    fn serialize_tuple(self, _: usize) -> Result<List<'d, 'o>, CanonicalError> {
        List::open(self, b"]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'d, 'o>, CanonicalError> {
        List::open(self, b"]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'d, 'o>, CanonicalError> {
        List::open(self.variant(variant), b"]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'d, 'o>, CanonicalError> {
        Members::open(self, b"}")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'d, 'o>, CanonicalError> {
        Members::open(self, b"}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'d, 'o>, CanonicalError> {
        Members::open(self.variant(variant), b"}}")
    }
}

macro_rules! items {
    ($($compound:ident $method:ident),* $(,)?) => {$(
        impl ser::$compound for List<'_, '_> {
            type Ok = ();
            type Error = CanonicalError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonicalError> {
                self.item(value)
            }

            fn end(self) -> Result<(), CanonicalError> {
                self.close();
                Ok(())
            }
        }
    )*};
}

items! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}
