//! The exact form of a value: bytes that differ wherever serde tells two values apart.
//!
//! JSON does not: `None`, `Some(None)` and `()` are all `null`, `1` may be an integer of any width or a float's, a variant may look
//! like a text. Here each call of the serializer leaves its kind, types and fields their names, and texts their length. Entries of
//! maps are put in order, because maps may come in any. The same in every process; nobody reads it back.

use std::fmt;

use serde::{Serialize, ser};

/// As deep as canonical JSON goes.
const DEPTH_LIMIT: u8 = 128;

/// What stands before a value.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    None,
    Some,
    Unit,
    UnitStruct,
    Bool,
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
    UnitVariant,
    NewtypeVariant,
    TupleVariant,
    StructVariant,
    Sequence,
    Tuple,
    Map,
    End,
}

/// Why a value has no exact form: it is nested too deeply, or its own `Serialize` gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value has no exact form")]
pub(crate) struct NotExact;

impl ser::Error for NotExact {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

/// An exact form while it is written.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(crate) struct Exact {
    out: Vec<u8>,
    depth: u8,
    /// Whether the elements of sequences are put in order, too.
    sorts: bool,
    /// Whether the value that was written last is `null` in JSON.
    is_nothing: bool,
    /// Whether JSON has the same text for another value: there is something like nothing inside of a `Some`.
    hides_none: bool,
    /// Whether there is a float that is no number, or infinite.
    has_non_finite: bool,
}

impl Exact {
    /// The form of a value.
    ///
    /// # Errors
    ///
    /// If it has none.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, NotExact> {
        let mut exact = Self::default();
        exact.write(value)?;
        Ok(exact)
    }

    /// The form of a value with the elements of its sequences in order: the same for two sets of the same elements, which serde does
    /// not tell from lists. No codec changes the order of a list.
    ///
    /// # Errors
    ///
    /// If it has none.
    pub(crate) fn sorted<T: Serialize + ?Sized>(value: &T) -> Result<Self, NotExact> {
        let mut exact = Self {
            sorts: true,
            ..Self::default()
        };
        exact.write(value)?;
        Ok(exact)
    }

    /// Appends a value.
    ///
    /// # Errors
    ///
    /// If it has no exact form.
    pub(crate) fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotExact> {
        value.serialize(self)
    }

    /// Appends a name, by which parts are told apart.
    pub(crate) fn name(&mut self, name: &str) {
        self.sized(Kind::Text, name.as_bytes());
    }

    /// Appends parts that come in any order.
    ///
    /// # Errors
    ///
    /// If one of them has no exact form.
    pub(crate) fn write_set<T: Serialize>(&mut self, parts: impl Iterator<Item = T>) -> Result<(), NotExact> {
        self.kind(Kind::Map);
        let mut members = Members::new(self, true);
        for part in parts {
            members.begin();
            members.exact.write(&part)?;
        }
        members.close();
        Ok(())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.out
    }

    pub(crate) fn hides_none(&self) -> bool {
        self.hides_none
    }

    pub(crate) fn has_non_finite(&self) -> bool {
        self.has_non_finite
    }

    fn kind(&mut self, kind: Kind) {
        self.out.push(kind as u8);
        self.is_nothing = matches!(kind, Kind::None | Kind::Unit | Kind::UnitStruct);
    }

    /// A value of a type with a name.
    fn named(&mut self, kind: Kind, of: &str) {
        self.kind(kind);
        self.append(of.as_bytes());
    }

    /// A variant of an enum with a name.
    fn variant(&mut self, kind: Kind, of: &str, index: u32, name: &str) {
        self.named(kind, of);
        self.out.extend_from_slice(&index.to_le_bytes());
        self.append(name.as_bytes());
    }

    fn append(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.out.extend_from_slice(bytes);
    }

    fn fixed<const N: usize>(&mut self, kind: Kind, bytes: [u8; N]) {
        self.kind(kind);
        self.out.extend_from_slice(&bytes);
    }

    fn sized(&mut self, kind: Kind, bytes: &[u8]) {
        self.kind(kind);
        self.append(bytes);
    }

    fn enter(&mut self) -> Result<&mut Self, NotExact> {
        if self.depth == DEPTH_LIMIT {
            return Err(NotExact);
        }
        self.depth += 1;
        Ok(self)
    }

    fn inner<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotExact> {
        self.enter()?;
        self.write(value)?;
        self.depth -= 1;
        Ok(())
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.kind(Kind::End);
    }
}

