//! The arguments of a call in a form that is quick to write: what the call is found by in this process.
//!
//! Values that serde tells apart have forms that differ. Nobody ever reads a form back, and no other process sees it, so
//! names stand in it as the addresses of their text. The same value may have several forms where the compiler has made
//! several copies of a name; it is then kept once for each.

mod serializer;

use std::fmt;

use serde::Serialize;

pub(crate) use self::serializer::Form;
use crate::entry::Function;

impl Form<'_> {
    /// Appends the form of `value`.
    ///
    /// # Errors
    ///
    /// Where quick is not enough: for maps, whose members come in any order; when the value is nested too deeply; when its
    /// own `Serialize` gives up; or for want of room. What has been written then is of no use.
    #[inline]
    pub(crate) fn write<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotCompact> {
        value.serialize(self)
    }

    /// Appends what says which function a call is of.
    ///
    /// # Errors
    ///
    /// For want of room.
    pub(crate) fn write_function(&mut self, function: &Function) -> Result<(), NotCompact> {
        self.put(function.in_process())
    }
}

fn address<T>(of: *const T) -> u64 {
    of.addr() as u64
}

/// Why a value was not written in its compact form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotCompact {
    /// It has none.
    #[error("there is no compact form of this value")]
    NoForm,
    /// It is longer than the place for it.
    #[error("there is not enough room for the compact form of this value")]
    NoRoom,
}

impl serde::ser::Error for NotCompact {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self::NoForm
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::ser::SerializeStruct;

    use super::*;

    fn try_write(
        out: &mut [u8],
        write: impl FnOnce(&mut Form<'_>) -> Result<(), NotCompact>,
    ) -> Result<Vec<u8>, NotCompact> {
        let mut form = Form::new(out);
        write(&mut form)?;
        let len = form.len();
        Ok(out[..len].to_vec())
    }

    fn form<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
        try_write(&mut [0; 1024], |form| form.write(value)).unwrap()
    }

    #[derive(Debug, Clone, PartialEq, Serialize)]
    struct Filter {
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        amounts: Vec<Amount>,
        nested: Option<Box<Filter>>,
    }

    #[derive(Debug, Clone, PartialEq, Serialize)]
    enum Amount {
        Any,
        Exactly(i64),
        Between(i64, i64),
        Under { limit: f64, inclusive: bool },
    }

    fn amount() -> impl Strategy<Value = Amount> {
        prop_oneof![
            Just(Amount::Any),
            (-2..2_i64).prop_map(Amount::Exactly),
            (-2..2_i64, -2..2_i64).prop_map(|(least, most)| Amount::Between(least, most)),
            (0..3_i8, any::<bool>()).prop_map(|(limit, inclusive)| Amount::Under {
                limit: f64::from(limit),
                inclusive
            }),
        ]
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let text = || proptest::option::of("[ab]{0,2}");
        let leaf = (text(), text(), prop::collection::vec(amount(), 0..3)).prop_map(|(from, to, amounts)| Filter {
            from,
            to,
            amounts,
            nested: None,
        });
        leaf.prop_recursive(2, 4, 1, move |inner| {
            (
                text(),
                text(),
                prop::collection::vec(amount(), 0..3),
                proptest::option::of(inner),
            )
                .prop_map(|(from, to, amounts, nested)| Filter {
                    from,
                    to,
                    amounts,
                    nested: nested.map(Box::new),
                })
        })
    }

    proptest! {
        #[test]
        fn values_have_the_same_form_exactly_if_they_are_the_same(one in filter(), other in filter()) {
            prop_assert_eq!(form(&one) == form(&other), one == other);
            prop_assert_eq!(form(&one), form(&one.clone()));
        }

        #[test]
        fn several_values_one_after_the_other_are_told_apart(
            one in ("[ab]{0,3}", "[ab]{0,3}", prop::collection::vec(0..2_u8, 0..3)),
            other in ("[ab]{0,3}", "[ab]{0,3}", prop::collection::vec(0..2_u8, 0..3)),
        ) {
            let joined = |values: &(String, String, Vec<u8>)| {
                let written = try_write(&mut [0; 128], |form| {
                    form.write_display(&values.0)?;
                    form.write(&values.1)?;
                    form.write(&values.2)
                });
                written.unwrap()
            };
            prop_assert_eq!(joined(&one) == joined(&other), one == other);
        }
    }

    #[test]
    fn a_field_that_is_left_out_is_told_from_another_one() {
        let filter = |from: Option<&str>, to: Option<&str>| Filter {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            amounts: Vec::new(),
            nested: None,
        };
        assert_ne!(form(&filter(Some("x"), None)), form(&filter(None, Some("x"))));
    }

    #[test]
    fn numbers_of_every_width_are_told_apart() {
        assert_ne!(form(&i128::MIN), form(&i128::MAX));
        assert_ne!(form(&(u128::from(u64::MAX) + 1)), form(&0_u128));
        assert_ne!(form(&-1_i64), form(&u64::MAX));
        assert_ne!(form(&-1_i32), form(&u32::MAX));
        assert_ne!(form(&-1_i8), form(&-2_i8));
        assert_ne!(form(&1_i8), form(&1_i16));
        assert_ne!(form(&1_u16), form(&1_u32));
        assert_ne!(form(&97_u32), form(&'a'));
        assert_ne!(form(&1_i128), form(&1_u128));
        assert_ne!(form(&1.0_f32), form(&1.0_f64));
        assert_ne!(form(&(1_u8, 2_u8)), form(&vec![1_u8, 2]));
        assert_ne!(form(&()), form(&None::<()>));
        assert_ne!(form(&0.1_f32), form(&0.2_f32));
        assert_ne!(form(&0.0), form(&-0.0));
        assert_ne!(form(&'a'), form(&'b'));
        assert_ne!(form(&(1_u8, 2_u8)), form(&(2_u8, 1_u8)));
        assert_ne!(form(&Some(())), form(&None::<()>));
    }

    #[test]
    fn what_comes_in_any_order_or_too_deep_has_no_compact_form() {
        let refused = |written| assert_eq!(written, Err(NotCompact::NoForm));
        refused(try_write(&mut [0; 1024], |form| form.write(&BTreeMap::from([(1, 2)]))));
        let mut deep = serde_json::Value::Null;
        for _ in 0..1000 {
            deep = vec![deep].into();
        }
        refused(try_write(&mut [0; 1024], |form| form.write(&deep)));
        assert!(form(&serde_json::json!([1, "two", null])).len() < 64);
    }

    #[test]
    fn what_is_longer_than_its_place_is_told_from_what_has_no_form() {
        struct Refusing;
        impl fmt::Display for Refusing {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        let text = "x".repeat(100);
        let place = &mut [0; 104];
        assert_eq!(try_write(place, |form| form.write(&text)), Err(NotCompact::NoRoom));
        assert_eq!(
            try_write(place, |form| form.write_display(&text)),
            Err(NotCompact::NoRoom)
        );
        assert_eq!(
            try_write(place, |form| form.write_display(&Refusing)),
            Err(NotCompact::NoForm)
        );
        assert!(try_write(&mut [0; 105], |form| form.write_display(&text)).is_ok());
    }

    #[test]
    fn a_struct_that_is_written_by_hand_is_told_by_its_names() {
        struct Named(&'static str);
        impl Serialize for Named {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut fields = serializer.serialize_struct("Named", 1)?;
                fields.serialize_field(self.0, &1)?;
                fields.end()
            }
        }
        assert_ne!(form(&Named("one")), form(&Named("two")));
    }
}
