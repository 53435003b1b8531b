//! What a server says of itself, for those who look for what is wrong with it.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// What one server of a store says of itself. What it does not say, or may not be asked, is missing.
///
/// The facts alone: what to make of them is the business of `doctor` in `commands`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ServerReport {
    /// Where it is.
    pub address: String,
    /// Why it says nothing, if it cannot be reached.
    pub unreachable: Option<String>,
    /// The fields of `INFO`.
    pub info: BTreeMap<String, String>,
    /// The settings that were asked for, by `CONFIG GET`; `None` if that is not allowed.
    pub config: Option<BTreeMap<String, String>>,
    /// The fields of `CLUSTER INFO`; none of a server that is in no cluster.
    pub cluster: BTreeMap<String, String>,
    /// How long each of some round trips took, in microseconds, the shortest first.
    pub round_trips_us: Vec<u64>,
    /// By how much its clock is ahead of that of this machine, in milliseconds: less than half a round trip off.
    pub clock_ahead_ms: Option<i64>,
    /// How many keys there are.
    pub keys: Option<u64>,
    /// The commands of its slow log, the newest first: the name, and how long it took in microseconds.
    pub slow_commands: Vec<(String, u64)>,
    /// The rights that the user does not have.
    pub missing_rights: Vec<MissingRight>,
    /// Why changes of stamps cannot be followed, which `near = "tracked"` needs; `None` if they can.
    pub tracking_refused: Option<String>,
    /// What it answers to a write that changes nothing, if that is an error.
    pub write_refused: Option<String>,
    /// Whether the connection is encrypted, or leads to a socket on this machine.
    pub is_private: bool,
    /// Whether a user or a password was given.
    pub is_authenticated: bool,
}

/// A right that a user does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MissingRight {
    /// The command.
    pub command: String,
    /// On which keys; empty if it is about none.
    pub keys: String,
    /// What it is needed for.
    pub purpose: String,
}

impl MissingRight {
    /// This one.
    pub fn new(command: impl Into<String>, keys: impl Into<String>, purpose: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            keys: keys.into(),
            purpose: purpose.into(),
        }
    }
}

impl ServerReport {
    /// Of a server that has said nothing yet.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            ..Self::default()
        }
    }

    /// A field of `INFO`.
    pub fn info(&self, field: &str) -> Option<&str> {
        self.info.get(field).map(String::as_str)
    }

    /// A setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.config.as_ref()?.get(name).map(String::as_str)
    }

    /// The round trip that this part of them, from 0 to 1, did not take longer than.
    pub fn round_trip(&self, part: f64) -> Option<Duration> {
        let last = self.round_trips_us.len().checked_sub(1)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "a place among a few dozen"
        )]
        let place = (part.clamp(0.0, 1.0) * last as f64).round() as usize;
        self.round_trips_us.get(place).copied().map(Duration::from_micros)
    }
}
