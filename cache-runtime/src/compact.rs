//! The arguments of a call in a form that is quick to write: what the call is found by in this process.
//!
//! Values of one type that differ have forms that differ. Nobody ever reads a form back, and no other process sees it, so
//! names stand in it as the addresses of their text. The same value may have several forms where the compiler has made
//! several copies of a name; it is then kept once for each.

mod serializer;

use std::fmt;

use serde::Serialize;

/// Appends the form of `value` to `out`.
///
/// # Errors
///
/// Where quick is not enough: for maps, whose members come in any order; when the value is nested too deeply; or when its
/// own `Serialize` gives up. What is in `out` then is of no use.
pub(crate) fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), NotCompact> {
    value.serialize(&mut serializer::Form::new(out))
}

/// Appends what `value` displays.
///
/// # Errors
///
/// If its own `Display` gives up.
pub(crate) fn write_display<T: fmt::Display + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), NotCompact> {
    serializer::Form::new(out).display(value)
}

/// Appends what says which function a call is of: the address of its site and a name that tells its instances apart.
pub(crate) fn write_function<T>(out: &mut Vec<u8>, site: &'static T, name: &'static str) {
    let mut bytes = [0; 24];
    let words = [address(site), address(name.as_ptr()), name.len() as u64];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    out.extend_from_slice(&bytes);
}

fn address<T>(of: *const T) -> u64 {
    of.addr() as u64
}

/// There is no compact form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no compact form of this value")]
pub(crate) struct NotCompact;

impl serde::ser::Error for NotCompact {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::ser::SerializeStruct;

    use super::*;

    fn form<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, value).unwrap();
        out
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
                let mut out = Vec::new();
                write_display(&mut out, &values.0).unwrap();
                write(&mut out, &values.1).unwrap();
                write(&mut out, &values.2).unwrap();
                out
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
        assert_ne!(form(&0.1_f32), form(&0.2_f32));
        assert_ne!(form(&0.0), form(&-0.0));
        assert_ne!(form(&'a'), form(&'b'));
        assert_ne!(form(&(1_u8, 2_u8)), form(&(2_u8, 1_u8)));
        assert_ne!(form(&Some(())), form(&None::<()>));
    }

    #[test]
    fn what_comes_in_any_order_or_too_deep_has_no_compact_form() {
        assert_eq!(write(&mut Vec::new(), &BTreeMap::from([(1, 2)])), Err(NotCompact));
        let mut deep = serde_json::Value::Null;
        for _ in 0..1000 {
            deep = vec![deep].into();
        }
        assert_eq!(write(&mut Vec::new(), &deep), Err(NotCompact));
        assert!(form(&serde_json::json!([1, "two", null])).len() < 64);
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
