//! Reads postcard from bytes that somebody else may have written: to a depth, and no more elements than bytes.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::super::DecodeError;

/// How deep values may be nested, as for JSON; options and newtypes count, too, because types recurse through them.
const DEPTH: usize = 128;

type Result<T> = std::result::Result<T, DecodeError>;

/// Seven bits in each byte, the lowest first; the eighth says that there are more.
macro_rules! varint {
    ($($name:ident $number:ident;)+) => {
        $(
            #[inline]
            fn $name(&mut self) -> Result<$number> {
                let mut number = 0;
                for shift in (0..$number::BITS).step_by(7) {
                    let byte = self.byte()?;
                    let bits = $number::from(byte & 0x7f);
                    if (bits << shift) >> shift != bits {
                        break;
                    }
                    number |= bits << shift;
                    if byte < 0x80 {
                        return Ok(number);
                    }
                }
                Err(DecodeError)
            }
        )+
    };
}

/// What is left to read.
pub(super) struct Reader<'de> {
    rest: &'de [u8],
    depth: usize,
    /// How many elements of lists and maps there may be yet: as many as bytes, so that no length makes more of them. A list
    /// of elements that take no bytes is refused for it.
    elements: usize,
}

impl<'de> Reader<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self {
            rest: bytes,
            depth: DEPTH,
            elements: bytes.len(),
        }
    }

    pub(super) fn is_at_the_end(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    fn byte(&mut self) -> Result<u8> {
        let (&byte, rest) = self.rest.split_first().ok_or(DecodeError)?;
        self.rest = rest;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (&array, rest) = self.rest.split_first_chunk().ok_or(DecodeError)?;
        self.rest = rest;
        Ok(array)
    }

    /// A length, and so many bytes.
    fn bytes(&mut self) -> Result<&'de [u8]> {
        let len = self.unsigned()?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(DecodeError)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn str(&mut self) -> Result<&'de str> {
        str::from_utf8(self.bytes()?).map_err(|_| DecodeError)
    }

    fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError),
        }
    }

    #[inline]
    fn unsigned<T: TryFrom<u64>>(&mut self) -> Result<T> {
        self.varint()?.try_into().map_err(|_| DecodeError)
    }

    /// Zigzag: the lowest bit is the sign.
    #[inline]
    fn signed<T: TryFrom<i64>>(&mut self) -> Result<T> {
        let number = self.varint()?;
        let magnitude = (number >> 1).cast_signed();
        let number = if number & 1 == 0 { magnitude } else { !magnitude };
        number.try_into().map_err(|_| DecodeError)
    }

    varint! {
        varint u64;
        // Apart from it because nearly every number is narrower.
        wide_varint u128;
    }

    /// Reads what may contain its own type.
    fn inside<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth = self.depth.checked_sub(1).ok_or(DecodeError)?;
        let value = read(self)?;
        self.depth += 1;
        Ok(value)
    }

    /// Reads a length and so many elements, all of them: what a visitor left would be taken for what comes next.
    fn counted<T>(&mut self, read: impl FnOnce(&mut Elements<'_, 'de>) -> Result<T>) -> Result<T> {
        let count = self.unsigned()?;
        self.elements = self.elements.checked_sub(count).ok_or(DecodeError)?;
        self.inside(|reader| {
            let mut elements = Elements { reader, left: count };
            let value = read(&mut elements)?;
            if elements.left == 0 {
                Ok(value)
            } else {
                Err(DecodeError)
            }
        })
    }

    /// Reads as many fields as the visitor takes. That may be fewer: aliases count among the fields of a struct.
    fn fields<V: Visitor<'de>>(&mut self, count: usize, visitor: V) -> Result<V::Value> {
        self.inside(|reader| visitor.visit_seq(&mut Elements { reader, left: count }))
    }
}

/// What is read in one step.
macro_rules! plain {
    ($($deserialize:ident $visit:ident $read:ident;)+) => {
        $(
            #[inline]
            fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
                visitor.$visit(self.$read()?)
            }
        )+
    };
}

/// What needs a format that says what comes next.
macro_rules! refused {
    ($($deserialize:ident)+) => {
        $(
            fn $deserialize<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value> {
                Err(DecodeError)
            }
        )+
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = DecodeError;

    fn is_human_readable(&self) -> bool {
        false
    }

    plain! {
        deserialize_bool visit_bool flag;
        deserialize_u8 visit_u8 byte;
        deserialize_u16 visit_u16 unsigned;
        deserialize_u32 visit_u32 unsigned;
        deserialize_u64 visit_u64 unsigned;
        deserialize_u128 visit_u128 wide_varint;
        deserialize_i16 visit_i16 signed;
        deserialize_i32 visit_i32 signed;
        deserialize_i64 visit_i64 signed;
        deserialize_str visit_borrowed_str str;
        deserialize_string visit_borrowed_str str;
        deserialize_bytes visit_borrowed_bytes bytes;
        deserialize_byte_buf visit_borrowed_bytes bytes;
    }

    refused! { deserialize_any deserialize_identifier deserialize_ignored_any }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_i8(self.byte()?.cast_signed())
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let number = self.wide_varint()?;
        let magnitude = (number >> 1).cast_signed();
        visitor.visit_i128(if number & 1 == 0 { magnitude } else { !magnitude })
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_f32(f32::from_le_bytes(self.array()?))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_f64(f64::from_le_bytes(self.array()?))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let mut chars = self.str()?.chars();
        match (chars.next(), chars.next()) {
            (Some(char), None) => visitor.visit_char(char),
            _ => Err(DecodeError),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.flag()? {
            self.inside(|reader| visitor.visit_some(reader))
        } else {
            visitor.visit_none()
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        self.inside(|reader| visitor.visit_newtype_struct(reader))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.counted(|elements| visitor.visit_seq(elements))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.counted(|elements| visitor.visit_map(elements))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.fields(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.fields(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.fields(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.inside(|reader| visitor.visit_enum(reader))
    }
}

/// The elements of a list or of a struct, or the entries of a map.
struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> Elements<'_, 'de> {
    #[inline]
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Reader<'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let index: u32 = self.unsigned()?;
        let variant = seed.deserialize(index.into_deserializer())?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Reader<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<()> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.fields(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.fields(fields.len(), visitor)
    }
}
