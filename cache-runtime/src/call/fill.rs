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
        Codec, EncodeError, EncodedValue, Fidelity, FoundTags, Identity, Lifetime, MOST_TAGS, Meta, Negative, Revision,
        Split, Stamp, Ticket, Windows, is_encoded, unix_millis,
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
pub(super) struct LoadResult {
    /// What is stored, if it is.
    stored: Option<EncodedValue>,
    is_negative: bool,
    /// Whether an old entry is none any more, also if this is not stored.
    supersedes: bool,
    lifetime: Option<Lifetime>,
    tags: FoundTags,
    landed: Landing,
}

/// The same, and what the near cache would hold of it.
pub(super) type Prepared<H> = (LoadResult, Option<Held<H>>);

/// An entry that is to be stored.
pub(super) struct Filling {
    ticket: Ticket,
    meta: Meta,
    value: EncodedValue,
    tags: FoundTags,
    /// Whether it is stored for nothing but that the old entry is gone.
    is_blank: bool,
}

/// What was stored, as the near cache may keep it.
pub(super) struct Stored {
    kept: Kept,
    stamps: Vec<Stamp>,
}

impl Filling {
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

/// What is to be made of what a load has returned.
enum Intent {
    /// It is a value, which is not encoded yet. Whether it is to be stored.
    Value { result: LoadResult, fills: bool },
    /// It is none, and this is made of it. What it stands for in the near cache, if it may be there.
    Negative { result: LoadResult, absent: Option<u8> },
}

impl Lookup {
    /// What a load has returned, in the forms that are needed: encoded only if there is somebody to encode for.
    pub(super) fn prepare<R, T: LoadTerms<R>, N: Tier<ValueOf<R, T>>>(
        &self,
        waited_for: bool,
        may_fill: bool,
        returned: &R,
        disposition: Disposition,
    ) -> Prepared<N::Held> {
        let (mut result, fills) = match self.intent(disposition, may_fill) {
            Intent::Value { result, fills } => (result, fills),
            Intent::Negative { result, absent } => return (result, absent.map(Held::Absent)),
        };
        let prepared = T::Split::with_value(returned, |value| {
            let encoded = (waited_for || fills)
                .then(|| self.encode(value, waited_for))
                .flatten()?;
            let held = (fills && self.near.is_some()).then(|| N::hold(value).map(Held::Value));
            let landed = Landing::Value(LoadedValue::new::<_, N>(value, encoded.clone()));
            Some((encoded, landed, held.flatten()))
        });
        let held = prepared.flatten().and_then(|(encoded, landed, held)| {
            result.stored = Some(encoded).filter(|_| fills);
            result.landed = landed;
            held
        });
        (result, held)
    }

