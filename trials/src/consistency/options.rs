use std::{collections::BTreeSet, str::FromStr, time::Duration};

use anyhow::{Result, bail, ensure};
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

    /// Who writes: the nodes, or programs that know nothing of the framework; these change rows of a database by every kind of
    /// statement, and the nodes follow its changes.
    #[arg(long, value_enum, default_value_t = Writers::Nodes)]
    pub(super) writers: Writers,

    /// The database of --writers sql; postgres if nothing is said.
    #[arg(long, value_enum)]
    pub(super) database: Option<Database>,

    /// How long after a commit of --writers sql an old row may be served while nothing is wrong, in milliseconds; 1000 if nothing
    /// is said.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) lag_ms: Option<u64>,

    /// What goes wrong: `all`, `none`, or a list such as `kill,stop`.
    ///
    /// kill: Redis is killed and comes back, empty.
    /// stop: Redis stands still for a while (SIGSTOP).
    /// evict: keys are deleted at random, or Redis runs out of memory.
    /// partition: one node's connections to Redis go silent, slow, one-way, or away, some of them or all.
    /// node: a node is killed, and another one starts in its place.
    /// untrack: Redis closes the connections that report changes to near caches; only with --near tracked.
    ///
    /// With --writers sql, as part of `all`, too:
    ///
    /// database: the database is restarted or killed; of SQLite somebody holds the lock for a while.
    /// cut: connections to the database are ended by it, go silent, or are reset or refused; not of SQLite.
    /// step: the relay at work is killed between two of its steps, or in the middle of one.
    /// twins: a node stands still while another one takes over its relay's work, and goes on as if it had that still.
    ///
    /// Not in `all`, because what they bring back is bounded by the time-to-live only (docs/guarantees.md):
    ///
    /// failover: a replica is promoted that has missed the last writes.
    /// snapshot: Redis is killed and comes back with what it had saved a while before.
    ///
    /// Nor these, which are asked for by name, like them without --writers sql:
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

    /// The functions return old values for a while: `stale_while_revalidate`, `stale_if_error`, a soft `load_timeout`, `refresh_ahead`, of
    /// one value longer than of another one; some hits are verified, and some reads made in `refresh`, `bypass` or `peek`. None of what they
    /// return may be older than an invalidation allows.
    #[arg(long)]
    pub(super) policies: bool,
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Writers {
    /// Callers of the service, through functions that invalidate.
    Nodes,
    /// Programs that know nothing of the framework.
    Sql,
}

/// The database that such programs write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Database {
    /// A server of its own.
    Postgres,
    /// A file.
    Sqlite,
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
    /// With --writers sql: relays that remove changes before they invalidate.
    AcknowledgeFirst,
    /// With --writers sql: no trigger for DELETE.
    Untriggered,
}

impl Protocol {
    /// Whether it is about changes that others make.
    pub(super) fn follows_changes(self) -> bool {
        matches!(self, Self::Stamps | Self::AcknowledgeFirst | Self::Untriggered)
    }

    /// Whether it is about changes that nodes make.
    pub(super) fn invalidates(self) -> bool {
        !matches!(self, Self::AcknowledgeFirst | Self::Untriggered)
    }
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
        let happens = |fault: &Fault| self.faults.contain(*fault) && self.lets_happen(*fault);
        kinds.iter().copied().filter(happens).collect()
    }

    /// Their names.
    pub(super) fn fault_names(&self) -> String {
        names(self.faults_among(&Fault::EVERY))
    }

    /// Whether there is what that happens to.
    fn lets_happen(&self, fault: Fault) -> bool {
        match fault {
            Fault::Untrack => self.near == Near::Tracked,
            Fault::Cut => self.writers == Writers::Sql && self.database != Some(Database::Sqlite),
            fault => self.writers == Writers::Sql || !fault.needs_changes(),
        }
    }

    /// The database of writers that use one.
    pub(super) fn database(&self) -> Database {
        self.database.unwrap_or(Database::Postgres)
    }

    /// How long after a commit of such a writer an old row may be served.
    pub(super) fn lag(&self) -> Duration {
        Duration::from_millis(self.lag_ms.unwrap_or(1_000))
    }

    /// Whether all this can be tested together.
    ///
    /// # Errors
    ///
    /// If not, and why.
    pub(super) fn check(&self) -> Result<()> {
        let name = name_of(&self.protocol);
        ensure!(
            self.near == Near::Off
                || !matches!(
                    self.protocol,
                    Protocol::Delete | Protocol::DoubleDelete | Protocol::Counter
                ),
            "--near {} needs --protocol stamps: {name} has no near cache",
            name_of(&self.near)
        );
        ensure!(
            !self.policies || self.protocol == Protocol::Stamps,
            "--policies needs --protocol stamps: the others have none"
        );
        match self.writers {
            Writers::Nodes => self.check_for_nodes(),
            Writers::Sql => self.check_for_sql(),
        }
    }

    fn check_for_nodes(&self) -> Result<()> {
        let name = name_of(&self.protocol);
        ensure!(
            self.database.is_none() && self.lag_ms.is_none(),
            "--database or --lag-ms needs --writers sql: nodes invalidate what they write"
        );
        ensure!(self.protocol.invalidates(), "--protocol {name} needs --writers sql");
        if let Some(fault) = self.faults.named.iter().find(|fault| fault.needs_changes()) {
            bail!("--faults {} needs --writers sql", fault.name());
        }
        let of_cluster = self.faults.contain(Fault::Takeover);
        ensure!(
            !of_cluster || self.protocol == Protocol::Stamps && !self.faults.need_one_server(),
            "--faults takeover is about a cluster: it goes with node alone, and with --protocol stamps"
        );
        Ok(())
    }

    fn check_for_sql(&self) -> Result<()> {
        let name = name_of(&self.protocol);
        ensure!(
            self.protocol.follows_changes(),
            "--protocol {name} needs --writers nodes: it learns of no change that others make"
        );
        ensure!(!self.policies, "--policies needs --writers nodes");
        if let Some(fault) = self.faults.named.iter().find(|fault| !fault.is_in_all()) {
            bail!("--faults {} needs --writers nodes", fault.name());
        }
        ensure!(
            !self.faults.named.contains(&Fault::Cut) || self.lets_happen(Fault::Cut),
            "--faults cut needs --database postgres: there are no connections to a file"
        );
        Ok(())
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
    Database,
    Cut,
    Step,
    Twins,
}

