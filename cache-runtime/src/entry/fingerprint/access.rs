use std::any::type_name;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
    value::StrDeserializer,
};

use super::{
    memory::{Answer, Owner},
    refusal::Refusal,
    tracer::Tracer,
};

/// The dummy text: not empty, and a number for those who parse one.
const TEXT: &str = "1";

/// The path segment of what has no name.
const ELEMENT: &str = "[]";

macro_rules! scalars {
    ($($method:ident => $visit:ident($($dummy:expr)?)),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            self.request(stringify!($method))?;
            self.doubts.makes(type_name::<V::Value>());
            self.doubts.answered_with(type_name::<V::Value>());
            visitor.$visit($($dummy)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Tracer {
    type Error = Refusal;

    // One and not zero, which `NonZero` and many checked types refuse.
    scalars! {
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i8(1), deserialize_i16 => visit_i16(1), deserialize_i32 => visit_i32(1),
        deserialize_i64 => visit_i64(1), deserialize_i128 => visit_i128(1),
        deserialize_u8 => visit_u8(1), deserialize_u16 => visit_u16(1), deserialize_u32 => visit_u32(1),
        deserialize_u64 => visit_u64(1), deserialize_u128 => visit_u128(1),
        deserialize_f32 => visit_f32(1.0), deserialize_f64 => visit_f64(1.0),
        deserialize_char => visit_char('1'),
        deserialize_str => visit_str(TEXT), deserialize_string => visit_str(TEXT),
        deserialize_bytes => visit_bytes(TEXT.as_bytes()), deserialize_byte_buf => visit_bytes(TEXT.as_bytes()),
        deserialize_identifier => visit_str(TEXT),
        deserialize_unit => visit_unit(), deserialize_ignored_any => visit_unit(),
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.request("any")?;
        self.doubts.makes(type_name::<V::Value>());
        let path = self.guess();
        match self.memory.answer(&path) {
            Answer::Unit => visitor.visit_unit(),
            Answer::Text => visitor.visit_str(TEXT),
            Answer::Integer => visitor.visit_u64(1),
            Answer::Bool => visitor.visit_bool(false),
            // What a list lacks is no key of a map.
            Answer::List => visitor
                .visit_seq(Elements { tracer: self, left: 0 })
                .map_err(|_| Refusal::Other),
            Answer::Map => self.open(type_name::<V::Value>(), |tracer| tracer.keyed(visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.request("option")?;
        self.doubts.makes(type_name::<V::Value>());
        self.content(type_name::<V::Value>(), |tracer, filled| {
            if filled {
                visitor.visit_some(tracer)
            } else {
                visitor.visit_none()
            }
        })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        self.request("unit struct")?;
        self.doubts.makes(type_name::<V::Value>());
        self.note(name);
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        self.request("newtype struct")?;
        self.doubts.makes(type_name::<V::Value>());
        self.note(name);
        self.open(type_name::<V::Value>(), |tracer| visitor.visit_newtype_struct(tracer))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.request("seq")?;
        self.doubts.makes(type_name::<V::Value>());
        self.doubts.answered_with(type_name::<V::Value>());
        self.content(type_name::<V::Value>(), |tracer, filled| {
            visitor.visit_seq(Elements {
                tracer,
                left: usize::from(filled),
            })
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.request("tuple")?;
        self.doubts.makes(type_name::<V::Value>());
        self.note_count(len);
        self.open(type_name::<V::Value>(), |tracer| {
            visitor.visit_seq(Elements { tracer, left: len })
        })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.note(name);
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.request("map")?;
        self.doubts.makes(type_name::<V::Value>());
        let map = type_name::<V::Value>();
        self.doubts.map_makes(map);
        self.content(map, |tracer, filled| {
            if filled && tracer.memory.keys(map).is_empty() {
                tracer.entry(visitor)
            } else {
                tracer.keyed(visitor)
            }
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.request("struct")?;
        self.doubts.makes(type_name::<V::Value>());
        self.note(name);
        let owner = type_name::<V::Value>();
        self.open(owner, |tracer| tracer.fields((owner, ""), fields, visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.request("enum")?;
        self.doubts.makes(type_name::<V::Value>());
        self.note(name);
        self.note_all(variants);
        self.variant(type_name::<V::Value>(), variants, |tracer, name| {
            visitor.visit_enum(Variant { tracer, name })
        })
    }
}

impl Tracer {
    /// Presents `fields`, which are all that the visitor knows.
    fn fields<'de, V: Visitor<'de>>(
        &mut self,
        owner: Owner,
        fields: &[&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.note_all(fields);
        let mut order = self.memory.order(owner, fields);
        let left_out = self.memory.leave_out(owner, &mut order);
        let mut access = Fields {
            tracer: self,
            owner,
            rest: order.into_iter(),
            current: None,
        };
        let result = visitor.visit_map(&mut access);
        let current = access.current;
        if let (Ok(_), Some(ty)) = (&result, left_out) {
            self.doubts.made_up(ty);
        }
        if let (Err(Refusal::Duplicate), Some(field)) = (&result, current) {
            self.memory.field_is_alias(owner, field);
        }
        result
    }

    /// Presents the keys that a map turned out to want.
    fn keyed<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Refusal> {
        let map = type_name::<V::Value>();
        let keys = self.memory.keys(map).to_vec();
        let result = self.fields((map, ""), &keys, visitor);
        self.learn_key(map, &result);
        result
    }

    /// Presents one entry of a map.
    fn entry<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Refusal> {
        let result = visitor.visit_map(Entry { tracer: self, left: 1 });
        self.learn_key(type_name::<V::Value>(), &result);
        result
    }

    /// A part without a name.
    fn element<'de, S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        self.doubts.expect(type_name::<S::Value>());
        self.part(ELEMENT, |tracer| seed.deserialize(tracer))
    }

    fn learn_key<T>(&mut self, map: &'static str, result: &Result<T, Refusal>) {
        if let Err(Refusal::Missing(key)) = result {
            self.memory.key_missing(map, key);
        }
    }
}

struct Fields<'t> {
    tracer: &'t mut Tracer,
    owner: Owner,
    rest: std::vec::IntoIter<&'static str>,
    current: Option<&'static str>,
}

impl<'de> MapAccess<'de> for &mut Fields<'_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        let Some(field) = self.rest.next() else { return Ok(None) };
        self.current = Some(field);
        seed.deserialize(as_name(field)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let field = self.current.ok_or(Refusal::Other)?;
        self.tracer.note(field);
        let ty = type_name::<S::Value>();
        self.tracer.memory.field_seen(self.owner, field, ty);
        self.tracer.doubts.expect(ty);
        let result = self.tracer.part(field, |tracer| seed.deserialize(tracer));
        match result {
            Ok(_) => self.tracer.memory.field_accepted(self.owner, field),
            Err(_) => self.tracer.memory.field_refused(self.owner, field),
        }
        result
    }
}

struct Entry<'t> {
    tracer: &'t mut Tracer,
    left: usize,
}

impl<'de> MapAccess<'de> for Entry<'_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.tracer.element(seed).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        self.tracer.element(seed)
    }
}

struct Elements<'t> {
    tracer: &'t mut Tracer,
    left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.tracer.element(seed).map(Some)
    }
}

struct Variant<'t> {
    tracer: &'t mut Tracer,
    name: &'static str,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Refusal> {
        self.tracer.note(self.name);
        let variant = seed.deserialize(as_name(self.name))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        self.tracer.request("unit variant")
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        self.tracer.request("newtype variant")?;
        self.tracer.doubts.expect(type_name::<S::Value>());
        seed.deserialize(self.tracer)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.tracer.request("tuple variant")?;
        self.tracer.note_count(len);
        visitor.visit_seq(Elements {
            tracer: self.tracer,
            left: len,
        })
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        self.tracer.request("struct variant")?;
        self.tracer
            .fields((type_name::<V::Value>(), self.name), fields, visitor)
    }
}

fn as_name(name: &'static str) -> StrDeserializer<'static, Refusal> {
    name.into_deserializer()
}
