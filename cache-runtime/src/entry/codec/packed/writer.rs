//! Writes what serde says of a value, in one pass.

use std::collections::HashMap;

use bytes::Bytes;
use foldhash::fast::FixedState;
use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
        SerializeTupleVariant,
    },
};

use super::{super::EncodeError, DEPTH, MOST_TOLD, part, tag};

/// The fields of a struct are counted in a byte.
const MOST_FIELDS: usize = 255;

type Result<T = ()> = std::result::Result<T, EncodeError>;

pub(super) struct Writer {
    out: Vec<u8>,
    texts: Vec<u8>,
    /// Of both.
    limit: usize,
    depth: u8,
    layouts: Vec<Layout>,
    variants: HashMap<&'static str, u16, FixedState>,
    /// How many bytes of names a reader is told at most.
    told: usize,
}

/// The fields of a struct, in the order they are written in.
struct Layout {
    of: &'static str,
    fields: Vec<&'static str>,
    /// Whether a struct has ended with these fields. Until then the struct that is being written may add some.
    is_whole: bool,
    /// The length of all names, when it is whole.
    names_len: usize,
}

impl Layout {
    #[inline]
    fn end(&mut self) {
        if !self.is_whole {
            self.is_whole = true;
            self.names_len = self.fields.iter().map(|name| name.len()).sum();
        }
    }
}