impl Fault {
    const EVERY: [Self; 14] = [
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
        Self::Database,
        Self::Cut,
        Self::Step,
        Self::Twins,
    ];

    /// Whether acknowledged writes are lost: then old values may be back until their time-to-live is over.
    pub(super) fn loses_writes(self) -> bool {
        matches!(self, Self::Failover | Self::Snapshot)
    }

    /// Whether `all` has it.
    fn is_in_all(self) -> bool {
        !self.loses_writes() && !matches!(self, Self::Swapdb | Self::Takeover)
    }

    /// Whether it happens to those who follow the changes of a database.
    fn needs_changes(self) -> bool {
        matches!(self, Self::Database | Self::Cut | Self::Step | Self::Twins)
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
            Self::Database => "database",
            Self::Cut => "cut",
            Self::Step => "step",
            Self::Twins => "twins",
        }
    }
}

/// The kinds of faults that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Faults {
    named: BTreeSet<Fault>,
    /// Those that go by that name, too.
    all: bool,
}

impl Faults {
    pub(super) fn contain(&self, fault: Fault) -> bool {
        self.named.contains(&fault) || self.all && fault.is_in_all()
    }

    fn iter(&self) -> impl Iterator<Item = Fault> {
        Fault::EVERY.into_iter().filter(|&fault| self.contain(fault))
    }

    pub(super) fn lose_writes(&self) -> bool {
        self.iter().any(Fault::loses_writes)
    }

    /// Whether some of them are reported to no near cache. Then whoever writes an item must not read it: a stamp that a reader creates
    /// anew is reported, and the others learn from that.
    pub(super) fn go_unreported(&self) -> bool {
        self.contain(Fault::Swapdb) || self.contain(Fault::Takeover)
    }

    /// Whether some of them do not happen to a cluster or its clients.
    pub(super) fn need_one_server(&self) -> bool {
        !self.iter().all(|fault| matches!(fault, Fault::Takeover | Fault::Node))
    }

    /// Whether Redis answers all the time.
    pub(super) fn spare_redis(&self) -> bool {
        self.iter().all(|fault| fault == Fault::Node)
    }
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut faults = Self {
            named: BTreeSet::new(),
            all: false,
        };
        for word in text.split(',') {
            match (word, Fault::EVERY.into_iter().find(|fault| fault.name() == word)) {
                ("all", _) => faults.all = true,
                ("none", _) => {}
                (_, Some(fault)) => {
                    faults.named.insert(fault);
                }
                (_, None) => {
                    let names = Fault::EVERY.map(Fault::name).join(", ");
                    return Err(format!("`{word}` is no fault: write all, none, or some of {names}"));
                }
            }
        }
        Ok(faults)
    }
}

fn names(faults: Vec<Fault>) -> String {
    let names: Vec<_> = faults.into_iter().map(Fault::name).collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &str) -> Options {
        let words = std::iter::once("consistency").chain(arguments.split_whitespace());
        <Command as clap::Parser>::parse_from(words).options
    }

    #[test]
    fn all_is_what_the_strict_guarantee_covers() {
        assert_eq!(options("--faults all").fault_names(), "kill,stop,evict,partition,node");
        assert_eq!(
            options("--near tracked").fault_names(),
            "kill,stop,evict,partition,node,untrack"
        );
        assert!(!options("").faults.lose_writes());
    }

    #[test]
    fn all_has_what_happens_to_those_who_follow_changes() {
        assert_eq!(
            options("--writers sql").fault_names(),
            "kill,stop,evict,partition,node,database,cut,step,twins"
        );
        assert_eq!(
            options("--writers sql --database sqlite").fault_names(),
            "kill,stop,evict,partition,node,database,step,twins"
        );
    }

    #[test]
    fn lists_add_up() {
        let faults: Faults = "all,failover".parse().unwrap();
        assert!(faults.contain(Fault::Kill) && faults.lose_writes());
        assert_eq!(options("--faults none").fault_names(), "none");
    }

    #[test]
    fn an_unknown_fault_is_named_with_the_known_ones() {
        let error = "kill,fire".parse::<Faults>().unwrap_err();
        assert!(error.contains("`fire`") && error.contains("partition"), "{error}");
    }
}