macro_rules! numbers {
    ($($method:ident $number:ty => $kind:ident),* $(,)?) => {$(
        fn $method(self, value: $number) -> Result<(), NotExact> {
            self.fixed(Kind::$kind, value.to_le_bytes());
            Ok(())
        }
    )*};
}

impl<'e> ser::Serializer for &'e mut Exact {
    type Ok = ();
    type Error = NotExact;
    type SerializeSeq = Members<'e>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Members<'e>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    numbers! {
        serialize_i8 i8 => I8, serialize_i16 i16 => I16, serialize_i32 i32 => I32, serialize_i64 i64 => I64,
        serialize_i128 i128 => I128,
        serialize_u8 u8 => U8, serialize_u16 u16 => U16, serialize_u32 u32 => U32, serialize_u64 u64 => U64,
        serialize_u128 u128 => U128,
    }

    fn serialize_bool(self, value: bool) -> Result<(), NotExact> {
        self.fixed(Kind::Bool, [u8::from(value)]);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), NotExact> {
        self.has_non_finite |= !value.is_finite();
        self.fixed(Kind::F32, value.to_bits().to_le_bytes());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), NotExact> {
        self.has_non_finite |= !value.is_finite();
        self.fixed(Kind::F64, value.to_bits().to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), NotExact> {
        self.fixed(Kind::Char, u32::from(value).to_le_bytes());
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), NotExact> {
        self.sized(Kind::Text, value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), NotExact> {
        self.sized(Kind::Bytes, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), NotExact> {
        self.kind(Kind::None);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), NotExact> {
        self.kind(Kind::Some);
        self.inner(value)?;
        self.hides_none |= self.is_nothing;
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), NotExact> {
        self.kind(Kind::Unit);
        Ok(())
    }

    fn serialize_unit_struct(self, of: &'static str) -> Result<(), NotExact> {
        self.named(Kind::UnitStruct, of);
        Ok(())
    }

    fn serialize_unit_variant(self, of: &'static str, index: u32, name: &'static str) -> Result<(), NotExact> {
        self.variant(Kind::UnitVariant, of, index, name);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, of: &'static str, value: &T) -> Result<(), NotExact> {
        self.named(Kind::NewtypeStruct, of);
        self.inner(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), NotExact> {
        self.variant(Kind::NewtypeVariant, of, index, name);
        self.inner(value)?;
        self.is_nothing = false;
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Members<'e>, NotExact> {
        let sorts = self.sorts;
        self.kind(Kind::Sequence);
        Ok(Members::new(self.enter()?, sorts))
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, NotExact> {
        self.kind(Kind::Tuple);
        self.enter()
    }

    fn serialize_tuple_struct(self, of: &'static str, _: usize) -> Result<Self, NotExact> {
        self.named(Kind::TupleStruct, of);
        self.enter()
    }

    fn serialize_tuple_variant(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self, NotExact> {
        self.variant(Kind::TupleVariant, of, index, name);
        self.enter()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'e>, NotExact> {
        self.kind(Kind::Map);
        Ok(Members::new(self.enter()?, true))
    }

    fn serialize_struct(self, of: &'static str, _: usize) -> Result<Self, NotExact> {
        self.named(Kind::Struct, of);
        self.enter()
    }

    fn serialize_struct_variant(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self, NotExact> {
        self.variant(Kind::StructVariant, of, index, name);
        self.enter()
    }
}

/// What has several parts, each perhaps with a name.
macro_rules! compound {
    ($compound:ident $method:ident $(($name:ident: $ty:ty))?) => {
        impl ser::$compound for &mut Exact {
            type Ok = ();
            type Error = NotExact;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $ty,)? value: &T) -> Result<(), NotExact> {
                $(self.name($name);)?
                self.write(value)
            }

            fn end(self) -> Result<(), NotExact> {
                self.close();
                Ok(())
            }
        }
    };
}

compound!(SerializeTuple serialize_element);
compound!(SerializeTupleStruct serialize_field);
compound!(SerializeTupleVariant serialize_field);
compound!(SerializeStruct serialize_field (name: &'static str));
compound!(SerializeStructVariant serialize_field (name: &'static str));

/// The members of a map, of a set or of a list.
pub(crate) struct Members<'e> {
    exact: &'e mut Exact,
    /// Whether they come in any order.
    sorts: bool,
    /// Where they begin.
    from: usize,
    begins: Vec<usize>,
}

impl<'e> Members<'e> {
    fn new(exact: &'e mut Exact, sorts: bool) -> Self {
        Self {
            sorts,
            from: exact.out.len(),
            exact,
            begins: Vec::new(),
        }
    }

    fn begin(&mut self) {
        if self.sorts {
            self.begins.push(self.exact.out.len());
        }
    }

    /// Puts the members in order.
    fn close(self) {
        let Self {
            exact, from, begins, ..
        } = self;
        let ends = begins.iter().skip(1).copied().chain([exact.out.len()]);
        let members = begins.iter().zip(ends).map(|(&begin, end)| &exact.out[begin..end]);
        let mut members: Vec<&[u8]> = members.collect();
        if !members.is_sorted() {
            members.sort_unstable();
            let sorted = members.concat();
            exact.out[from..].copy_from_slice(&sorted);
        }
        exact.kind(Kind::End);
    }
}

impl ser::SerializeSeq for Members<'_> {
    type Ok = ();
    type Error = NotExact;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotExact> {
        self.begin();
        self.exact.write(value)
    }

    fn end(self) -> Result<(), NotExact> {
        self.exact.depth -= 1;
        self.close();
        Ok(())
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = NotExact;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotExact> {
        self.begin();
        self.exact.write(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotExact> {
        self.exact.write(value)
    }

    fn end(self) -> Result<(), NotExact> {
        self.exact.depth -= 1;
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use proptest::prelude::*;
    use serde::Serialize;

    use super::Exact;

    fn form<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
        Exact::of(value).unwrap().bytes().to_vec()
    }

    #[derive(Serialize)]
    struct Nothing;

    #[derive(Serialize)]
    struct Wrapped<T>(T);

    #[derive(Serialize)]
    struct Pair(u8, u8);

    #[derive(Serialize)]
    struct OtherPair(u8, u8);

    #[derive(Serialize)]
    struct Fields {
        a: u8,
    }

    #[derive(Serialize)]
    struct OtherFields {
        a: u8,
    }

    #[derive(Serialize)]
    enum OtherChoice {
        A,
    }

    #[derive(Serialize)]
    enum Choice {
        A,
        B(u8),
        C { a: u8 },
        D(u8, u8),
    }

    #[derive(Serialize)]
    #[serde(untagged)]
    enum Untagged {
        Narrow(u8),
        Wide(u64),
        Signed(i64),
        Float(f64),
        Text(&'static str),
        Letter(char),
        Nothing,
        List(Vec<u8>),
        Pair(u8, u8),
    }

    #[test]
    fn whatever_serde_tells_apart_has_another_form() {
        let forms = [
            form(&()),
            form(&Nothing),
            form(&None::<()>),
            form(&Some(())),
            form(&Some(None::<()>)),
            form(&Some(Some(()))),
            form(&Wrapped(())),
            form(&Wrapped(None::<u8>)),
            form(&Wrapped(1_u8)),
            form(&1_u8),
            form(&1_u16),
            form(&1_i64),
            form(&1.0_f64),
            form(&1.0_f32),
            form(&0.0_f64),
            form(&-0.0_f64),
            form(&f64::NAN),
            form(&f64::INFINITY),
            form(&'1'),
            form("1"),
            form("11"),
            form(&["1", "1"][..]),
            form(&("1", "1")),
            form(&[("1", "1")][..]),
            form(&BTreeMap::from([("1", "1")])),
            form(&BTreeMap::from([(1, "1")])),
            form(&Choice::A),
            form(&Choice::B(1)),
            form(&Choice::C { a: 1 }),
            form(&Choice::D(1, 1)),
            form("A"),
            form(&BTreeMap::from([("B", 1_u8)])),
            form(&serde_json::json!({"a": 1})),
            form(&serde_json::json!(null)),
            form(&true),
            form(&i128::MAX),
            form(&u128::MAX),
            form(&Pair(1, 1)),
            form(&OtherPair(1, 1)),
            form(&Fields { a: 1 }),
            form(&OtherFields { a: 1 }),
            form(&OtherChoice::A),
            // Of what one begins with, and another goes on with.
            form(&(Choice::A, 1_u8)),
            form(&(Choice::B(1),)),
            form(&("Pair", (1_u8, 1_u8))),
            form(&(Pair(1, 1),)),
            form(&(Wrapped(1_u8), 1_u8)),
            form(&(Wrapped((1_u8, 1_u8)),)),
        ];
        for (i, one) in forms.iter().enumerate() {
            for (j, other) in forms.iter().enumerate() {
                // `json!(null)` is a unit, and serde says no more of it.
                assert_eq!(
                    one == other,
                    i == j || [i, j] == [0, 33] || [i, j] == [33, 0],
                    "{i} and {j}"
                );
            }
        }
        let untagged = [
            form(&Untagged::Narrow(1)),
            form(&Untagged::Wide(1)),
            form(&Untagged::Signed(1)),
            form(&Untagged::Float(1.0)),
            form(&Untagged::Text("1")),
            form(&Untagged::Letter('1')),
            form(&Untagged::Nothing),
            form(&Untagged::List(vec![1, 1])),
            form(&Untagged::Pair(1, 1)),
        ];
        let different: std::collections::HashSet<_> = untagged.iter().collect();
        assert_eq!(different.len(), untagged.len());
    }

    #[test]
    fn maps_have_one_form_in_whatever_order_they_come() {
        let one: HashMap<u32, u32> = (0..100).map(|n| (n, n)).collect();
        let other: HashMap<u32, u32> = (0..100).rev().map(|n| (n, n)).collect();
        assert_eq!(form(&one), form(&other));
        let nested = |map: &HashMap<u32, u32>| form(&(map, "after"));
        assert_eq!(nested(&one), nested(&other));
    }

    #[test]
    fn what_json_hides_is_noticed() {
        let hides = |exact: Exact| exact.hides_none();
        assert!(hides(Exact::of(&Some(None::<u8>)).unwrap()));
        assert!(hides(Exact::of(&vec![Some(())]).unwrap()));
        assert!(hides(Exact::of(&Some(Wrapped(None::<u8>))).unwrap()));
        assert!(hides(Exact::of(&Some(serde_json::Value::Null)).unwrap()));
        assert!(!hides(Exact::of(&Some(1)).unwrap()));
        assert!(!hides(Exact::of(&Some(Choice::A)).unwrap()));
        assert!(!hides(Exact::of(&Some((None::<u8>,))).unwrap()));
        assert!(!hides(Exact::of(&None::<Option<u8>>).unwrap()));
        assert!(Exact::of(&[1.0, f64::NAN]).unwrap().has_non_finite());
        assert!(!Exact::of(&[1.0, f64::MAX]).unwrap().has_non_finite());
    }

    proptest! {
        #[test]
        fn values_have_the_same_form_exactly_if_they_are_the_same(
            one in prop::collection::vec((any::<Option<Option<u8>>>(), "[ab]{0,2}", prop::collection::btree_map("[ab]", 0..2_u8, 0..3)), 0..3),
            other in prop::collection::vec((any::<Option<Option<u8>>>(), "[ab]{0,2}", prop::collection::btree_map("[ab]", 0..2_u8, 0..3)), 0..3),
        ) {
            prop_assert_eq!(form(&one) == form(&other), one == other);
        }
    }
}
