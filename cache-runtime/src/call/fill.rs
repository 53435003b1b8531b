//! The third stage of a call: what was loaded is encoded, handed on to those who waited for it, kept, and stored.

use std::time::Duration;

use super::{lookup::Lookup, value::Value};
use crate::{
    entry::{EncodeError, EncodedValue, Meta, Split, Ticket, is_encoded},
    loads::{Landing, Leader, LoadedValue},
    near::{Origin, tier::Tier},
};

/// What a load has returned, as it is stored, kept and given to those who waited for it.
pub(super) struct LoadResult<N: Tier<T>, T> {
    encoded: Option<EncodedValue>,
    /// For the near cache.
    held: Option<N::Held>,
    landed: Landing,
}

impl Lookup<'_> {
    /// What a load has returned, in the forms that are needed. Encodes only if there is somebody to encode for.
    pub(super) fn prepare<R, S: Split<R>, N: Tier<S::Value>>(
        &self,
        leader: Option<&Leader>,
        ticket: Option<&Ticket>,
        returned: &R,
    ) -> LoadResult<N, S::Value>
    where
        S::Value: Value,
    {
        let filling = self.entry.is_some() && ticket.is_some();
        let waited_for = leader.is_some_and(Leader::has_waiters);
        let (encoded, landed, held) = S::with_value(returned, |value| {
            let encoded = (waited_for || filling)
                .then(|| self.encode(value, waited_for))
                .flatten();
            let landed = encoded.as_ref().map_or(Landing::Failed, |encoded| {
                Landing::Value(LoadedValue::new::<_, N>(value, encoded.clone()))
            });
            let held = (filling && encoded.is_some() && self.near.is_some()).then(|| N::hold(value));
            (encoded, landed, held.flatten())
        })
        .unwrap_or_else(|| {
            let landed = S::absence(returned).map_or(Landing::Failed, Landing::Absent);
            (None, landed, None)
        });
        LoadResult { encoded, held, landed }
    }

    /// The value as it is stored; `None` if it cannot be, of which the function takes note.
    fn encode<T: Value>(&self, value: &T, waited_for: bool) -> Option<EncodedValue> {
        let site = self.call.site;
        let engine = self.engine();
        // Who waits is given a value of any size.
        let limit = if waited_for {
            usize::MAX
        } else {
            engine.settings.sealing.max_value_size
        };
        let results = self.results;
        let fidelity = results.fidelity(site.path(), site.coherence().is_some());
        let encoded = engine.encode(value, site.written_in(), limit, fidelity);
        match &encoded {
            Ok(encoded) => {
                if !is_encoded::<T>() {
                    site.note_codec(encoded.codec);
                }
                results.note_faithful();
            }
            Err(EncodeError::Changed) => results.note_unfaithful(site.path(), "what would be stored is another value"),
            Err(EncodeError::TooLarge | EncodeError::Unwritable) => {}
        }
        encoded.ok()
    }

    /// Tells the waiters and fills, if there is a ticket.
    pub(super) async fn fill<T, N: Tier<T>>(
        &self,
        leader: Option<Leader>,
        ticket: Option<Ticket>,
        loaded: LoadResult<N, T>,
        load_duration: Duration,
    ) {
        let LoadResult { encoded, held, landed } = loaded;
        if let Some(leader) = &leader {
            leader.land(landed);
        }
        let overtaken = leader.as_ref().is_some_and(Leader::is_detached);
        let filling = self.entry.as_ref().zip(ticket);
        let (Some((entry, ticket)), Some(encoded), false) = (filling, encoded, overtaken) else {
            return;
        };
        let meta = Meta {
            identity: entry.identity,
            ttl: self.call.ttl,
            load_duration,
        };
        let filled = self.engine().fill(&ticket, meta, &encoded).await;
        if let (Some(near), Some(held), true) = (&self.near, held, filled) {
            let stamps = ticket.stamps().iter().copied();
            near.keep::<T, N>(Origin::Loaded, held, stamps, self.call.ttl, encoded.len());
        }
    }
}
