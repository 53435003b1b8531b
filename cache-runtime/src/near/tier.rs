//! Whether an annotated function keeps its values in the process, too: told by a type, so that functions without a near
//! cache need no `Clone`.

use std::sync::Arc;

use super::{Kept, Validity};

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
    fn keep(value: &T, validity: Validity) -> Option<Arc<Kept>>;

    /// A kept value as it is returned.
    fn restore(kept: &Kept) -> Option<T>;
}

/// In the store alone.
pub struct SharedOnly;

impl<T> Tier<T> for SharedOnly {
    fn keep(_value: &T, _validity: Validity) -> Option<Arc<Kept>> {
        None
    }

    fn restore(_kept: &Kept) -> Option<T> {
        None
    }
}

/// In the store and in the process.
pub struct NearToo;

impl<T: NearValue> Tier<T> for NearToo {
    fn keep(value: &T, validity: Validity) -> Option<Arc<Kept>> {
        Some(Arc::new(Kept::new(value.clone(), validity)))
    }

    fn restore(kept: &Kept) -> Option<T> {
        kept.value().cloned()
    }
}
