//! Reads from bytes that somebody else may have written: to a depth, and no more elements than bytes.

use std::{
    cell::{Cell, OnceCell},
    ptr,
};

use serde::{
    de::{
        DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};
use smallvec::SmallVec;

use super::{super::DecodeError, DEPTH, MOST_TOLD, part, tag};

type Result<T> = std::result::Result<T, DecodeError>;

/// A payload, taken apart.
pub(super) struct Parts<'de> {
    values: Rest<'de>,
    texts: &'de str,
    names: Names<'de>,
    len: usize,
}

/// What stands in a payload once.
#[derive(Default)]
struct Names<'de> {
    layouts: SmallVec<[Layout<'de>; 4]>,
    variants: Vec<&'de str>,
}

/// The names of a struct's fields.
struct Layout<'de> {
    len: usize,
    /// The names as they stand there: most readers compare them once, and want none.
    bytes: Rest<'de>,
    names: OnceCell<Vec<&'de str>>,
    /// The fields of a type that are known to be these.
    known: Cell<*const &'static str>,
}

/// What is left of some bytes.
#[derive(Clone, Copy)]
struct Rest<'de>(&'de [u8]);

impl<'de> Rest<'de> {
    #[inline]
    fn byte(&mut self) -> Result<u8> {
        let (&byte, rest) = self.0.split_first().ok_or(DecodeError)?;
        self.0 = rest;
        Ok(byte)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (&array, rest) = self.0.split_first_chunk().ok_or(DecodeError)?;
        self.0 = rest;
        Ok(array)
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn length_8(&mut self) -> Result<usize> {
        self.byte().map(usize::from)
    }

    fn length_32(&mut self) -> Result<usize> {
        let len = u32::from_le_bytes(self.array()?);
        usize::try_from(len).map_err(|_| DecodeError)
    }

    #[inline]
    fn bytes(&mut self, len: usize) -> Result<&'de [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(DecodeError)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A name that nobody has looked at.
    #[inline]
    fn unread_name(&mut self) -> Result<&'de [u8]> {
        let len = self.u16()?;
        self.bytes(len.into())
    }

    fn name(&mut self) -> Result<&'de str> {
        str::from_utf8(self.unread_name()?).map_err(|_| DecodeError)
    }
}

impl<'de> Parts<'de> {
    pub(super) fn of(payload: &'de [u8]) -> Result<Self> {
        let (&parts, rest) = payload.split_last().ok_or(DecodeError)?;
        if parts & !(part::TEXTS | part::NAMES) != 0 {
            return Err(DecodeError);
        }
        let (rest, names_len) = length_at_the_end(rest, parts & part::NAMES != 0)?;
        let (rest, texts_len) = length_at_the_end(rest, parts & part::TEXTS != 0)?;
        let (rest, names) = split_end(rest, names_len)?;
        let (values, texts) = split_end(rest, texts_len)?;
        Ok(Self {
            values: Rest(values),
            texts: str::from_utf8(texts).map_err(|_| DecodeError)?,
            names: if parts & part::NAMES == 0 {
                Names::default()
            } else {
                Names::read(Rest(names))?
            },
            len: payload.len(),
        })
    }
}

/// A length in the last four bytes, if one is there, or else 0; and what stands before it.
fn length_at_the_end(bytes: &[u8], is_there: bool) -> Result<(&[u8], usize)> {
    if !is_there {
        return Ok((bytes, 0));
    }
    let (rest, &len) = bytes.split_last_chunk().ok_or(DecodeError)?;
    let len = usize::try_from(u32::from_le_bytes(len)).map_err(|_| DecodeError)?;
    Ok((rest, len))
}

fn split_end(bytes: &[u8], len: usize) -> Result<(&[u8], &[u8])> {
    let at = bytes.len().checked_sub(len).ok_or(DecodeError)?;
    Ok(bytes.split_at(at))
}

