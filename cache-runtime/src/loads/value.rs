//! What a load has returned, for the calls that waited for it.

use std::{any::Any, sync::Arc};

use serde::de::DeserializeOwned;

use crate::{entry::EncodedValue, near::tier::Tier};

/// A loaded value. Whoever waited is given what a hit would give: of a function that keeps its values in the process a clone of
/// the value itself, of another one what is decoded.
#[derive(Debug)]
pub(crate) struct LoadedValue {
    encoded: EncodedValue,
    /// The value, if there may be clones of it.
    value: Option<Arc<dyn Any + Send + Sync>>,
}

impl LoadedValue {
    pub(crate) fn new<T, N: Tier<T>>(value: &T, encoded: EncodedValue) -> Arc<Self> {
        let value = N::share(value);
        Arc::new(Self { encoded, value })
    }

    /// The value, for one of those who waited; `None` if it does not decode.
    pub(crate) fn value<T: DeserializeOwned, N: Tier<T>>(&self) -> Option<T> {
        let clone = self.value.as_ref().and_then(|value| N::restore(&**value));
        clone.or_else(|| self.encoded.decode().ok())
    }
}
