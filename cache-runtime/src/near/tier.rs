//! Whether an annotated function keeps its values in the process, too: told by a type, so that functions without a near
//! cache need no `Clone`.

use std::{any::Any, sync::Arc};

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
    /// The value as it is kept in the process.
    fn keep(value: &T) -> Option<Arc<dyn Any + Send + Sync>>;

    /// A kept value as it is returned.
    fn restore(kept: &(dyn Any + Send + Sync)) -> Option<T>;
}

/// In the store alone.
pub struct SharedOnly;

impl<T> Tier<T> for SharedOnly {
    fn keep(_value: &T) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }

    fn restore(_kept: &(dyn Any + Send + Sync)) -> Option<T> {
        None
    }
}

/// In the store and in the process.
pub struct NearToo;

impl<T: NearValue> Tier<T> for NearToo {
    fn keep(value: &T) -> Option<Arc<dyn Any + Send + Sync>> {
        Some(Arc::new(value.clone()))
    }

    fn restore(kept: &(dyn Any + Send + Sync)) -> Option<T> {
        kept.downcast_ref().cloned()
    }
}