    /// What is to be made of what a load has returned.
    fn intent(&self, disposition: Disposition, may_fill: bool) -> Intent {
        let may_fill = may_fill && self.entry.is_some();
        let supersedes = !matches!(disposition, Disposition::Failed);
        let (lifetime, tags, fills) = match disposition {
            Disposition::Store(lifetime, tags) => {
                let are_good = self.are_good(&tags);
                (lifetime, tags, may_fill && are_good)
            }
            Disposition::Leave | Disposition::Failed => (None, FoundTags::new(), false),
            Disposition::Absent(depth) => {
                let result = self.negative(&Negative::Absent(depth), Landing::Absent(depth), may_fill);
                return Intent::Negative {
                    result,
                    absent: Some(depth),
                };
            }
            // Is the store's alone.
            Disposition::StoreError(error) => {
                let result = self.negative(&Negative::Error(error), Landing::Failed, may_fill);
                return Intent::Negative { result, absent: None };
            }
        };
        let result = LoadResult {
            stored: None,
            is_negative: false,
            supersedes,
            lifetime,
            tags,
            landed: Landing::Failed,
        };
        Intent::Value { result, fills }
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
    fn negative(&self, negative: &Negative, landed: Landing, may_fill: bool) -> LoadResult {
        let ttl = self.policies().negative_ttl().filter(|_| may_fill);
        LoadResult {
            stored: ttl.and_then(|_| negative.encode()),
            is_negative: true,
            supersedes: true,
            lifetime: ttl.map(Lifetime::new),
            tags: FoundTags::new(),
            landed,
        }
    }

    /// The value as it is stored; `None` if it cannot be, of which the function takes note.
    fn encode<V: Value>(&self, value: &V, waited_for: bool) -> Option<EncodedValue> {
        let (limit, fidelity) = self.encoding_terms(waited_for);
        let codec = self.codec();
        let encoded = codec.encode(value, limit, fidelity);
        self.note_encoded(encoded, codec, is_encoded::<V>())
    }

    fn codec(&self) -> Codec {
        let own = self.call.site.codec_of_its_own();
        own.unwrap_or(self.engine().settings.codec)
    }

    fn encoding_terms(&self, waited_for: bool) -> (usize, Fidelity) {
        let site = self.call.site;
        // Who waits is given a value of any size.
        let limit = if waited_for {
            usize::MAX
        } else {
            self.engine().settings.sealing.max_value_size
        };
        (limit, self.results.fidelity(site.path(), site.coherence().is_some()))
    }

    fn note_encoded(
        &self,
        encoded: Result<EncodedValue, EncodeError>,
        wanted: Codec,
        is_encoded_by_hand: bool,
    ) -> Option<EncodedValue> {
        let (site, results) = (self.call.site, self.results);
        let encoded = self.figures().noting(encoded);
        match &encoded {
            Ok(encoded) => {
                if !is_encoded_by_hand {
                    site.note_codec(wanted, encoded.codec);
                }
                results.note_faithful();
            }
            Err(EncodeError::Changed) => results.note_unfaithful(site.path(), "what would be stored is another value"),
            Err(EncodeError::TooLarge | EncodeError::Unwritable) => {}
        }
        encoded.ok()
    }

    /// Tells the waiters, and fills if there is a ticket. Returns what the near cache may keep.
    pub(super) async fn fill(
        &self,
        leader: Option<&Leader>,
        ticket: Option<Ticket>,
        loaded: LoadResult,
        load_duration: Duration,
    ) -> Option<Stored> {
        let filling = self.land(leader, ticket, loaded, load_duration)?;
        let (engine, span) = (self.engine(), fill_span(self.call.site.resource()));
        let filled = if filling.tags.is_empty() {
            let filling_in = engine.fill(self.figures(), &filling.ticket, filling.meta, &filling.value);
            filling_in.instrument(span).await
        } else {
            // Boxed: most functions have no tags, and all have room for this.
            let fill = filling.fill();
            Box::pin(engine.fill_tagged(self.figures(), &fill).instrument(span)).await
        };
        self.end_filling(filling, filled)
    }

    /// Tells the waiters. Returns what is to be stored.
    pub(super) fn land(
        &self,
        leader: Option<&Leader>,
        ticket: Option<Ticket>,
        loaded: LoadResult,
        load_duration: Duration,
    ) -> Option<Filling> {
        let LoadResult {
            stored,
            is_negative,
            supersedes,
            lifetime,
            tags,
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
            is_blank: false,
        })
    }

    /// Takes note of what was stored. Returns what the near cache may keep, under the stamps of tags among others; `None` if the
    /// function does not want that.
    pub(super) fn end_filling(&self, filling: Filling, filled: Option<Filled>) -> Option<Stored> {
        let Filled { tagged, entry, .. } = filled.filter(|_| !filling.is_blank)?;
        let (address, of_tags) = tagged.unzip();
        if let Some(address) = address {
            self.known.tags.set(address);
        }
        if self.record.is_none() && self.near.is_none() {
            return None;
        }
        let Filling {
            ticket, meta, value, ..
        } = filling;
        let revision = Revision::of(&entry);
        if let Some(record) = &self.record {
            record.is_stored(meta.ttl, revision);
        }
        self.near.as_ref()?;
        let kept = Kept {
            origin: Origin::Loaded,
            ttl: self.near_ttl(meta.ttl, meta.load_duration),
            revision,
            load_time: meta.load_duration.into(),
            size: value.estimated_size(),
            marked: ticket.stamps().len(),
        };
        let of_tags = of_tags.unwrap_or_default();
        let stamps = ticket.stamps().iter().copied().chain(of_tags).collect();
        Some(Stored { kept, stamps })
    }

    /// What was stored is kept in the process, too.
    pub(super) fn keep<V, N: Tier<V>>(&self, stored: Stored, held: Held<N::Held>) {
        if let Some(near) = &self.near {
            near.keep::<V, N>(stored.kept, held, &mut stored.stamps.into_iter());
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
fn blank(identity: Identity, ticket: &Ticket) -> Filling {
    Filling {
        ticket: ticket.void(),
        meta: Meta::new(identity, SHORTEST_TTL),
        value: EncodedValue::json(Bytes::from_static(b"null")),
        tags: FoundTags::new(),
        is_blank: true,
    }
}

fn windows_of(policies: &Policies) -> Windows {
    Windows {
        revalidate: policies.stale_while_revalidate().unwrap_or_default(),
        error: policies.stale_if_error().unwrap_or_default(),
    }
}
