use std::fmt;

use serde::{
    Serialize,
    ser::{self, Impossible},
};

use super::{NotCompact, address};

/// As deep as canonical JSON goes: what is deeper is refused there, too.
const DEPTH_LIMIT: u8 = 128;

/// What stands before a value, so that a shorter one is never the beginning of a longer one.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Tag {
    Absent,
    Present,
    False,
    True,
    Signed,
    Unsigned,
    Wide,
    Float,
    Text,
    Bytes,
    Variant,
    List,
    Fields,
    Field,
    End,
}

/// The form being written.
pub(super) struct Form<'o> {
    out: &'o mut Vec<u8>,
    depth: u8,
}

impl<'o> Form<'o> {
    #[inline]
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, depth: 0 }
    }

    pub(super) fn display<T: fmt::Display + ?Sized>(&mut self, value: &T) -> Result<(), NotCompact> {
        let at = self.out.len();
        self.sized(Tag::Text, b"");
        let text = self.out.len();
        fmt::write(&mut Text(self.out), format_args!("{value}")).map_err(|_| NotCompact)?;
        let len = (self.out.len() - text) as u64;
        self.out[at + 1..text].copy_from_slice(&len.to_ne_bytes());
        Ok(())
    }

    #[inline]
    fn tag(&mut self, tag: Tag) {
        self.out.push(tag as u8);
    }

    /// Eight bytes after a tag, in one go.
    #[inline]
    fn word(&mut self, tag: Tag, word: u64) {
        let mut bytes = [tag as u8; 9];
        bytes[1..].copy_from_slice(&word.to_ne_bytes());
        self.out.extend_from_slice(&bytes);
    }

    fn wide(&mut self, bits: [u8; 16]) {
        self.tag(Tag::Wide);
        self.out.extend_from_slice(&bits);
    }

    #[inline]
    fn sized(&mut self, tag: Tag, bytes: &[u8]) {
        self.word(tag, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// A name, by its address and length.
    #[inline]
    fn name(&mut self, tag: Tag, name: &'static str) -> Result<(), NotCompact> {
        let (at, len) = (address(name.as_ptr()), name.len() as u64);
        // No address needs the highest eight bits, and hardly a name is as long as they count.
        if at >> 56 != 0 || len >> 8 != 0 {
            return Err(NotCompact);
        }
        self.word(tag, at | len << 56);
        Ok(())
    }

    /// Goes one level down.
    #[inline]
    fn enter(&mut self) -> Result<&mut Self, NotCompact> {
        if self.depth == DEPTH_LIMIT {
            return Err(NotCompact);
        }
        self.depth += 1;
        Ok(self)
    }

    /// Goes one level down, into what has any number of parts.
    #[inline]
    fn open(&mut self, tag: Tag) -> Result<&mut Self, NotCompact> {
        self.tag(tag);
        self.enter()
    }

    #[inline]
    fn close(&mut self) {
        self.depth -= 1;
        self.tag(Tag::End);
    }

    /// A value one level down.
    fn inner<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotCompact> {
        value.serialize(self.enter()?)?;
        self.depth -= 1;
        Ok(())
    }
}

struct Text<'o>(&'o mut Vec<u8>);

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

macro_rules! numbers {
    ($($method:ident $number:ty => $tag:ident $($wide:ty)?),* $(,)?) => {$(
        #[inline]
        fn $method(self, value: $number) -> Result<(), NotCompact> {
            numbers!(@ self, value, $tag $($wide)?);
            Ok(())
        }
    )*};
    (@ $self:ident, $value:ident, Wide) => { $self.wide($value.to_ne_bytes()) };
    (@ $self:ident, $value:ident, Float $wide:ty) => { $self.word(Tag::Float, <$wide>::from($value).to_bits()) };
    (@ $self:ident, $value:ident, Signed $wide:ty) => { $self.word(Tag::Signed, <$wide>::from($value).cast_unsigned()) };
    (@ $self:ident, $value:ident, $tag:ident $wide:ty) => { $self.word(Tag::$tag, <$wide>::from($value)) };
}

impl ser::Serializer for &mut Form<'_> {
    type Ok = ();
    type Error = NotCompact;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Impossible<(), NotCompact>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    numbers! {
        serialize_i8 i8 => Signed i64, serialize_i16 i16 => Signed i64, serialize_i32 i32 => Signed i64,
        serialize_i64 i64 => Signed i64, serialize_i128 i128 => Wide,
        serialize_u8 u8 => Unsigned u64, serialize_u16 u16 => Unsigned u64, serialize_u32 u32 => Unsigned u64,
        serialize_u64 u64 => Unsigned u64, serialize_u128 u128 => Wide,
        serialize_f32 f32 => Float f64, serialize_f64 f64 => Float f64, serialize_char char => Unsigned u64,
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), NotCompact> {
        self.tag(if value { Tag::True } else { Tag::False });
        Ok(())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), NotCompact> {
        self.sized(Tag::Text, value.as_bytes());
        Ok(())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), NotCompact> {
        self.display(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), NotCompact> {
        self.sized(Tag::Bytes, value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), NotCompact> {
        self.tag(Tag::Absent);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NotCompact> {
        self.tag(Tag::Present);
        self.inner(value)
    }

    fn serialize_unit(self) -> Result<(), NotCompact> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), NotCompact> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<(), NotCompact> {
        self.name(Tag::Variant, name)?;
        self.serialize_none()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), NotCompact> {
        self.inner(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), NotCompact> {
        self.name(Tag::Variant, name)?;
        self.inner(value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, NotCompact> {
        self.open(Tag::List)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, NotCompact> {
        self.open(Tag::List)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, NotCompact> {
        self.open(Tag::List)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self, NotCompact> {
        self.name(Tag::Variant, name)?;
        self.open(Tag::List)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, NotCompact> {
        Err(NotCompact)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, NotCompact> {
        self.open(Tag::Fields)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self, NotCompact> {
        self.name(Tag::Variant, name)?;
        self.open(Tag::Fields)
    }
}

macro_rules! lists {
    ($($compound:ident $method:ident),* $(,)?) => {$(
        impl ser::$compound for &mut Form<'_> {
            type Ok = ();
            type Error = NotCompact;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotCompact> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), NotCompact> {
                self.close();
                Ok(())
            }
        }
    )*};
}

lists! {
    SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

macro_rules! named_fields {
    ($($compound:ident)*) => {$(
        impl ser::$compound for &mut Form<'_> {
            type Ok = ();
            type Error = NotCompact;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), NotCompact> {
                self.name(Tag::Field, name)?;
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), NotCompact> {
                self.close();
                Ok(())
            }
        }
    )*};
}

named_fields!(SerializeStruct SerializeStructVariant);
