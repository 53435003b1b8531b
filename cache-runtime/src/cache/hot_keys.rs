//! Which calls of a resource are made most, so that the next process can make them before anybody asks.
//!
//! Counted is a sample of the calls, by *space-saving* (Metwally, Agrawal and El Abbadi, 2005): so many counters at most; who has none
//! takes over the smallest, and its count. What is called often is never missed, and what is called once leaves again.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::{key::SHARED_TENANT, sync::Mutex};

/// One call in so many is counted, as so many.
const SAMPLE: u8 = 8;

/// So many counters for each key that is wanted: those that are near the limit come and go.
const COUNTERS_PER_KEY: usize = 2;

/// The longest arguments that are kept, in bytes of their JSON.
const LONGEST: usize = 4 * 1024;

/// What the key of the value that the keys of a resource are kept as begins with.
pub(crate) const HOT: &str = "~hot:";

/// How long the keys are kept in the store without a process that saves them.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// A call that is made often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HotKey {
    /// The function's name.
    pub(crate) function: String,
    /// Escaped; `None` for the default one, and of what tenants share.
    pub(crate) tenant: Option<String>,
    /// The arguments in the key: the canonical JSON object.
    pub(crate) arguments: String,
    /// About how often it was made, the older the less.
    pub(crate) weight: u64,
}

impl HotKey {
    fn is_same(&self, other: &Self) -> bool {
        (&self.function, &self.tenant, &self.arguments) == (&other.function, &other.tenant, &other.arguments)
    }
}

/// What is counted of the calls of one cache.
#[derive(Debug, Default)]
pub(crate) struct HotKeys {
    /// Whether any are. Looked at by every call.
    is_on: AtomicBool,
    recorded: Mutex<HashMap<&'static str, Recorded>>,
}

/// What is counted of one resource: for the next start, for whoever watches, or for both.
#[derive(Debug, Default)]
struct Recorded {
    kept: Option<(Place, Sketch)>,
    watched: Option<Sketch>,
}

impl Recorded {
    fn sketches(&mut self) -> impl Iterator<Item = &mut Sketch> {
        let kept = self.kept.as_mut().map(|(_, sketch)| sketch);
        kept.into_iter().chain(&mut self.watched)
    }
}

/// Where the keys of a resource are kept.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) resource: &'static str,
    /// So many at most.
    pub(super) keys: usize,
    /// In place of the store.
    pub(super) file: Option<PathBuf>,
}

impl HotKeys {
    /// Counts the calls of a resource from here on, for the next start.
    pub(super) fn record(&self, place: Place) {
        let sketch = Sketch::new(place.keys.saturating_mul(COUNTERS_PER_KEY));
        let mut recorded = self.recorded.lock();
        let resource = place.resource;
        recorded.entry(resource).or_default().kept = Some((place, sketch));
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Counts the calls of these resources from here on, for whoever watches: so many of each.
    #[cfg(feature = "dashboard")]
    pub(crate) fn watch(&self, resources: impl IntoIterator<Item = &'static str>, keys: usize) {
        let mut recorded = self.recorded.lock();
        for resource in resources {
            let sketch = Sketch::new(keys.saturating_mul(COUNTERS_PER_KEY));
            recorded.entry(resource).or_default().watched = Some(sketch);
        }
        self.is_on.store(!recorded.is_empty(), Ordering::Relaxed);
    }

    /// Nobody watches any more.
    #[cfg(feature = "dashboard")]
    pub(crate) fn end_watch(&self) {
        let mut recorded = self.recorded.lock();
        recorded.retain(|_, recorded| {
            recorded.watched = None;
            recorded.kept.is_some()
        });
        self.is_on.store(!recorded.is_empty(), Ordering::Relaxed);
    }

    /// What was counted since somebody watches: each call with its resource.
    #[cfg(feature = "dashboard")]
    pub(crate) fn watched(&self) -> Vec<(&'static str, HotKey)> {
        let recorded = self.recorded.lock();
        let sketches = recorded
            .iter()
            .filter_map(|(resource, recorded)| Some((*resource, recorded.watched.as_ref()?)));
        let calls =
            sketches.flat_map(|(resource, sketch)| sketch.counters.values().map(move |key| (resource, key.clone())));
        calls.collect()
    }

    /// Whether a call is to be counted.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.is_on.load(Ordering::Relaxed) && fastrand::u8(..SAMPLE) == 0
    }

