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
    Unit,
    UnitStruct,
    False,
    True,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Text,
    Bytes,
    NewtypeStruct,
    TupleStruct,
    Struct,
    Enum,
    UnitVariant,
    NewtypeVariant,
    TupleVariant,
    StructVariant,
    List,
    Tuple,
    Field,
    End,
}

/// A form while it is written, into a place of fixed size: that is quicker than one that grows.
#[derive(Debug)]
pub(crate) struct Form<'o> {
    out: &'o mut [u8],
    len: usize,
    depth: u8,
}

impl<'o> Form<'o> {
    pub(crate) fn new(out: &'o mut [u8]) -> Self {
        Self { out, len: 0, depth: 0 }
    }

    /// How many bytes have been written.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What has been written.
    pub(crate) fn written(&self) -> &[u8] {
        &self.out[..self.len]
    }

    /// Appends what was written in another form.
    ///
    /// # Errors
    ///
    /// For want of room.
    pub(crate) fn put_all(&mut self, written: &[u8]) -> Result<(), NotCompact> {
        self.room(written.len())?.copy_from_slice(written);
        Ok(())
    }

    /// The next so many bytes.
    #[inline]
    fn room(&mut self, len: usize) -> Result<&mut [u8], NotCompact> {
        let end = self.len + len;
        let room = self.out.get_mut(self.len..end).ok_or(NotCompact::NoRoom)?;
        self.len = end;
        Ok(room)
    }

    #[inline]
    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), NotCompact> {
        self.room(N)?.copy_from_slice(&bytes);
        Ok(())
    }

    #[inline]
    fn tag(&mut self, tag: Tag) -> Result<(), NotCompact> {
        self.put([tag as u8])
    }

    /// Four bytes after a tag, in one go.
    #[inline]
    fn half_word(&mut self, tag: Tag, half_word: u32) -> Result<(), NotCompact> {
        let mut bytes = [tag as u8; 5];
        bytes[1..].copy_from_slice(&half_word.to_ne_bytes());
        self.put(bytes)
    }

    /// Eight bytes after a tag.
    #[inline]
    fn word(&mut self, tag: Tag, word: u64) -> Result<(), NotCompact> {
        let mut bytes = [tag as u8; 9];
        bytes[1..].copy_from_slice(&word.to_ne_bytes());
        self.put(bytes)
    }

    fn wide(&mut self, tag: Tag, bits: [u8; 16]) -> Result<(), NotCompact> {
        self.tag(tag)?;
        self.put(bits)
    }

    #[inline]
    fn sized(&mut self, tag: Tag, bytes: &[u8]) -> Result<(), NotCompact> {
        let len = u32::try_from(bytes.len()).map_err(|_| NotCompact::NoForm)?;
        let (head, text) = self.room(HEAD + bytes.len())?.split_at_mut(HEAD);
        head[0] = tag as u8;
        head[1..].copy_from_slice(&len.to_ne_bytes());
        text.copy_from_slice(bytes);
        Ok(())
    }

    /// A name, by its address and length, in a single word with the tag.
    #[inline]
    fn name(&mut self, tag: Tag, name: &'static str) -> Result<(), NotCompact> {
        let (at, len) = (address(name.as_ptr()), name.len() as u64);
        // Addresses of programs have 48 bits wherever Rust has a standard library, and hardly a name is longer than 255 bytes.
        if at >> 48 != 0 || len >> 8 != 0 {
            return Err(NotCompact::NoForm);
        }
        self.put((at << 16 | len << 8 | tag as u64).to_le_bytes())
    }

    /// A variant, by the names of its enum and its own.
    #[inline]
    fn variant(&mut self, tag: Tag, of: &'static str, name: &'static str) -> Result<(), NotCompact> {
        self.name(Tag::Enum, of)?;
        self.name(tag, name)
    }

    /// Appends what `value` displays.
    ///
    /// # Errors
    ///
    /// For want of room, or if its own `Display` gives up.
    pub(crate) fn write_display<T: fmt::Display + ?Sized>(&mut self, value: &T) -> Result<(), NotCompact> {
        let at = self.len;
        self.sized(Tag::Text, b"")?;
        let text = self.len;
        let mut writer = Text {
            form: self,
            failed: NotCompact::NoForm,
        };
        fmt::write(&mut writer, format_args!("{value}")).map_err(|fmt::Error| writer.failed)?;
        let len = u32::try_from(self.len - text).map_err(|_| NotCompact::NoForm)?;
        self.out[at + 1..text].copy_from_slice(&len.to_ne_bytes());
        Ok(())
    }

    /// Goes one level down.
    #[inline]
    fn enter(&mut self) -> Result<&mut Self, NotCompact> {
        if self.depth == DEPTH_LIMIT {
            return Err(NotCompact::NoForm);
        }
        self.depth += 1;
        Ok(self)
    }

    #[inline]
    fn close(&mut self) -> Result<(), NotCompact> {
        self.depth -= 1;
        self.tag(Tag::End)
    }

    /// A value one level down.
    #[inline]
    fn inner<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotCompact> {
        value.serialize(self.enter()?)?;
        self.depth -= 1;
        Ok(())
    }
}