impl Writer {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            out: Vec::with_capacity(128),
            texts: Vec::with_capacity(128),
            limit,
            depth: DEPTH,
            layouts: Vec::new(),
            variants: HashMap::default(),
            told: 0,
        }
    }

    /// The value that was written, with the texts and the names.
    pub(super) fn finish(mut self) -> Result<Bytes> {
        let texts = std::mem::take(&mut self.texts);
        self.extend(&texts)?;
        let names_at = self.out.len();
        let has_names = !(self.layouts.is_empty() && self.variants.is_empty());
        if has_names {
            self.names()?;
        }
        let names_len = self.out.len() - names_at;
        let mut parts = 0;
        for (part, is_there, len) in [
            (part::TEXTS, !texts.is_empty(), texts.len()),
            (part::NAMES, has_names, names_len),
        ] {
            if is_there {
                parts += part;
                self.extend(&narrow::<u32>(len)?.to_le_bytes())?;
            }
        }
        self.push(parts)?;
        if self.told > self.out.len().saturating_mul(MOST_TOLD) {
            return Err(EncodeError::Unwritable);
        }
        Ok(self.out.into())
    }

    fn names(&mut self) -> Result {
        let layouts = std::mem::take(&mut self.layouts);
        self.push(narrow(layouts.len())?)?;
        for layout in &layouts {
            self.push(narrow(layout.fields.len())?)?;
            for field in &layout.fields {
                self.name(field)?;
            }
        }
        let mut variants: Vec<_> = std::mem::take(&mut self.variants).into_iter().collect();
        variants.sort_unstable_by_key(|&(_, number)| number);
        self.extend(&narrow::<u16>(variants.len())?.to_le_bytes())?;
        for (name, _) in variants {
            self.name(name)?;
        }
        Ok(())
    }

    /// How many bytes there may yet be.
    #[inline]
    fn left(&self) -> usize {
        self.limit - self.out.len() - self.texts.len()
    }

    #[inline]
    fn push(&mut self, byte: u8) -> Result {
        if self.left() == 0 {
            return Err(EncodeError::TooLarge);
        }
        self.out.push(byte);
        Ok(())
    }

    #[inline]
    fn extend(&mut self, bytes: &[u8]) -> Result {
        if bytes.len() > self.left() {
            return Err(EncodeError::TooLarge);
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn fixed<const N: usize>(&mut self, tag: u8, bytes: [u8; N]) -> Result {
        self.push(tag)?;
        self.extend(&bytes)
    }

    /// A tag for a length in 8 bits, or the next one, for 32.
    fn length(&mut self, tag: u8, len: usize) -> Result {
        match u8::try_from(len) {
            Ok(len) => self.fixed(tag, [len]),
            Err(_) => self.fixed(tag + 1, narrow::<u32>(len)?.to_le_bytes()),
        }
    }

    #[inline]
    fn unsigned(&mut self, number: u64) -> Result {
        match number {
            #[expect(clippy::cast_possible_truncation, reason = "it is small")]
            small @ 0..0x80 => self.push(tag::SMALL + small as u8),
            _ => self.wide_unsigned(number.into()),
        }
    }

    #[inline]
    fn signed(&mut self, number: i64) -> Result {
        match u64::try_from(number) {
            Ok(number) => self.unsigned(number),
            #[expect(clippy::cast_sign_loss, reason = "the complement of a negative number is none")]
            Err(_) => self.complement(!number as u128),
        }
    }

    fn any_unsigned(&mut self, number: u128) -> Result {
        match u64::try_from(number) {
            Ok(number) => self.unsigned(number),
            Err(_) => self.wide_unsigned(number),
        }
    }

    fn wide_unsigned(&mut self, number: u128) -> Result {
        self.in_few_bytes([tag::U8, tag::U16, tag::U32, tag::U64, tag::U128], number)
    }

    fn complement(&mut self, number: u128) -> Result {
        self.in_few_bytes([tag::N8, tag::N16, tag::N32, tag::N64, tag::N128], number)
    }

    fn in_few_bytes(&mut self, tags: [u8; 5], number: u128) -> Result {
        let [in_8, in_16, in_32, in_64, in_128] = tags;
        if let Ok(number) = u8::try_from(number) {
            self.fixed(in_8, [number])
        } else if let Ok(number) = u16::try_from(number) {
            self.fixed(in_16, number.to_le_bytes())
        } else if let Ok(number) = u32::try_from(number) {
            self.fixed(in_32, number.to_le_bytes())
        } else if let Ok(number) = u64::try_from(number) {
            self.fixed(in_64, number.to_le_bytes())
        } else {
            self.fixed(in_128, number.to_le_bytes())
        }
    }

    #[inline]
    fn text(&mut self, text: &str) -> Result {
        match text.len() {
            #[expect(clippy::cast_possible_truncation, reason = "it is small")]
            len @ 0..48 => self.push(tag::STR + len as u8)?,
            len => self.length(tag::STR_8, len)?,
        }
        if text.len() > self.left() {
            return Err(EncodeError::TooLarge);
        }
        self.texts.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// A name, among the names.
    fn name(&mut self, name: &str) -> Result {
        self.extend(&narrow::<u16>(name.len())?.to_le_bytes())?;
        self.extend(name.as_bytes())
    }

    fn enter(&mut self) -> Result<&mut Self> {
        self.depth = self.depth.checked_sub(1).ok_or(EncodeError::Unwritable)?;
        Ok(self)
    }

    fn leave(&mut self, levels: u8) {
        self.depth += levels;
    }

    fn inside<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(&mut *self.enter()?)?;
        self.leave(1);
        Ok(())
    }

    fn sequence(&mut self, len: Option<usize>) -> Result<Elements<'_>> {
        match len {
            #[expect(clippy::cast_possible_truncation, reason = "it is small")]
            Some(len @ 0..16) => self.push(tag::SEQ + len as u8)?,
            Some(len) => self.length(tag::SEQ_8, len)?,
            None => self.push(tag::OPEN_SEQ)?,
        }
        self.elements(len)
    }

    fn elements(&mut self, left: Option<usize>) -> Result<Elements<'_>> {
        let writer = self.enter()?;
        Ok(Elements {
            writer,
            left,
            levels: 1,
        })
    }

    fn structure(&mut self, of: &'static str, len: usize) -> Result<Fields<'_>> {
        let starts_at = self.out.len();
        self.extend(&[tag::STRUCT, 0])?;
        let layout = self.layouts.iter().position(|layout| is_same(layout.of, of));
        let layout = layout.unwrap_or_else(|| self.begin_layout(of, Vec::with_capacity(len.min(MOST_FIELDS))));
        Ok(Fields {
            of,
            starts_at,
            layout,
            written: 0,
            has_gaps: false,
            levels: 1,
            writer: self.enter()?,
        })
    }

    fn begin_layout(&mut self, of: &'static str, fields: Vec<&'static str>) -> usize {
        self.layouts.push(Layout {
            of,
            fields,
            is_whole: false,
            names_len: 0,
        });
        self.layouts.len() - 1
    }

    fn variant(&mut self, tag: u8, name: &'static str) -> Result {
        let next = self.variants.len();
        let number = if let Some(&number) = self.variants.get(name) {
            number
        } else {
            let number = narrow(next)?;
            self.variants.insert(name, number);
            number
        };
        self.told = self.told.saturating_add(name.len());
        self.fixed(tag, number.to_le_bytes())
    }
}

/// What does not fit is written by another codec.
fn narrow<T: TryFrom<usize>>(number: usize) -> Result<T> {
    number.try_into().map_err(|_| EncodeError::Unwritable)
}