impl<'de> Names<'de> {
    fn read(mut bytes: Rest<'de>) -> Result<Self> {
        let mut names = Self::default();
        for _ in 0..bytes.byte()? {
            names.layouts.push(Layout::split_from(&mut bytes)?);
        }
        for _ in 0..bytes.u16()? {
            names.variants.push(bytes.name()?);
        }
        bytes.0.is_empty().then_some(names).ok_or(DecodeError)
    }
}

impl<'de> Layout<'de> {
    fn split_from(bytes: &mut Rest<'de>) -> Result<Self> {
        let len = bytes.length_8()?;
        let from_here = *bytes;
        for _ in 0..len {
            bytes.unread_name()?;
        }
        Ok(Self {
            len,
            bytes: from_here,
            names: OnceCell::new(),
            known: Cell::new(ptr::null()),
        })
    }

    fn names(&self) -> Result<&[&'de str]> {
        if let Some(names) = self.names.get() {
            return Ok(names);
        }
        let mut bytes = self.bytes;
        let names = (0..self.len).map(|_| bytes.name()).collect::<Result<Vec<_>>>()?;
        Ok(self.names.get_or_init(|| names))
    }

    /// Whether its names are these fields, in this order.
    #[inline]
    fn is(&self, fields: &'static [&'static str]) -> bool {
        if self.len != fields.len() {
            return false;
        }
        if ptr::eq(self.known.get(), fields.as_ptr()) {
            return true;
        }
        let mut bytes = self.bytes;
        let is_same = fields.iter().all(|field| bytes.unread_name() == Ok(field.as_bytes()));
        if is_same {
            self.known.set(fields.as_ptr());
        }
        is_same
    }
}

/// What is left to read of the values.
pub(super) struct Reader<'a, 'de> {
    rest: Rest<'de>,
    texts: &'de str,
    names: &'a Names<'de>,
    depth: u8,
    /// How many bytes of names may yet be told.
    may_tell: usize,
    by_place: bool,
    has_read_by_place: bool,
}

impl<'a, 'de> Reader<'a, 'de> {
    pub(super) fn new(parts: &'a Parts<'de>) -> Self {
        Self {
            rest: parts.values,
            texts: parts.texts,
            names: &parts.names,
            depth: DEPTH,
            may_tell: parts.len.saturating_mul(MOST_TOLD),
            by_place: true,
            has_read_by_place: false,
        }
    }

    /// One that tells the names of all fields.
    pub(super) fn by_name(parts: &'a Parts<'de>) -> Self {
        Self {
            by_place: false,
            ..Self::new(parts)
        }
    }

    /// Whether a struct was read without the names of its fields.
    pub(super) fn has_read_by_place(&self) -> bool {
        self.has_read_by_place
    }

