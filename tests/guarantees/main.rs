//! Guarantees: what mutations and invalidations make unusable, when, and what they leave alone; and the invariants of the
//! protocol on which that rests. See `docs/guarantees.md` and `docs/protocol.md`.

mod bulk_tags;
mod cache_resources;
mod clocks;
mod conditions;
mod crash_safe;
mod dropped_mutations;
mod group_parameters;
mod invalidation;
mod minimal_store;
mod nobody;
mod protocol;
mod reads_in_mutations;
mod several_caches;
mod several_values;
mod soft;
mod sweeps;
mod tags;
mod transactions;
