//! Reads from bytes that somebody else may have written: to a depth, and no more elements than bytes.

use std::{
    cell::{Cell, OnceCell},
    ptr,
};

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _, MapAccess, SeqAccess, VariantAccess, Visitor,
    value::BorrowedStrDeserializer,
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

    /// Takes what comes next, with its values if they are not values themselves.
    fn item(&mut self) -> Result<Item<'a, 'de>> {
        let rest = &mut self.rest;
        Ok(match rest.byte()? {
            small @ tag::SMALL..tag::STR => Item::Unsigned((small - tag::SMALL).into()),
            short @ tag::STR..tag::SEQ => Item::Text(self.text(usize::from(short - tag::STR))?),
            few @ tag::SEQ..tag::U8 => Item::List(Some(usize::from(few - tag::SEQ))),
            tag::U8 => Item::Unsigned(rest.byte()?.into()),
            tag::U16 => Item::Unsigned(rest.u16()?.into()),
            tag::U32 => Item::Unsigned(u32::from_le_bytes(rest.array()?).into()),
            tag::U64 => Item::Unsigned(u64::from_le_bytes(rest.array()?)),
            tag::U128 => Item::WideUnsigned(u128::from_le_bytes(rest.array()?)),
            tag::N8 => Item::Signed(!i64::from(rest.byte()?)),
            tag::N16 => Item::Signed(!i64::from(rest.u16()?)),
            tag::N32 => Item::Signed(!i64::from(u32::from_le_bytes(rest.array()?))),
            tag::N64 => {
                let number = !i128::from(u64::from_le_bytes(rest.array()?));
                i64::try_from(number).map_or(Item::WideSigned(number), Item::Signed)
            }
            tag::N128 => Item::WideSigned(!u128::from_le_bytes(rest.array()?).cast_signed()),
            tag::F32 => Item::ShortFloat(f32::from_le_bytes(rest.array()?)),
            tag::F64 => Item::Float(f64::from_le_bytes(rest.array()?)),
            tag::FALSE => Item::Bool(false),
            tag::TRUE => Item::Bool(true),
            tag::CHAR => {
                let short = rest.byte()?.checked_sub(tag::STR).ok_or(DecodeError)?;
                let mut chars = self.text(short.into())?.chars();
                match (chars.next(), chars.next()) {
                    (Some(char), None) => Item::Char(char),
                    _ => return Err(DecodeError),
                }
            }
            tag::UNIT => Item::Unit,
            tag::NONE => Item::None,
            tag::SOME => Item::Some,
            tag::STR_8 => {
                let len = rest.length_8()?;
                Item::Text(self.text(len)?)
            }
            tag::STR_32 => {
                let len = rest.length_32()?;
                Item::Text(self.text(len)?)
            }
            tag::BYTES_8 => {
                let len = rest.length_8()?;
                Item::Bytes(rest.bytes(len)?)
            }
            tag::BYTES_32 => {
                let len = rest.length_32()?;
                Item::Bytes(rest.bytes(len)?)
            }
            tag::SEQ_8 => Item::List(Some(rest.length_8()?)),
            tag::SEQ_32 => Item::List(Some(rest.length_32()?)),
            tag::MAP_8 => Item::Entries(Keys::Values(Some(rest.length_8()?))),
            tag::MAP_32 => Item::Entries(Keys::Values(Some(rest.length_32()?))),
            tag::OPEN_SEQ => Item::List(None),
            tag::OPEN_MAP => Item::Entries(Keys::Values(None)),
            tag::STRUCT | tag::STRUCT_WITH_GAPS => Item::Entries(Keys::Fields(self.layout()?)),
            tag::UNIT_VARIANT => Item::Text(self.variant_name()?),
            tag::VARIANT => Item::Entries(Keys::Variant(self.variant_name()?)),
            _ => return Err(DecodeError),
        })
    }

    /// Goes into what may contain its own type.
    #[inline]
    fn enter(&mut self) -> Result<()> {
        self.depth = self.depth.checked_sub(1).ok_or(DecodeError)?;
        Ok(())
    }

    #[inline]
    fn leave(&mut self) {
        self.depth += 1;
    }

    /// So many elements are to come.
    #[inline]
    fn left(&self, len: Option<usize>) -> Result<Left> {
        // Each takes a byte at least.
        let most = self.rest.0.len();
        let left = Left {
            most: len.unwrap_or(most),
            is_open: len.is_none(),
        };
        (left.most <= most).then_some(left).ok_or(DecodeError)
    }

    /// All elements have to be read: what a visitor left would be taken for what comes next.
    #[inline]
    fn end_elements(&mut self, left: Left) -> Result<()> {
        let is_at_the_end = if left.is_open {
            self.rest.byte()? == tag::END
        } else {
            left.most == 0
        };
        is_at_the_end.then_some(()).ok_or(DecodeError)
    }

    #[inline]
    fn list<V: Visitor<'de>>(&mut self, len: Option<usize>, visitor: V) -> Result<V::Value> {
        let left = self.left(len)?;
        self.enter()?;
        let mut elements = Elements { reader: self, left };
        let value = visitor.visit_seq(&mut elements)?;
        let Elements { reader, left } = elements;
        reader.end_elements(left)?;
        reader.leave();
        Ok(value)
    }

    fn entries<V: Visitor<'de>>(&mut self, keys: Keys<'a, 'de>, visitor: V) -> Result<V::Value> {
        let mut entries = Entries::begin(self, keys)?;
        let value = visitor.visit_map(&mut entries)?;
        entries.end()?;
        Ok(value)
    }

    fn some<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.enter()?;
        let value = visitor.visit_some(&mut *self)?;
        self.leave();
        Ok(value)
    }

    fn layout(&mut self) -> Result<&'a Layout<'de>> {
        let number = self.rest.byte()?;
        self.names.layouts.get(usize::from(number)).ok_or(DecodeError)
    }

    fn variant_name(&mut self) -> Result<&'de str> {
        let number = self.rest.u16()?;
        let name = *self.names.variants.get(usize::from(number)).ok_or(DecodeError)?;
        self.may_tell = self.may_tell.checked_sub(name.len()).ok_or(DecodeError)?;
        Ok(name)
    }
}

