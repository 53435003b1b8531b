//! What an entry must prove before it is decoded: that it is of these arguments and of this function and type.

use std::{
    any::type_name,
    collections::HashMap,
    panic::catch_unwind,
    sync::{LazyLock, Mutex, OnceLock, PoisonError},
};

use serde::de::DeserializeOwned;

use crate::{key::Address, shape};

/// 128 bits over the address and the canonical arguments. The key's 48 bits are an address; this tells argument sets apart
/// that share one.
pub(crate) fn fingerprint(address: &Address, arguments: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(address.entry().as_bytes()).update(&[0]).update(arguments);
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    fingerprint
}

/// The shapes computed so far, by function, type and version.
type Known = Mutex<HashMap<(&'static str, &'static str, u32), u64>>;

/// The fingerprint of a function and the structure of what it stores. Computed once for each.
pub(crate) fn shape_of<T: DeserializeOwned>(function: &'static str, version: u32) -> u64 {
    static KNOWN: LazyLock<Known> = LazyLock::new(Mutex::default);
    let key = (function, type_name::<T>(), version);
    if let Some(&shape) = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return shape;
    }
    let parts = [function, type_name::<T>(), &version.to_string()];
    // A hand-written `Deserialize` may panic at the dummies it is given. Then the names have to do.
    let shape = catch_unwind(|| shape::of::<T>(&parts)).unwrap_or_else(|_| shape::of::<()>(&parts));
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(key, shape);
    shape
}

/// The shape last computed at one call site, which for all but generic functions is the only one.
#[derive(Debug, Default)]
pub(crate) struct ShapeOfSite(OnceLock<(&'static str, u64)>);

impl ShapeOfSite {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// `function` is the type name of the body, which tells instances of a generic function apart.
    pub(crate) fn get<T: DeserializeOwned>(&self, function: &'static str, version: u32) -> u64 {
        let &(known, shape) = self.0.get_or_init(|| (function, shape_of::<T>(function, version)));
        if std::ptr::eq(known, function) || known == function {
            shape
        } else {
            shape_of::<T>(function, version)
        }
    }
}