    /// The value, to the end.
    pub(super) fn read_with<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        let value = seed.deserialize(&mut *self)?;
        let is_at_the_end = self.rest.0.is_empty() && self.texts.is_empty();
        is_at_the_end.then_some(value).ok_or(DecodeError)
    }

    #[inline]
    fn text(&mut self, len: usize) -> Result<&'de str> {
        let (text, rest) = self.texts.split_at_checked(len).ok_or(DecodeError)?;
        self.texts = rest;
        Ok(text)
    }

    #[inline]
    fn next_is(&self, tag: u8) -> bool {
        self.rest.0.first() == Some(&tag)
    }

    /// Reads what may contain its own type.
    #[inline]
    fn inside<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth = self.depth.checked_sub(1).ok_or(DecodeError)?;
        let value = read(self)?;
        self.depth += 1;
        Ok(value)
    }

    /// Reads elements, all of them: what a visitor left would be taken for what comes next.
    #[inline]
    fn elements<T>(
        &mut self,
        len: Option<usize>,
        read: impl FnOnce(&mut Elements<'_, 'a, 'de>) -> Result<T>,
    ) -> Result<T> {
        // Each takes a byte at least.
        let most = self.rest.0.len();
        let is_open = len.is_none();
        let left = len.unwrap_or(most);
        if left > most {
            return Err(DecodeError);
        }
        self.inside(|reader| {
            let mut elements = Elements { reader, left, is_open };
            let value = read(&mut elements)?;
            elements.is_at_the_end()?.then_some(value).ok_or(DecodeError)
        })
    }

    fn sequence<V: Visitor<'de>>(&mut self, len: Option<usize>, visitor: V) -> Result<V::Value> {
        self.elements(len, |elements| visitor.visit_seq(elements))
    }

    fn map<V: Visitor<'de>>(&mut self, len: Option<usize>, visitor: V) -> Result<V::Value> {
        self.elements(len, |elements| visitor.visit_map(elements))
    }

    fn layout(&mut self) -> Result<&'a Layout<'de>> {
        let number = self.rest.byte()?;
        self.names.layouts.get(usize::from(number)).ok_or(DecodeError)
    }

    /// The fields of a struct, with their names.
    fn named<V: Visitor<'de>>(&mut self, layout: &'a Layout<'de>, visitor: V) -> Result<V::Value> {
        let fields = layout.names()?;
        let told = fields.iter().map(|name| name.len()).sum();
        self.may_tell = self.may_tell.checked_sub(told).ok_or(DecodeError)?;
        self.inside(|reader| {
            let mut fields = Fields { reader, fields };
            let value = visitor.visit_map(&mut fields)?;
            fields.skip_gaps()?;
            fields.fields.is_empty().then_some(value).ok_or(DecodeError)
        })
    }

    fn variant_name(&mut self) -> Result<&'de str> {
        let number = self.rest.u16()?;
        let name = *self.names.variants.get(usize::from(number)).ok_or(DecodeError)?;
        self.may_tell = self.may_tell.checked_sub(name.len()).ok_or(DecodeError)?;
        Ok(name)
    }
}