/// A tag and a length.
const HEAD: usize = 5;

/// What is displayed into a form.
struct Text<'f, 'o> {
    form: &'f mut Form<'o>,
    /// What an error means: the value's own, unless it is the room that was wanting.
    failed: NotCompact,
}

impl fmt::Write for Text<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.form.room(text.len()).map_err(|cause| {
            self.failed = cause;
            fmt::Error
        })?;
        room.copy_from_slice(text.as_bytes());
        Ok(())
    }
}

macro_rules! numbers {
    ($($method:ident $number:ty => |$form:ident, $value:ident| $write:expr),* $(,)?) => {$(
        #[inline]
        fn $method(self, $value: $number) -> Result<(), NotCompact> {
            let $form = self;
            $write
        }
    )*};
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
        serialize_i8 i8 => |form, value| form.half_word(Tag::I8, i32::from(value).cast_unsigned()),
        serialize_i16 i16 => |form, value| form.half_word(Tag::I16, i32::from(value).cast_unsigned()),
        serialize_i32 i32 => |form, value| form.half_word(Tag::I32, value.cast_unsigned()),
        serialize_i64 i64 => |form, value| form.word(Tag::I64, value.cast_unsigned()),
        serialize_i128 i128 => |form, value| form.wide(Tag::I128, value.to_ne_bytes()),
        serialize_u8 u8 => |form, value| form.half_word(Tag::U8, value.into()),
        serialize_u16 u16 => |form, value| form.half_word(Tag::U16, value.into()),
        serialize_u32 u32 => |form, value| form.half_word(Tag::U32, value),
        serialize_u64 u64 => |form, value| form.word(Tag::U64, value),
        serialize_u128 u128 => |form, value| form.wide(Tag::U128, value.to_ne_bytes()),
        serialize_f32 f32 => |form, value| form.half_word(Tag::F32, value.to_bits()),
        serialize_f64 f64 => |form, value| form.word(Tag::F64, value.to_bits()),
        serialize_char char => |form, value| form.half_word(Tag::Char, value.into()),
        serialize_bool bool => |form, value| form.tag(if value { Tag::True } else { Tag::False }),
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), NotCompact> {
        self.sized(Tag::Text, value.as_bytes())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), NotCompact> {
        self.write_display(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), NotCompact> {
        self.sized(Tag::Bytes, value)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), NotCompact> {
        self.tag(Tag::Absent)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NotCompact> {
        self.tag(Tag::Present)?;
        self.inner(value)
    }

    fn serialize_unit(self) -> Result<(), NotCompact> {
        self.tag(Tag::Unit)
    }

    fn serialize_unit_struct(self, of: &'static str) -> Result<(), NotCompact> {
        self.name(Tag::UnitStruct, of)
    }

    #[inline]
    fn serialize_unit_variant(self, of: &'static str, _: u32, name: &'static str) -> Result<(), NotCompact> {
        self.variant(Tag::UnitVariant, of, name)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, of: &'static str, value: &T) -> Result<(), NotCompact> {
        self.name(Tag::NewtypeStruct, of)?;
        self.inner(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), NotCompact> {
        self.variant(Tag::NewtypeVariant, of, name)?;
        self.inner(value)
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, NotCompact> {
        self.tag(Tag::List)?;
        self.enter()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, NotCompact> {
        self.tag(Tag::Tuple)?;
        self.enter()
    }

    fn serialize_tuple_struct(self, of: &'static str, _: usize) -> Result<Self, NotCompact> {
        self.name(Tag::TupleStruct, of)?;
        self.enter()
    }

    fn serialize_tuple_variant(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self, NotCompact> {
        self.variant(Tag::TupleVariant, of, name)?;
        self.enter()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, NotCompact> {
        Err(NotCompact::NoForm)
    }

    #[inline]
    fn serialize_struct(self, of: &'static str, _: usize) -> Result<Self, NotCompact> {
        self.name(Tag::Struct, of)?;
        self.enter()
    }

    fn serialize_struct_variant(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self, NotCompact> {
        self.variant(Tag::StructVariant, of, name)?;
        self.enter()
    }
}

/// What has several parts, each perhaps with a name.
macro_rules! compound {
    ($compound:ident $method:ident $(($name:ident: $ty:ty))?) => {
        impl ser::$compound for &mut Form<'_> {
            type Ok = ();
            type Error = NotCompact;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $ty,)? value: &T) -> Result<(), NotCompact> {
                $(self.name(Tag::Field, $name)?;)?
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<(), NotCompact> {
                self.close()
            }
        }
    };
}

compound!(SerializeSeq serialize_element);
compound!(SerializeTuple serialize_element);
compound!(SerializeTupleStruct serialize_field);
compound!(SerializeTupleVariant serialize_field);
compound!(SerializeStruct serialize_field (name: &'static str));
compound!(SerializeStructVariant serialize_field (name: &'static str));
