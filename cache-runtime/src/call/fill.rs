//! The third stage of a call: what was loaded is encoded, handed on to those who waited for it, kept, and stored.

use std::time::Duration;

use bytes::Bytes;
use tracing::{Instrument as _, Span};

use super::{
    lookup::Lookup,
    terms::{Disposition, LoadTerms, ValueOf},
    value::Value,
};
use crate::{
    cache::{Fill, Filled},
    entry::{
        EncodeError, EncodedValue, FoundTags, Identity, Lifetime, MOST_TAGS, Meta, Negative, Revision, Split, Stamp,
        Ticket, Windows, is_encoded, unix_millis,
    },
    key::UNSHOWN,
    loads::{Landing, Leader, LoadedValue},
    near::{Held, Kept, Origin, tier::Tier},
    resource::Policies,
};

/// The span in which what was loaded is stored.
pub(super) fn fill_span(resource: &'static str) -> Span {
    tracing::debug_span!("cache.fill", resource)
}

/// What a store can count.
const SHORTEST_TTL: Duration = Duration::from_millis(1);

/// What a load has returned, as it is stored, kept and given to those who waited for it.
pub(super) struct LoadResult<N: Tier<T>, T> {
    /// What is stored, if it is.
    stored: Option<EncodedValue>,
    is_negative: bool,
    /// Whether an old entry is none any more, also if this is not stored.
    supersedes: bool,
    lifetime: Option<Lifetime>,
    tags: FoundTags,
    /// For the near cache.
    held: Option<Held<N::Held>>,
    landed: Landing,
}

/// An entry that is to be stored.
pub(super) struct Filling<N: Tier<T>, T> {
    ticket: Ticket,
    meta: Meta,
    value: EncodedValue,
    tags: FoundTags,
    /// For the near cache.
    held: Option<Held<N::Held>>,
    /// Whether it is stored for nothing but that the old entry is gone.
    is_blank: bool,
}

impl<N: Tier<T>, T> Filling<N, T> {
    /// What the store is given.
    pub(super) fn fill(&self) -> Fill<'_> {
        Fill {
            ticket: &self.ticket,
            meta: self.meta,
            value: &self.value,
            tags: &self.tags,
        }
    }
}

