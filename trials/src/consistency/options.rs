use std::{collections::BTreeSet, fmt, str::FromStr};

use clap::{Args, ValueEnum};

/// `cargo xtask consistency`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// How long to go on, in seconds.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) seconds: u64,

    /// What is done, how long it takes and what goes wrong is drawn from this number.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,

    /// How many processes serve.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=32))]
    pub(super) nodes: u64,

    /// What goes wrong: `all`, `none`, or a list such as `kill,stop`.
    ///
    /// kill: Redis is killed and comes back, empty.
    /// stop: Redis stands still for a while (SIGSTOP).
    /// evict: keys are deleted at random, or Redis runs out of memory.
    /// partition: one node's connections to Redis go silent, slow, one-way, or away, some of them or all.
    /// node: a node is killed, and another one starts in its place.
    /// untrack: Redis closes the connections that report changes to near caches; only with --near tracked.
    ///
    /// Not in `all`, because what they bring back is bounded by the time-to-live only (docs/guarantees.md):
    ///
    /// failover: a replica is promoted that has missed the last writes.
    /// snapshot: Redis is killed and comes back with what it had saved a while before.
    ///
    /// Nor these, which are asked for by name:
    ///
    /// swapdb: Redis swaps the database for an empty one (SWAPDB), which it reports to nobody.
    /// takeover: the nodes use a cluster, a primary of which claims the slot of a stamp that another one has; with `node` alone.
    #[arg(long, default_value = "all", verbatim_doc_comment)]
    pub(super) faults: Faults,

    /// What is tested: this framework's protocol, or one of those that are known to be wrong, for comparison.
    #[arg(long, value_enum, default_value_t = Protocol::Stamps)]
    pub(super) protocol: Protocol,

    /// Which near cache the nodes have.
    #[arg(long, value_enum, default_value_t = Near::Off)]
    pub(super) near: Near,

    /// The functions return old values for a while: `stale_while_revalidate`, `stale_if_error`, a soft `load_timeout`, `refresh_ahead`.
    /// None of them may be older than an invalidation allows.
    #[arg(long)]
    pub(super) policies: bool,
}

/// How results are cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// `#[cached]` and `#[invalidates]` of cache-runtime.
    Stamps,
    /// SET after a load, DEL after a write.
    Delete,
    /// SET after a load; DEL before and after a write, and once more half a second later.
    DoubleDelete,
    /// Entries carry a number that a write increments.
    Counter,
}

/// Which near cache the nodes have, under the protocol `stamps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Near {
    /// None.
    Off,
    /// Redis reports changes.
    Tracked,
    /// The stamps are asked for on every call.
    Checked,
}

/// The name of a value as it is given on the command line.
pub(super) fn name_of(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value().expect("no value is hidden");
    value.get_name().to_owned()
}

impl Options {
    /// Those of `kinds` that go wrong in this run.
    pub(super) fn faults_among(&self, kinds: &[Fault]) -> Vec<Fault> {
        let mut faults = self.faults.among(kinds);
        faults.retain(|&fault| fault != Fault::Untrack || self.near == Near::Tracked);
        faults
    }
}

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    Kill,
    Stop,
    Evict,
    Partition,
    Node,
    Untrack,
    Failover,
    Snapshot,
    Swapdb,
    Takeover,
}

impl Fault {
    const EVERY: [Self; 10] = [
        Self::Kill,
        Self::Stop,
        Self::Evict,
        Self::Partition,
        Self::Node,
        Self::Untrack,
        Self::Failover,
        Self::Snapshot,
        Self::Swapdb,
        Self::Takeover,
    ];

    /// Whether acknowledged writes are lost: then old values may be back until their time-to-live is over.
    pub(super) fn loses_writes(self) -> bool {
        matches!(self, Self::Failover | Self::Snapshot)
    }

    /// Whether `all` has it.
    fn is_in_all(self) -> bool {
        !self.loses_writes() && !matches!(self, Self::Swapdb | Self::Takeover)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Evict => "evict",
            Self::Partition => "partition",
            Self::Node => "node",
            Self::Untrack => "untrack",
            Self::Failover => "failover",
            Self::Snapshot => "snapshot",
            Self::Swapdb => "swapdb",
            Self::Takeover => "takeover",
        }
    }
}

/// The kinds of faults of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Faults(BTreeSet<Fault>);

impl Faults {
    pub(super) fn contain(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// Those of `kinds` that were asked for.
    fn among(&self, kinds: &[Fault]) -> Vec<Fault> {
        kinds.iter().copied().filter(|&fault| self.contain(fault)).collect()
    }

    pub(super) fn lose_writes(&self) -> bool {
        self.0.iter().any(|fault| fault.loses_writes())
    }

    /// Whether some of them are reported to no near cache. Then whoever writes an item must not read it: a stamp that a reader creates
    /// anew is reported, and the others learn from that.
    pub(super) fn go_unreported(&self) -> bool {
        self.contain(Fault::Swapdb) || self.contain(Fault::Takeover)
    }

    /// Whether some of them do not happen to a cluster or its clients.
    pub(super) fn need_one_server(&self) -> bool {
        !self
            .0
            .iter()
            .all(|fault| matches!(fault, Fault::Takeover | Fault::Node))
    }

    /// Whether Redis answers all the time.
    pub(super) fn spare_redis(&self) -> bool {
        self.0.iter().all(|&fault| fault == Fault::Node)
    }
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut faults = BTreeSet::new();
        for word in text.split(',') {
            match (word, Fault::EVERY.into_iter().find(|fault| fault.name() == word)) {
                ("all", _) => faults.extend(Fault::EVERY.into_iter().filter(|fault| fault.is_in_all())),
                ("none", _) => {}
                (_, Some(fault)) => {
                    faults.insert(fault);
                }
                (_, None) => {
                    let names = Fault::EVERY.map(Fault::name).join(", ");
                    return Err(format!("`{word}` is no fault: write all, none, or some of {names}"));
                }
            }
        }
        Ok(Self(faults))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|fault| fault.name()).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_what_the_strict_guarantee_covers() {
        let all: Faults = "all".parse().unwrap();
        assert_eq!(all.to_string(), "kill,stop,evict,partition,node,untrack");
        assert!(!all.lose_writes());
    }

    #[test]
    fn lists_add_up() {
        let faults: Faults = "all,failover".parse().unwrap();
        assert!(faults.contain(Fault::Kill) && faults.lose_writes());
        assert_eq!("none".parse::<Faults>().unwrap().to_string(), "none");
    }

    #[test]
    fn an_unknown_fault_is_named_with_the_known_ones() {
        let error = "kill,fire".parse::<Faults>().unwrap_err();
        assert!(error.contains("`fire`") && error.contains("partition"), "{error}");
    }
}