/// What comes next, whoever reads it.
enum Item<'a, 'de> {
    Unsigned(u64),
    /// Those that are negative.
    Signed(i64),
    WideUnsigned(u128),
    WideSigned(i128),
    ShortFloat(f32),
    Float(f64),
    Bool(bool),
    Char(char),
    Text(&'de str),
    Bytes(&'de [u8]),
    Unit,
    None,
    /// The value follows.
    Some,
    /// So many elements follow, or as many as there are up to [`tag::END`].
    List(Option<usize>),
    Entries(Keys<'a, 'de>),
}

impl<'de> Item<'_, 'de> {
    fn number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self {
            Self::Unsigned(number) => visitor.visit_u64(number),
            Self::Signed(number) => visitor.visit_i64(number),
            Self::WideUnsigned(number) => visitor.visit_u128(number),
            Self::WideSigned(number) => visitor.visit_i128(number),
            Self::ShortFloat(number) => visitor.visit_f32(number),
            Self::Float(number) => visitor.visit_f64(number),
            _ => Err(DecodeError),
        }
    }

    /// What no value follows, nor an element.
    fn scalar<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self {
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Char(char) => visitor.visit_char(char),
            Self::Text(text) => visitor.visit_borrowed_str(text),
            Self::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Self::Unit => visitor.visit_unit(),
            Self::None => visitor.visit_none(),
            number => number.number(visitor),
        }
    }
}

/// What stands before the values of a map, or of what can be read as one.
#[derive(Clone, Copy)]
enum Keys<'a, 'de> {
    /// Values; so many, or as many as there are up to [`tag::END`].
    Values(Option<usize>),
    /// The names of fields.
    Fields(&'a Layout<'de>),
    /// The name of a variant, for what is in it.
    Variant(&'de str),
}

/// Kinds of which most values are of one: what else they may be, any number may be.
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
                    _ => self.item()?.number(visitor),
                }
            }
        )+
    };
}

// Each looks at what its readers can be given, as the deserialisers of other formats do: all of it is compiled for each type that is read.
impl<'de> Deserializer<'de> for &mut Reader<'_, 'de> {
    type Error = DecodeError;