    /// Counts a call of this form, if those of its resource are; `arguments` are its tenant, escaped, and the JSON.
    #[cold]
    pub(crate) fn note(
        &self,
        resource: &'static str,
        function: &str,
        form: &[u8],
        arguments: impl FnOnce() -> Option<(Option<String>, Vec<u8>)>,
    ) {
        if self.count(resource, form) {
            return;
        }
        // Not under the lock: it runs the arguments' own code.
        let Some((tenant, json)) = arguments() else { return };
        let Some(arguments) = String::from_utf8(json).ok().filter(|json| json.len() <= LONGEST) else {
            return;
        };
        let key = HotKey {
            function: function.to_owned(),
            tenant,
            arguments,
            weight: 0,
        };
        if let Some(recorded) = self.recorded.lock().get_mut(resource) {
            recorded.sketches().for_each(|sketch| sketch.add(form, key.clone()));
        }
    }

    /// Counts a call that has a counter wherever its resource is counted; returns whether there is no more to do.
    fn count(&self, resource: &str, form: &[u8]) -> bool {
        let mut recorded = self.recorded.lock();
        let Some(recorded) = recorded.get_mut(resource) else {
            return true;
        };
        if recorded.sketches().any(|sketch| !sketch.counters.contains_key(form)) {
            return false;
        }
        recorded.sketches().for_each(|sketch| _ = sketch.count(form));
        true
    }

    /// The places of all resources that are recorded.
    pub(super) fn places(&self) -> Vec<Place> {
        let recorded = self.recorded.lock();
        let kept = recorded.values().filter_map(|recorded| recorded.kept.as_ref());
        kept.map(|(place, _)| place.clone()).collect()
    }

    fn take(&self, resource: &str) -> Vec<HotKey> {
        let mut recorded = self.recorded.lock();
        let kept = recorded.get_mut(resource).and_then(|recorded| recorded.kept.as_mut());
        kept.map(|(_, sketch)| sketch.take()).unwrap_or_default()
    }
}

/// The counters of one resource.
#[derive(Debug)]
struct Sketch {
    most: usize,
    /// By what each call is found by.
    counters: HashMap<Box<[u8]>, HotKey>,
}

impl Sketch {
    fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            counters: HashMap::new(),
        }
    }

    /// Counts a call that has a counter; returns whether it has.
    fn count(&mut self, form: &[u8]) -> bool {
        let counter = self.counters.get_mut(form);
        counter.map(|counter| counter.weight += u64::from(SAMPLE)).is_some()
    }

    /// Counts a call that had none.
    fn add(&mut self, form: &[u8], key: HotKey) {
        if self.count(form) {
            return;
        }
        let taken_over = if self.counters.len() < self.most {
            0
        } else {
            self.remove_smallest()
        };
        let weight = taken_over + u64::from(SAMPLE);
        self.counters.insert(form.into(), HotKey { weight, ..key });
    }

    fn remove_smallest(&mut self) -> u64 {
        let smallest = self.counters.iter().min_by_key(|(_, counter)| counter.weight);
        let smallest = smallest.map(|(form, _)| form.clone());
        let removed = smallest.and_then(|form| self.counters.remove(&form));
        removed.map_or(0, |removed| removed.weight)
    }

    /// What was counted; from here on it is counted anew.
    fn take(&mut self) -> Vec<HotKey> {
        std::mem::take(&mut self.counters).into_values().collect()
    }
}

