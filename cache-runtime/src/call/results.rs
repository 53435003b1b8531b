//! What is known of the values that an annotated function stores: their shape, and whether they come back as they were.

use std::{
    any::{TypeId, type_name},
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use serde::de::DeserializeOwned;

use crate::{
    entry::{Fidelity, Function, Structure, identity},
    sync::Mutex,
};

/// So many results of a function are decoded again before they are stored, whatever their type, and after them fewer and fewer: not
/// all that may be lost shows in the type.
const ALWAYS_LOOKED_AT: u32 = 16;

/// After so many results in a row that did not come back as they were, a function is not cached any more.
const GIVEN_UP_AFTER: u32 = 8;

/// What the names of types with state behind a shared reference have in them.
const SHARED_STATE: &[&str] = &["Mutex<", "RwLock<", "Cell<", "::Atomic", "OnceLock<", "DashMap<"];

/// What is known of the values that one instance of a function stores.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) shape: u64,
    ty: &'static str,
    shown: Fidelity,
    flattens: bool,
    /// How many have been encoded.
    encoded: AtomicU32,
    /// How many in a row did not come back as they were.
    unfaithful: AtomicU32,
    warned: AtomicBool,
}

impl Results {
    fn of<T: DeserializeOwned>(function: Function, version: u32) -> Self {
        let Structure {
            fingerprint,
            fidelity,
            flattens,
        } = identity::structure_of::<T>(version);
        Self {
            shape: identity::shape(function.id(), fingerprint),
            ty: type_name::<T>(),
            shown: fidelity,
            flattens,
            encoded: AtomicU32::new(0),
            unfaithful: AtomicU32::new(0),
            warned: AtomicBool::new(false),
        }
    }

    /// What has to be looked at before the next value is stored. With the first one, says what cannot be seen in any.
    pub(crate) fn fidelity(&self, function: impl fmt::Display, is_near: bool) -> Fidelity {
        let before = self.encoded.fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            self.say_what_cannot_be_seen(function, is_near);
        }
        if before < ALWAYS_LOOKED_AT || before.is_power_of_two() || self.unfaithful.load(Ordering::Relaxed) != 0 {
            Fidelity::Unsure
        } else {
            self.shown
        }
    }

    fn say_what_cannot_be_seen(&self, function: impl fmt::Display, is_near: bool) {
        let ty = self.ty;
        if self.flattens {
            tracing::info!(
                "the result of {function}, {ty}, has a flattened field: of an `Option` whose parts may all be left out, `None` comes back \
                 as `Some` from a hit, and nothing that is stored tells them apart (docs/codecs.md)"
            );
        }
        if is_near && SHARED_STATE.iter().any(|cell| ty.contains(cell)) {
            tracing::warn!(
                "the result of {function}, {ty}, has state that can be changed through a clone: with `near` all callers are given the \
                 same (docs/codecs.md)"
            );
        }
    }

    /// Whether so many values in a row did not come back that no more are stored.
    pub(crate) fn is_given_up(&self) -> bool {
        self.unfaithful.load(Ordering::Relaxed) >= GIVEN_UP_AFTER
    }

    /// A value came back as it was.
    pub(crate) fn note_faithful(&self) {
        if self.unfaithful.load(Ordering::Relaxed) != 0 && !self.is_given_up() {
            self.unfaithful.store(0, Ordering::Relaxed);
        }
    }

    /// A value would come back as another one, or an entry of the function is none of its values. Says so once, and once when the
    /// function is given up.
    pub(crate) fn note_unfaithful(&self, function: impl fmt::Display, what: &str) {
        let before = self.unfaithful.fetch_add(1, Ordering::Relaxed);
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a result of {function} does not come back as it was: {what}; such results are returned and not stored \
                 (docs/codecs.md)"
            );
        }
        if before + 1 == GIVEN_UP_AFTER {
            tracing::warn!(
                "{GIVEN_UP_AFTER} results of {function} in a row did not come back as they were: it is not cached any more, until \
                 the program starts again"
            );
        }
    }
}

/// What is known of the values of one call site: of one instance, but for generic functions.
#[derive(Debug)]
pub(crate) struct ResultsBySite {
    first: OnceLock<(TypeId, Results)>,
    others: Mutex<Vec<(TypeId, &'static Results)>>,
}

impl ResultsBySite {
    pub(crate) const fn new() -> Self {
        Self {
            first: OnceLock::new(),
            others: Mutex::new(Vec::new()),
        }
    }

    /// What is known of the values of this instance of the site's function. Found out once for each.
    pub(crate) fn get<T: DeserializeOwned>(&'static self, function: Function, version: u32) -> &'static Results {
        let instance = function.instance();
        if let Some(known) = self.known(instance) {
            return known;
        }
        // Under no lock: this runs what is the user's, who may call the function again where a value is read or dropped.
        let found = (instance, Results::of::<T>(function, version));
        let Err((_, results)) = self.first.set(found) else {
            return self.get::<T>(function, version);
        };
        let mut others = self.others.lock();
        if let Some(known) = self.first_if(instance).or_else(|| find(&others, instance)) {
            return known;
        }
        // Kept for as long as the program has the instance.
        let results: &'static Results = Box::leak(Box::new(results));
        others.push((instance, results));
        results
    }

    fn known(&'static self, instance: TypeId) -> Option<&'static Results> {
        self.first_if(instance).or_else(|| {
            // Most functions have one instance.
            self.first.get()?;
            find(&self.others.lock(), instance)
        })
    }

    fn first_if(&'static self, instance: TypeId) -> Option<&'static Results> {
        let (ty, results) = self.first.get()?;
        (*ty == instance).then_some(results)
    }
}

fn find(others: &[(TypeId, &'static Results)], instance: TypeId) -> Option<&'static Results> {
    let (_, results) = others.iter().find(|(ty, _)| *ty == instance)?;
    Some(results)
}