/// Kinds of which most values are of one: what else they may be, anything may be.
macro_rules! mostly {
    ($($deserialize:ident)+) => {
        $(
            #[inline]
            fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
                match *self.rest.0 {
                    [small @ tag::SMALL..tag::STR, ref rest @ ..] => {
                        self.rest.0 = rest;
                        visitor.visit_u8(small - tag::SMALL)
                    }
                    [tag::U16, a, b, ref rest @ ..] => {
                        self.rest.0 = rest;
                        visitor.visit_u16(u16::from_le_bytes([a, b]))
                    }
                    [tag::U32, a, b, c, d, ref rest @ ..] => {
                        self.rest.0 = rest;
                        visitor.visit_u32(u32::from_le_bytes([a, b, c, d]))
                    }
                    _ => self.deserialize_any(visitor),
                }
            }
        )+
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'_, 'de> {
    type Error = DecodeError;

    // Apart from what most values are, which is so small without it that it becomes part of the loop over a list.
    #[inline(never)]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let rest = &mut self.rest;
        match rest.byte()? {
            small @ tag::SMALL..tag::STR => visitor.visit_u8(small - tag::SMALL),
            short @ tag::STR..tag::SEQ => visitor.visit_borrowed_str(self.text(usize::from(short - tag::STR))?),
            few @ tag::SEQ..tag::U8 => self.sequence(Some(usize::from(few - tag::SEQ)), visitor),
            tag::U8 => visitor.visit_u8(rest.byte()?),
            tag::U16 => visitor.visit_u16(rest.u16()?),
            tag::U32 => visitor.visit_u32(u32::from_le_bytes(rest.array()?)),
            tag::U64 => visitor.visit_u64(u64::from_le_bytes(rest.array()?)),
            tag::U128 => visitor.visit_u128(u128::from_le_bytes(rest.array()?)),
            tag::N8 => visitor.visit_i16(!i16::from(rest.byte()?)),
            tag::N16 => visitor.visit_i32(!i32::from(rest.u16()?)),
            tag::N32 => visitor.visit_i64(!i64::from(u32::from_le_bytes(rest.array()?))),
            tag::N64 => {
                let number = !i128::from(u64::from_le_bytes(rest.array()?));
                match i64::try_from(number) {
                    Ok(number) => visitor.visit_i64(number),
                    Err(_) => visitor.visit_i128(number),
                }
            }
            tag::N128 => visitor.visit_i128(!u128::from_le_bytes(rest.array()?).cast_signed()),
            tag::F32 => visitor.visit_f32(f32::from_le_bytes(rest.array()?)),
            tag::F64 => visitor.visit_f64(f64::from_le_bytes(rest.array()?)),
            tag::FALSE => visitor.visit_bool(false),
            tag::TRUE => visitor.visit_bool(true),
            tag::CHAR => {
                let short = rest.byte()?.checked_sub(tag::STR).ok_or(DecodeError)?;
                let mut chars = self.text(short.into())?.chars();
                match (chars.next(), chars.next()) {
                    (Some(char), None) => visitor.visit_char(char),
                    _ => Err(DecodeError),
                }
            }
            tag::UNIT => visitor.visit_unit(),
            tag::NONE => visitor.visit_none(),
            tag::SOME => self.inside(|reader| visitor.visit_some(reader)),
            tag::STR_8 => {
                let len = rest.length_8()?;
                visitor.visit_borrowed_str(self.text(len)?)
            }
            tag::STR_32 => {
                let len = rest.length_32()?;
                visitor.visit_borrowed_str(self.text(len)?)
            }
            tag::BYTES_8 => {
                let len = rest.length_8()?;
                visitor.visit_borrowed_bytes(rest.bytes(len)?)
            }
            tag::BYTES_32 => {
                let len = rest.length_32()?;
                visitor.visit_borrowed_bytes(rest.bytes(len)?)
            }
            tag::SEQ_8 => {
                let len = rest.length_8()?;
                self.sequence(Some(len), visitor)
            }
            tag::SEQ_32 => {
                let len = rest.length_32()?;
                self.sequence(Some(len), visitor)
            }
            tag::MAP_8 => {
                let len = rest.length_8()?;
                self.map(Some(len), visitor)
            }
            tag::MAP_32 => {
                let len = rest.length_32()?;
                self.map(Some(len), visitor)
            }
            tag::OPEN_SEQ => self.sequence(None, visitor),
            tag::OPEN_MAP => self.map(None, visitor),
            tag::STRUCT | tag::STRUCT_WITH_GAPS => {
                let layout = self.layout()?;
                self.named(layout, visitor)
            }
            tag::UNIT_VARIANT => visitor.visit_borrowed_str(self.variant_name()?),
            tag::VARIANT => {
                let name = self.variant_name()?;
                self.inside(|reader| {
                    let mut variant = Variant::new(name, reader);
                    let value = visitor.visit_map(&mut variant)?;
                    (!variant.has_value).then_some(value).ok_or(DecodeError)
                })
            }
            _ => Err(DecodeError),
        }
    }

    mostly! {
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.next_is(tag::F64) {
            self.rest.byte()?;
            visitor.visit_f64(f64::from_le_bytes(self.rest.array()?))
        } else {
            self.deserialize_any(visitor)
        }
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.rest.0 {
            [value @ (tag::FALSE | tag::TRUE), rest @ ..] => {
                self.rest.0 = rest;
                visitor.visit_bool(*value == tag::TRUE)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.rest.0 {
            [short @ tag::STR..tag::SEQ, rest @ ..] => {
                self.rest.0 = rest;
                visitor.visit_borrowed_str(self.text(usize::from(short - tag::STR))?)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.rest.0 {
            [tag::NONE | tag::UNIT, rest @ ..] => {
                self.rest.0 = rest;
                visitor.visit_none()
            }
            [tag::SOME, rest @ ..] => {
                self.rest.0 = rest;
                self.inside(|reader| visitor.visit_some(reader))
            }
            _ => self.inside(|reader| visitor.visit_some(reader)),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.next_is(tag::NONE) {
            self.rest.byte()?;
            return visitor.visit_unit();
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        self.inside(|reader| visitor.visit_newtype_struct(reader))
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        if !self.next_is(tag::STRUCT) {
            return self.deserialize_any(visitor);
        }
        self.rest.byte()?;
        let layout = self.layout()?;
        if self.by_place && layout.is(fields) {
            self.has_read_by_place = true;
            self.sequence(Some(layout.len), visitor)
        } else {
            self.named(layout, visitor)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.rest.byte()? {
            tag::UNIT_VARIANT => visitor.visit_enum(self.variant_name()?.into_deserializer()),
            tag::VARIANT => {
                let name = self.variant_name()?;
                self.inside(|reader| visitor.visit_enum(Variant::new(name, reader)))
            }
            // A `Serialize` of one's own may write the name of a unit variant as a text.
            short @ tag::STR..tag::SEQ => {
                let name = self.text(usize::from(short - tag::STR))?;
                visitor.visit_enum(name.into_deserializer())
            }
            _ => Err(DecodeError),
        }
    }

    forward_to_deserialize_any! {
        f32 char bytes byte_buf seq tuple tuple_struct map ignored_any
    }
}

/// The elements of a list, or the entries of a map.
struct Elements<'r, 'a, 'de> {
    reader: &'r mut Reader<'a, 'de>,
    /// How many there are to come at most.
    left: usize,
    /// Whether they go on up to [`tag::END`].
    is_open: bool,
}

impl<'de> Elements<'_, '_, 'de> {
    #[inline]
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.left == 0 || (self.is_open && self.reader.next_is(tag::END)) {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn is_at_the_end(&mut self) -> Result<bool> {
        if self.is_open {
            Ok(self.reader.rest.byte()? == tag::END)
        } else {
            Ok(self.left == 0)
        }
    }

    fn size_hint(&self) -> Option<usize> {
        (!self.is_open).then_some(self.left)
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, '_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Elements::size_hint(self)
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_, '_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Elements::size_hint(self)
    }
}

/// The fields of a struct that are told by name.
struct Fields<'r, 'a, 'de> {
    reader: &'r mut Reader<'a, 'de>,
    fields: &'a [&'de str],
}

impl Fields<'_, '_, '_> {
    fn skip_gaps(&mut self) -> Result<()> {
        while self.reader.next_is(tag::GAP) && !self.fields.is_empty() {
            self.reader.rest.byte()?;
            self.fields = &self.fields[1..];
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_, '_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        self.skip_gaps()?;
        let Some((name, rest)) = self.fields.split_first() else {
            return Ok(None);
        };
        self.fields = rest;
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.fields.len())
    }
}

/// What is in a variant, or a map whose only key is the variant's name.
struct Variant<'r, 'a, 'de> {
    name: Option<&'de str>,
    has_value: bool,
    reader: &'r mut Reader<'a, 'de>,
}

impl<'r, 'a, 'de> Variant<'r, 'a, 'de> {
    fn new(name: &'de str, reader: &'r mut Reader<'a, 'de>) -> Self {
        Self {
            name: Some(name),
            has_value: true,
            reader,
        }
    }
}

impl<'de> MapAccess<'de> for &mut Variant<'_, '_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(name) = self.name.take() else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        self.has_value = false;
        seed.deserialize(&mut *self.reader)
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, '_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(mut self, seed: S) -> Result<(S::Value, Self)> {
        let name = self.name.take().ok_or(DecodeError)?;
        let variant = seed.deserialize(BorrowedStrDeserializer::new(name))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_, 'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<()> {
        Err(DecodeError)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value> {
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.reader.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.reader.deserialize_struct("", fields, visitor)
    }
}