/// What is kept when this was counted since: the older, the less it weighs.
fn merged(kept: Vec<HotKey>, counted: Vec<HotKey>, most: usize) -> Vec<HotKey> {
    let mut merged: Vec<HotKey> = kept
        .into_iter()
        .map(|key| HotKey {
            weight: key.weight - key.weight.div_ceil(16),
            ..key
        })
        .collect();
    for counted in counted {
        match merged.iter_mut().find(|key| key.is_same(&counted)) {
            Some(key) => key.weight = key.weight.saturating_add(counted.weight),
            None => merged.push(counted),
        }
    }
    merged.sort_by_key(|key| std::cmp::Reverse(key.weight));
    merged.truncate(most);
    merged
}

impl Engine {
    /// The keys that are kept of a resource, the most used one first. None, if there are none or they cannot be had.
    pub(super) async fn hot_keys_of(&self, place: &Place) -> Vec<HotKey> {
        match &place.file {
            Some(file) => read_file(file.clone()).await,
            None => self.value(SHARED_TENANT, &key_of(place.resource)).await,
        }
        .unwrap_or_default()
    }

    /// Adds what was counted to what is kept.
    pub(super) async fn save_hot_keys(&self, place: &Place) {
        let counted = self.hot_keys.take(place.resource);
        if counted.is_empty() {
            return;
        }
        let keys = merged(self.hot_keys_of(place).await, counted, place.keys);
        let is_saved = match &place.file {
            Some(file) => write_file(file.clone(), &keys).await.is_some(),
            None => {
                self.set_value(SHARED_TENANT, &key_of(place.resource), &keys, KEPT)
                    .await
            }
        };
        if !is_saved {
            let resource = place.resource;
            tracing::debug!(resource, "the keys that are used most could not be kept");
        }
    }
}

/// The key of a value, of no tenant, that the keys of a resource are kept as.
fn key_of(resource: &str) -> String {
    format!("{HOT}{resource}")
}

async fn read_file(file: PathBuf) -> Option<Vec<HotKey>> {
    let read = move || serde_json::from_slice(&std::fs::read(file).ok()?).ok();
    tokio::task::spawn_blocking(read).await.ok()?
}

async fn write_file(file: PathBuf, keys: &[HotKey]) -> Option<()> {
    let json = serde_json::to_vec(keys).ok()?;
    tokio::task::spawn_blocking(move || replace(&file, &json)).await.ok()?
}

/// Never half of it.
fn replace(file: &Path, content: &[u8]) -> Option<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(format!(".{}", std::process::id()));
    std::fs::write(&new, content).ok()?;
    std::fs::rename(&new, file).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(arguments: &str, weight: u64) -> HotKey {
        HotKey {
            function: "f".to_owned(),
            tenant: None,
            arguments: arguments.to_owned(),
            weight,
        }
    }

    #[test]
    fn what_is_called_often_is_found_among_many_that_are_called_once() {
        let mut sketch = Sketch::new(8);
        for n in 0..1000_u32 {
            for hot in [1, 2, 3] {
                let form = format!("hot {hot}");
                sketch.add(form.as_bytes(), key(&form, 0));
            }
            let form = format!("once {n}");
            sketch.add(form.as_bytes(), key(&form, 0));
        }
        assert_eq!(sketch.counters.len(), 8);
        let kept = merged(Vec::new(), sketch.take(), 3);
        let mut kept: Vec<_> = kept.iter().map(|key| &*key.arguments).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["hot 1", "hot 2", "hot 3"]);
    }

    #[test]
    fn what_was_used_once_weighs_less_each_time_and_leaves() {
        let mut kept = vec![key("old", 100)];
        for _ in 0..200 {
            kept = merged(kept, vec![key("new", 16)], 2);
        }
        assert_eq!(kept[0].arguments, "new");
        assert_eq!(kept[1], key("old", 0));
        kept = merged(kept, vec![key("newer", 16)], 2);
        assert!(kept.iter().all(|key| key.arguments != "old"), "{kept:?}");
    }

    #[test]
    fn one_call_of_two_tenants_is_two_calls() {
        let of_a = HotKey {
            tenant: Some("a".to_owned()),
            ..key("x", 8)
        };
        assert_eq!(merged(vec![key("x", 8)], vec![of_a], 5).len(), 2);
    }
}