#[inline]
fn is_same(one: &str, other: &str) -> bool {
    std::ptr::eq(one, other) || one == other
}

macro_rules! integers {
    ($($method:ident $number:ty => $write:ident),* $(,)?) => {$(
        #[inline]
        fn $method(self, number: $number) -> Result {
            self.$write(number.into())
        }
    )*};
}

impl<'w> Serializer for &'w mut Writer {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Elements<'w>;
    type SerializeTuple = Elements<'w>;
    type SerializeTupleStruct = Elements<'w>;
    type SerializeTupleVariant = Elements<'w>;
    type SerializeMap = Elements<'w>;
    type SerializeStruct = Fields<'w>;
    type SerializeStructVariant = Fields<'w>;

    // `is_human_readable` is as for JSON: then whatever comes back from that comes back from this, also inside of `untagged`,
    // where serde says that it is when it reads.

    integers! {
        serialize_u8 u8 => unsigned, serialize_u16 u16 => unsigned, serialize_u32 u32 => unsigned,
        serialize_u64 u64 => unsigned, serialize_u128 u128 => any_unsigned,
        serialize_i8 i8 => signed, serialize_i16 i16 => signed, serialize_i32 i32 => signed, serialize_i64 i64 => signed,
    }

    fn serialize_i128(self, number: i128) -> Result {
        match u128::try_from(number) {
            Ok(number) => self.any_unsigned(number),
            #[expect(clippy::cast_sign_loss, reason = "the complement of a negative number is none")]
            Err(_) => self.complement(!number as u128),
        }
    }

    fn serialize_bool(self, value: bool) -> Result {
        self.push(if value { tag::TRUE } else { tag::FALSE })
    }

    fn serialize_f32(self, value: f32) -> Result {
        self.fixed(tag::F32, value.to_le_bytes())
    }

    fn serialize_f64(self, value: f64) -> Result {
        self.fixed(tag::F64, value.to_le_bytes())
    }

    fn serialize_char(self, value: char) -> Result {
        self.push(tag::CHAR)?;
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result {
        self.length(tag::BYTES_8, value.len())?;
        self.extend(value)
    }

    fn serialize_none(self) -> Result {
        self.push(tag::NONE)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        let starts_at = self.out.len();
        self.inside(value)?;
        if matches!(self.out.get(starts_at), Some(&(tag::UNIT | tag::NONE | tag::SOME))) {
            self.push(0)?;
            let ends_at = self.out.len() - 1;
            self.out.copy_within(starts_at..ends_at, starts_at + 1);
            self.out[starts_at] = tag::SOME;
        }
        Ok(())
    }

    fn serialize_unit(self) -> Result {
        self.push(tag::UNIT)
    }

    fn serialize_unit_struct(self, _of: &'static str) -> Result {
        self.push(tag::UNIT)
    }

    fn serialize_unit_variant(self, _of: &'static str, _index: u32, name: &'static str) -> Result {
        self.variant(tag::UNIT_VARIANT, name)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _of: &'static str, value: &T) -> Result {
        self.inside(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _of: &'static str,
        _index: u32,
        name: &'static str,
        value: &T,
    ) -> Result {
        self.variant(tag::VARIANT, name)?;
        self.inside(value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Elements<'w>> {
        self.sequence(len)
    }

    fn serialize_tuple(self, len: usize) -> Result<Elements<'w>> {
        self.sequence(Some(len))
    }

    fn serialize_tuple_struct(self, _of: &'static str, len: usize) -> Result<Elements<'w>> {
        self.sequence(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _of: &'static str,
        _index: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Elements<'w>> {
        self.variant(tag::VARIANT, name)?;
        let elements = self.enter()?.sequence(Some(len))?;
        Ok(Elements { levels: 2, ..elements })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Elements<'w>> {
        match len {
            Some(len) => self.length(tag::MAP_8, len)?,
            None => self.push(tag::OPEN_MAP)?,
        }
        self.elements(len)
    }

    #[inline]
    fn serialize_struct(self, of: &'static str, len: usize) -> Result<Fields<'w>> {
        self.structure(of, len)
    }

    fn serialize_struct_variant(
        self,
        _of: &'static str,
        _index: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Fields<'w>> {
        self.variant(tag::VARIANT, name)?;
        // Variants of two enums may have the same name: then they share a list of layouts, no more.
        let fields = self.enter()?.structure(name, len)?;
        Ok(Fields { levels: 2, ..fields })
    }
}

/// The elements of a list, or the entries of a map.
pub(super) struct Elements<'w> {
    writer: &'w mut Writer,
    /// How many there are to come, if that was said.
    left: Option<usize>,
    /// How deep they are inside of what they were begun in: a reader counts a variant, too.
    levels: u8,
}

impl Elements<'_> {
    #[inline]
    fn count(&mut self) -> Result {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or(EncodeError::Unwritable)?;
        }
        Ok(())
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.count()?;
        value.serialize(&mut *self.writer)
    }

    fn close(self) -> Result {
        self.writer.leave(self.levels);
        match self.left {
            Some(0) => Ok(()),
            Some(_) => Err(EncodeError::Unwritable),
            None => self.writer.push(tag::END),
        }
    }
}

macro_rules! elements {
    ($($of:ident $method:ident),+ $(,)?) => {$(
        impl $of for Elements<'_> {
            type Ok = ();
            type Error = EncodeError;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
                self.element(value)
            }

            fn end(self) -> Result {
                self.close()
            }
        }
    )+};
}

