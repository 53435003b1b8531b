//! Stays of guests at places, each until a time of its own: those of writers in holds, and of holders of leases.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::clock::moment_after;

use crate::sync::Mutex;

/// Guests by place, each until a time of its own.
#[derive(Debug, Default)]
pub(super) struct Stays(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    guests: HashMap<String, HashMap<u64, Instant>>,
    /// With more places than this, those that are empty by now are looked for.
    prune_above: usize,
}

impl Stays {
    /// Lets a guest stay from now for `lasting`; with zero it leaves.
    pub(super) fn stay(&self, place: &str, guest: u64, lasting: Duration) {
        self.0.lock().stay(place, guest, lasting);
    }

    /// As [`stay`](Self::stay), unless another guest is there. Returns whether the guest stays.
    pub(super) fn stay_alone(&self, place: &str, guest: u64, lasting: Duration) -> bool {
        let mut places = self.0.lock();
        let alone = places
            .at(place)
            .is_none_or(|guests| guests.keys().all(|other| *other == guest));
        if alone {
            places.stay(place, guest, lasting);
        }
        alone
    }

    /// As [`stay`](Self::stay), if the guest is there.
    pub(super) fn stay_longer(&self, place: &str, guest: u64, lasting: Duration) {
        let mut places = self.0.lock();
        if places.at(place).is_some_and(|guests| guests.contains_key(&guest)) {
            places.stay(place, guest, lasting);
        }
    }

    /// All guests leave.
    pub(super) fn end(&self, place: &str) {
        self.0.lock().guests.remove(place);
    }

    /// The places where anybody is.
    pub(super) fn places(&self) -> Vec<String> {
        let (places, now) = (self.0.lock(), Instant::now());
        let taken = places
            .guests
            .iter()
            .filter(|(_, guests)| guests.values().any(|until| *until > now));
        taken.map(|(place, _)| place.clone()).collect()
    }

    /// The guest who stays there longest, and until when.
    pub(super) fn last_guest(&self, place: &str) -> Option<(u64, Instant)> {
        let mut places = self.0.lock();
        let guests = places.at(place)?.iter().max_by_key(|(_, until)| **until);
        guests.map(|(guest, until)| (*guest, *until))
    }

    pub(super) fn anyone(&self, place: &str) -> bool {
        self.0.lock().at(place).is_some()
    }
}

impl Places {
    /// Those who are there now, if anybody is.
    fn at(&mut self, place: &str) -> Option<&HashMap<u64, Instant>> {
        let now = Instant::now();
        let guests = self.guests.get_mut(place)?;
        guests.retain(|_, until| *until > now);
        if guests.is_empty() {
            self.guests.remove(place);
        }
        self.guests.get(place)
    }

    fn stay(&mut self, place: &str, guest: u64, lasting: Duration) {
        let now = Instant::now();
        let guests = self.guests.entry(place.to_owned()).or_default();
        match moment_after(lasting) {
            until if until > now => guests.insert(guest, until),
            _ => guests.remove(&guest),
        };
        if self.guests.len() > self.prune_above.max(1024) {
            self.guests
                .retain(|_, guests| guests.values().any(|until| *until > now));
            self.prune_above = self.guests.len() * 2;
        }
    }
}
