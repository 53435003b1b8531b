//! Whether the values of an annotated function are kept in the process as they are, to be cloned: in its near cache, and for
//! as long as calls wait for a load that they share. Told by a type, so that functions without a near cache need no `Clone`.

use std::{any::Any, convert::Infallible, sync::Arc};

use super::{NearEntry, Validity};

/// What can be kept in the near cache.
#[diagnostic::on_unimplemented(
    message = "a result of type `{Self}` cannot be kept in the near cache: it is not `Clone + Send + Sync + 'static`",
    label = "not shareable",
    note = "derive `Clone` for it, return it inside an `Arc`, or leave `near` out"
)]
pub trait NearValue: Clone + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> NearValue for T {}

/// Where values are kept.
pub trait Tier<T> {
    /// A value that is to be kept in the near cache, while it is not known yet whether it will be.
    type Held;

    /// The value, to be kept.
    fn hold(value: &T) -> Option<Self::Held>;

    /// The value as it is kept in the near cache.
    fn keep(value: Self::Held, validity: Validity) -> Arc<NearEntry>;

    /// The value as it is given to those who waited for it.
    fn share(value: &T) -> Option<Arc<dyn Any + Send + Sync>>;

    /// A value that is kept or shared, as it is returned.
    fn restore(value: &(dyn Any + Send + Sync)) -> Option<T>;
}

/// In the store alone.
#[expect(clippy::exhaustive_structs, reason = "the macros write it as a value")]
pub struct SharedOnly;

impl<T> Tier<T> for SharedOnly {
    type Held = Infallible;

    fn hold(_value: &T) -> Option<Infallible> {
        None
    }

    fn keep(value: Infallible, _validity: Validity) -> Arc<NearEntry> {
        match value {}
    }

    fn share(_value: &T) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    fn restore(_value: &(dyn Any + Send + Sync)) -> Option<T> {
        None
    }
}

/// In the store and in the process.
#[expect(clippy::exhaustive_structs, reason = "the macros write it as a value")]
pub struct NearToo;

impl<T: NearValue> Tier<T> for NearToo {
    type Held = T;

    fn hold(value: &T) -> Option<T> {
        Some(value.clone())
    }

    fn keep(value: T, validity: Validity) -> Arc<NearEntry> {
        Arc::new(NearEntry::new(value, validity))
    }

    fn share(value: &T) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new(value.clone()))
    }

    fn restore(value: &(dyn Any + Send + Sync)) -> Option<T> {
        value.downcast_ref().cloned()
    }
}