    // Apart from what most values are, which is so small without it that it becomes part of the loop over a list.
    #[inline(never)]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.item()? {
            Item::Some => self.some(visitor),
            Item::List(len) => self.list(len, visitor),
            Item::Entries(keys) => self.entries(keys, visitor),
            scalar => scalar.scalar(visitor),
        }
    }

    mostly! {
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.item()?.number(visitor)
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if self.next_is(tag::F64) {
            self.rest.byte()?;
            visitor.visit_f64(f64::from_le_bytes(self.rest.array()?))
        } else {
            self.item()?.number(visitor)
        }
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.rest.0 {
            [value @ (tag::FALSE | tag::TRUE), rest @ ..] => {
                self.rest.0 = rest;
                visitor.visit_bool(*value == tag::TRUE)
            }
            _ => Err(DecodeError),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        if let [short @ tag::STR..tag::SEQ, rest @ ..] = self.rest.0 {
            self.rest.0 = rest;
            return visitor.visit_borrowed_str(self.text(usize::from(short - tag::STR))?);
        }
        match self.item()? {
            Item::Text(text) => visitor.visit_borrowed_str(text),
            Item::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Item::Char(char) => visitor.visit_char(char),
            _ => Err(DecodeError),
        }
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.item()? {
            Item::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Item::Text(text) => visitor.visit_borrowed_str(text),
            Item::List(len) => self.list(len, visitor),
            _ => Err(DecodeError),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    /// The key of a field that a map has, and whatever else keys of maps are: a struct with `#[serde(flatten)]` has them all.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.item()?.scalar(visitor)
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
                self.some(visitor)
            }
            _ => self.some(visitor),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.item()? {
            Item::Unit | Item::None => visitor.visit_unit(),
            _ => Err(DecodeError),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        self.enter()?;
        let value = visitor.visit_newtype_struct(&mut *self)?;
        self.leave();
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.item()? {
            Item::List(len) => self.list(len, visitor),
            Item::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            _ => Err(DecodeError),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.item()? {
            Item::Entries(keys) => self.entries(keys, visitor),
            _ => Err(DecodeError),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        if self.by_place && self.next_is(tag::STRUCT) {
            self.rest.byte()?;
            let layout = self.layout()?;
            if layout.is(fields) {
                self.has_read_by_place = true;
                return self.list(Some(layout.len), visitor);
            }
            return self.entries(Keys::Fields(layout), visitor);
        }
        match self.item()? {
            Item::Entries(keys) => self.entries(keys, visitor),
            Item::List(len) => self.list(len, visitor),
            _ => Err(DecodeError),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.item()? {
            Item::Entries(Keys::Variant(name)) => {
                self.enter()?;
                let value = visitor.visit_enum(Variant {
                    name,
                    reader: &mut *self,
                })?;
                self.leave();
                Ok(value)
            }
            // A unit variant, of which a `Serialize` of one's own may have written the name as a text.
            Item::Text(name) => visitor.visit_enum(name.into_deserializer()),
            _ => Err(DecodeError),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }
}

/// How many elements are to come.
#[derive(Clone, Copy)]
struct Left {
    most: usize,
    /// Whether they go on up to [`tag::END`].
    is_open: bool,
}

impl Left {
    /// Whether there is a next one, which is to be read then.
    #[inline]
    fn next(&mut self, reader: &Reader<'_, '_>) -> bool {
        if self.most == 0 || (self.is_open && reader.next_is(tag::END)) {
            return false;
        }
        self.most -= 1;
        true
    }

    fn size_hint(self) -> Option<usize> {
        (!self.is_open).then_some(self.most)
    }
}

/// The elements of a list, or the fields of a struct by their place.
struct Elements<'r, 'a, 'de> {
    reader: &'r mut Reader<'a, 'de>,
    left: Left,
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, '_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        if self.left.next(self.reader) {
            seed.deserialize(&mut *self.reader).map(Some)
        } else {
            Ok(None)
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.left.size_hint()
    }
}

/// The entries of a map, or of what can be read as one.
struct Entries<'r, 'a, 'de> {
    reader: &'r mut Reader<'a, 'de>,
    keys: KeysLeft<'a, 'de>,
    /// Whether the value of the last key is to come.
    has_value: bool,
}

/// The keys that are to come.
enum KeysLeft<'a, 'de> {
    Values(Left),
    Names(&'a [&'de str]),
    Variant(Option<&'de str>),
}

/// A key.
enum Key<'de> {
    Name(&'de str),
    /// The next value.
    Value,
}

impl<'r, 'a, 'de> Entries<'r, 'a, 'de> {
    fn begin(reader: &'r mut Reader<'a, 'de>, keys: Keys<'a, 'de>) -> Result<Self> {
        let keys = match keys {
            Keys::Values(len) => KeysLeft::Values(reader.left(len)?),
            Keys::Fields(layout) => {
                let names = layout.names()?;
                let told = names.iter().map(|name| name.len()).sum();
                reader.may_tell = reader.may_tell.checked_sub(told).ok_or(DecodeError)?;
                KeysLeft::Names(names)
            }
            Keys::Variant(name) => KeysLeft::Variant(Some(name)),
        };
        reader.enter()?;
        Ok(Self {
            reader,
            keys,
            has_value: false,
        })
    }

    fn next(&mut self) -> Option<Key<'de>> {
        let key = match &mut self.keys {
            KeysLeft::Values(left) => left.next(self.reader).then_some(Key::Value),
            KeysLeft::Names(names) => loop {
                let Some((name, rest)) = names.split_first() else {
                    break None;
                };
                *names = rest;
                if !self.reader.next_is(tag::GAP) {
                    break Some(Key::Name(name));
                }
                self.reader.rest.0 = &self.reader.rest.0[1..];
            },
            KeysLeft::Variant(name) => name.take().map(Key::Name),
        };
        self.has_value = key.is_some();
        key
    }

    /// All have to be read.
    fn end(mut self) -> Result<()> {
        if self.has_value {
            return Err(DecodeError);
        }
        if let KeysLeft::Values(left) = self.keys {
            self.reader.end_elements(left)?;
        } else if self.next().is_some() {
            return Err(DecodeError);
        }
        self.reader.leave();
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Entries<'_, '_, 'de> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        match self.next() {
            None => Ok(None),
            Some(Key::Value) => seed.deserialize(&mut *self.reader).map(Some),
            Some(Key::Name(name)) => seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        self.has_value = false;
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        match &self.keys {
            KeysLeft::Values(left) => left.size_hint(),
            KeysLeft::Names(names) => Some(names.len()),
            KeysLeft::Variant(name) => Some(name.iter().count()),
        }
    }
}

/// What is in a variant.
struct Variant<'r, 'a, 'de> {
    name: &'de str,
    reader: &'r mut Reader<'a, 'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, '_, 'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self)> {
        let variant = seed.deserialize(BorrowedStrDeserializer::new(self.name))?;
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
