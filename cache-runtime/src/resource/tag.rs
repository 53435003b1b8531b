//! Tags: what their values are given as, and what of these stands in keys.

use std::{borrow::Borrow, fmt::Display, marker::PhantomData};

use crate::key::escape;

/// A kind of tags of the type `T`.
#[doc(hidden)]
pub struct Tag<T: ?Sized>(PhantomData<fn(&T)>);

impl<T: Display + ?Sized> Tag<T> {
    /// The values, as they stand in keys.
    pub fn given<How>(values: &(impl TagValues<T, How> + ?Sized)) -> Vec<String> {
        let mut escaped = Vec::new();
        values.each(&mut |value| escaped.push(escape(value)));
        escaped
    }
}

/// One value of a tag of the type `T`, or any number of them. `How` says which, for the compiler to find out.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "what is given as tags of the type `{T}` is of the type `{Self}`, which is neither a `{T}` nor made of them",
    label = "expected `{T}`, or what iterates over values of that type",
    note = "of what is made of something else give an iterator: `rows.iter().map(|row| row.author)`"
)]
pub trait TagValues<T: ?Sized, How> {
    /// Hands on each value.
    fn each(&self, value: &mut dyn FnMut(&T));
}

/// That it is one value.
#[doc(hidden)]
pub struct One;

/// That it is a collection of values of the type `V`.
#[doc(hidden)]
pub struct Each<V>(PhantomData<V>);

/// That it is an iterator over values of the type `V`.
#[doc(hidden)]
pub struct Iterated<V>(PhantomData<V>);

#[diagnostic::do_not_recommend]
impl<T: ?Sized, G: Borrow<T> + ?Sized> TagValues<T, One> for G {
    fn each(&self, value: &mut dyn FnMut(&T)) {
        value(self.borrow());
    }
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized, V: Borrow<T>, G: ?Sized> TagValues<T, Each<V>> for G
where
    for<'a> &'a G: IntoIterator<Item = &'a V>,
{
    fn each(&self, value: &mut dyn FnMut(&T)) {
        for each in self {
            value(each.borrow());
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: ?Sized, V: Borrow<T>, G: Iterator<Item = V> + Clone> TagValues<T, Iterated<V>> for G {
    fn each(&self, value: &mut dyn FnMut(&T)) {
        for each in self.clone() {
            value(each.borrow());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::Tag;

    #[test]
    fn one_value_is_one_tag_owned_or_borrowed() {
        assert_eq!(Tag::<i64>::given(&7), ["7"]);
        assert_eq!(Tag::<i64>::given(&&7), ["7"]);
        assert_eq!(Tag::<str>::given(&"a b".to_owned()), ["a%20b"]);
        assert_eq!(Tag::<str>::given(&"a"), ["a"]);
        assert_eq!(Tag::<str>::given("a"), ["a"]);
    }

    #[test]
    fn what_iterates_over_values_is_a_tag_for_each() {
        assert_eq!(Tag::<i64>::given(&vec![1, 2]), ["1", "2"]);
        assert_eq!(Tag::<i64>::given(&[1, 2][..]), ["1", "2"]);
        assert_eq!(Tag::<i64>::given(&BTreeSet::from([2, 1])), ["1", "2"]);
        assert_eq!(Tag::<str>::given(&HashSet::from(["a".to_owned()])), ["a"]);
        assert_eq!(Tag::<str>::given(&vec!["a", "b"]), ["a", "b"]);
        assert_eq!(Tag::<i64>::given(&Some(1)), ["1"]);
        assert!(Tag::<i64>::given(&None::<i64>).is_empty());
    }

    #[test]
    fn an_iterator_is_a_tag_for_each_of_its_values() {
        let rows = [(1_i64, "one".to_owned()), (2, "two".to_owned())];
        assert_eq!(Tag::<i64>::given(&rows.iter().map(|row| row.0)), ["1", "2"]);
        assert_eq!(Tag::<i64>::given(&rows.iter().map(|row| &row.0)), ["1", "2"]);
        assert_eq!(
            Tag::<str>::given(&rows.iter().map(|row| row.1.as_str())),
            ["one", "two"]
        );
    }
}