impl Lookup {
    /// What a load has returned, in the forms that are needed. Encodes only if there is somebody to encode for.
    pub(super) fn prepare<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &self,
        leader: Option<&Leader>,
        may_fill: bool,
        returned: &R,
        disposition: Disposition,
    ) -> LoadResult<N, ValueOf<R, T>> {
        let waited_for = leader.is_some_and(Leader::has_waiters);
        let may_fill = may_fill && self.entry.is_some();
        let supersedes = !matches!(disposition, Disposition::Failed);
        let (lifetime, tags, filling) = match disposition {
            Disposition::Store(lifetime, tags) => {
                let are_good = self.are_good(&tags);
                (lifetime, tags, may_fill && are_good)
            }
            Disposition::Leave | Disposition::Failed => (None, FoundTags::new(), false),
            Disposition::Absent(depth) => {
                return self.negative(&Negative::Absent(depth), Landing::Absent(depth), may_fill);
            }
            Disposition::StoreError(error) => return self.negative(&Negative::Error(error), Landing::Failed, may_fill),
        };
        let prepared = T::Split::with_value(returned, |value| {
            let encoded = (waited_for || filling)
                .then(|| self.encode(value, waited_for))
                .flatten();
            let landed = encoded.as_ref().map_or(Landing::Failed, |encoded| {
                Landing::Value(LoadedValue::new::<_, N>(value, encoded.clone()))
            });
            let held = (filling && encoded.is_some() && self.near.is_some()).then(|| N::hold(value).map(Held::Value));
            (encoded, landed, held.flatten())
        });
        let (encoded, landed, held) = prepared.unwrap_or((None, Landing::Failed, None));
        LoadResult {
            stored: encoded.filter(|_| filling),
            is_negative: false,
            supersedes,
            lifetime,
            tags,
            held,
            landed,
        }
    }

    /// Whether a result with these tags can be stored; otherwise that is said once.
    fn are_good(&self, tags: &FoundTags) -> bool {
        let site = self.call.site;
        if tags.len() > MOST_TAGS {
            site.warn_of_tags("has more than 32 tags");
        } else if tags.iter().any(|(_, value)| value == UNSHOWN) {
            site.warn_of_tags("has a tag whose `Display` returned an error");
        } else {
            return true;
        }
        false
    }

    /// A result that is no value, stored for the function's `negative_ttl`.
    fn negative<N: Tier<V>, V>(&self, negative: &Negative, landed: Landing, may_fill: bool) -> LoadResult<N, V> {
        let ttl = self.policies().negative_ttl().filter(|_| may_fill);
        let held = match negative {
            Negative::Absent(depth) => Some(Held::Absent(*depth)),
            // Is the store's alone.
            Negative::Error(_) => None,
        };
        LoadResult {
            stored: ttl.and_then(|_| negative.encode()),
            is_negative: true,
            supersedes: true,
            lifetime: ttl.map(Lifetime::new),
            tags: FoundTags::new(),
            held,
            landed,
        }
    }

    /// The value as it is stored; `None` if it cannot be, of which the function takes note.
    fn encode<V: Value>(&self, value: &V, waited_for: bool) -> Option<EncodedValue> {
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
        let encoded = self.figures().noting(site.written_in().encode(value, limit, fidelity));
        match &encoded {
            Ok(encoded) => {
                if !is_encoded::<V>() {
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
    pub(super) async fn fill<V, N: Tier<V>>(
        &self,
        leader: Option<Leader>,
        ticket: Option<Ticket>,
        loaded: LoadResult<N, V>,
        load_duration: Duration,
    ) {
        if let Some(filling) = self.land(leader.as_ref(), ticket, loaded, load_duration) {
            let span = fill_span(self.call.site.resource());
            if !filling.tags.is_empty() {
                // Boxed: most functions have no tags, and all have room for this.
                return Box::pin(self.fill_tagged(filling).instrument(span)).await;
            }
            let Filling {
                ticket, meta, value, ..
            } = &filling;
            let filling_in = self.engine().fill(self.figures(), ticket, *meta, value);
            let filled = filling_in.instrument(span).await;
            self.end_filling(filling, filled);
        }
    }

    /// As [`fill`](Self::fill), under the stamps of tags, too.
    async fn fill_tagged<V, N: Tier<V>>(&self, filling: Filling<N, V>) {
        let filled = self.engine().fill_tagged(self.figures(), &filling.fill()).await;
        self.end_filling(filling, filled);
    }

    /// Tells the waiters. Returns what is to be stored.
    pub(super) fn land<V, N: Tier<V>>(
        &self,
        leader: Option<&Leader>,
        ticket: Option<Ticket>,
        loaded: LoadResult<N, V>,
        load_duration: Duration,
    ) -> Option<Filling<N, V>> {
        let LoadResult {
            stored,
            is_negative,
            supersedes,
            lifetime,
            tags,
            held,
            landed,
        } = loaded;
        // Before it lands: a flight that lands with an error is left at once, whether its error is stored or not.
        let overtaken = leader.is_some_and(Leader::is_detached);
        if let Some(leader) = leader {
            leader.land(landed);
        }
        if let Some(record) = &self.record {
            record.has_loaded(load_duration);
        }
        let (entry, ticket) = self.entry.as_ref().zip(ticket).filter(|_| !overtaken)?;
        let Some(value) = stored else {
            return (supersedes && self.has_old).then(|| blank(entry.identity, &ticket));
        };
        let lifetime = lifetime.unwrap_or_else(|| Lifetime::new(self.call.ttl));
        let meta = Meta {
            identity: entry.identity,
            created_at: unix_millis(),
            ttl: self.jittered(lifetime.ttl()),
            windows: self.windows(lifetime, is_negative),
            load_duration,
            is_negative,
        };
        Some(Filling {
            ticket,
            meta,
            value,
            tags,
            held,
            is_blank: false,
        })
    }

    /// Keeps what was stored in the process, too.
    pub(super) fn end_filling<V, N: Tier<V>>(&self, filling: Filling<N, V>, filled: Option<Filled>) {
        let Some(Filled { tagged, .. }) = filled.filter(|_| !filling.is_blank) else {
            return;
        };
        let (address, of_tags) = tagged.unzip();
        if let Some(address) = address {
            self.known.tags.set(address);
        }
        self.keep(filling, &of_tags.unwrap_or_default());
    }

    /// What was stored, under these stamps of tags among others, is kept in the process, too.
    fn keep<V, N: Tier<V>>(&self, filling: Filling<N, V>, of_tags: &[Stamp]) {
        let Filling {
            ticket,
            meta,
            value,
            held,
            ..
        } = filling;
        let load_time = meta.load_duration.into();
        let stamps = || ticket.stamps().iter().copied().chain(of_tags.iter().copied());
        let revision = || Revision::new(&meta.identity, meta.created_at, load_time, stamps());
        if let Some(record) = &self.record {
            record.is_stored(meta.ttl, revision());
        }
        if let (Some(near), Some(held)) = (&self.near, held) {
            let kept = Kept {
                origin: Origin::Loaded,
                ttl: self.near_ttl(meta.ttl, || meta.load_duration),
                revision: revision(),
                load_time,
                encoded: value.len(),
                marked: ticket.stamps().len(),
            };
            near.keep::<V, N>(kept, held, stamps());
        }
    }

    /// A time-to-live, shortened by a random part of what it may be shortened by.
    fn jittered(&self, ttl: Duration) -> Duration {
        let most = self.policies().jitter().unwrap_or(self.engine().settings.jitter);
        if most > 0.0 {
            // Not down to nothing.
            ttl.mul_f64(1.0 - most.min(1.0) * fastrand::f64())
                .max(SHORTEST_TTL.min(ttl))
        } else {
            ttl
        }
    }

    /// For how long the entry is of use after its time-to-live. What says that there is nothing is of none.
    fn windows(&self, lifetime: Lifetime, is_negative: bool) -> Windows {
        if is_negative {
            Windows::default()
        } else {
            lifetime.windows(windows_of(self.policies()))
        }
    }
}

/// What an old entry is overwritten with when a load has said that it is none any more: an entry that is valid for nobody, for a moment.
fn blank<N: Tier<V>, V>(identity: Identity, ticket: &Ticket) -> Filling<N, V> {
    Filling {
        ticket: ticket.void(),
        meta: Meta::new(identity, SHORTEST_TTL),
        value: EncodedValue::json(Bytes::from_static(b"null")),
        tags: FoundTags::new(),
        held: None,
        is_blank: true,
    }
}

fn windows_of(policies: &Policies) -> Windows {
    Windows {
        revalidate: policies.stale_while_revalidate().unwrap_or_default(),
        error: policies.stale_if_error().unwrap_or_default(),
    }
}
