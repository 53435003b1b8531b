//! Models of the protocol, checked exhaustively within their bounds, and the known-bad protocols, for which the checker must
//! find a counterexample: a model that cannot fail proves nothing. See `docs/models.md`.

mod check;
mod crash_safe;
mod failover;
mod liveness;
mod near;
mod protocol;
mod soft;
mod tags;
mod terms;