elements! {
    SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

impl SerializeMap for Elements<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.element(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result {
        self.close()
    }
}

/// The fields of a struct.
pub(super) struct Fields<'w> {
    writer: &'w mut Writer,
    of: &'static str,
    /// Where its tag is, and after that the number of its layout.
    starts_at: usize,
    /// The one that has been right so far.
    layout: usize,
    written: usize,
    has_gaps: bool,
    /// As those of [`Elements`].
    levels: u8,
}

impl Fields<'_> {
    /// Sees to it that the layout has this field next.
    #[inline]
    fn next(&mut self, name: &'static str) {
        let next = self.writer.layouts[self.layout].fields.get(self.written);
        if !next.is_some_and(|next| is_same(next, name)) {
            self.layout = self.layout_with(name);
        }
        self.written += 1;
    }

    /// The number of a layout that begins with what was written, and goes on with this name.
    #[cold]
    fn layout_with(&mut self, name: &'static str) -> usize {
        let so_far = &mut self.writer.layouts[self.layout];
        if !so_far.is_whole && so_far.fields.len() == self.written {
            so_far.fields.push(name);
            return self.layout;
        }
        let so_far = self.so_far();
        let known = self.find(|fields| {
            let next = fields.strip_prefix(so_far).and_then(<[_]>::first);
            next.is_some_and(|next| is_same(next, name))
        });
        if let Some(known) = known {
            return known;
        }
        let fields = [so_far, &[name]].concat();
        self.writer.begin_layout(self.of, fields)
    }

    /// The number of the layout that ends here.
    fn whole_layout(&mut self) -> usize {
        if self.writer.layouts[self.layout].fields.len() == self.written {
            return self.layout;
        }
        let so_far = self.so_far();
        if let Some(known) = self.find(|fields| fields == so_far) {
            return known;
        }
        let fields = so_far.to_vec();
        self.writer.begin_layout(self.of, fields)
    }

    fn so_far(&self) -> &[&'static str] {
        &self.writer.layouts[self.layout].fields[..self.written]
    }

    /// The number of the first layout of the struct whose fields are so.
    fn find(&self, are_so: impl Fn(&[&'static str]) -> bool) -> Option<usize> {
        let layouts = &mut self.writer.layouts.iter();
        layouts.position(|layout| is_same(layout.of, self.of) && are_so(&layout.fields))
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result {
        self.next(name);
        value.serialize(&mut *self.writer)
    }

    fn skip(&mut self, name: &'static str) -> Result {
        self.next(name);
        self.has_gaps = true;
        self.writer.push(tag::GAP)
    }

    fn close(mut self) -> Result {
        let layout = self.whole_layout();
        let writer = self.writer;
        writer.layouts[layout].end();
        if self.has_gaps {
            writer.out[self.starts_at] = tag::STRUCT_WITH_GAPS;
        }
        writer.out[self.starts_at + 1] = narrow(layout)?;
        writer.told = writer.told.saturating_add(writer.layouts[layout].names_len);
        writer.leave(self.levels);
        Ok(())
    }
}

macro_rules! fields {
    ($($of:ident),+ $(,)?) => {$(
        impl $of for Fields<'_> {
            type Ok = ();
            type Error = EncodeError;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result {
                self.field(name, value)
            }

            fn skip_field(&mut self, name: &'static str) -> Result {
                self.skip(name)
            }

            fn end(self) -> Result {
                self.close()
            }
        }
    )+};
}

fields!(SerializeStruct, SerializeStructVariant);
