//! The rows of the matrix.

use crate::lab::strike::Fault;

/// One row: a fault, and how it is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) shown: Shown,
}

/// How a row is shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown {
    /// By making the fault while callers are at work.
    Strike(Fault),
    /// By ten thousand callers of one page that is not cached.
    Stampede,
    /// By more callers than the machine can serve.
    Overload,
    /// By a test, as it is about something that callers of this service cannot see or cause.
    Test(&'static str),
}

impl Row {
    pub(super) fn fault(&self) -> Option<Fault> {
        match self.shown {
            Shown::Strike(fault) => Some(fault),
            Shown::Stampede | Shown::Overload | Shown::Test(_) => None,
        }
    }
}

const fn strike(number: u8, name: &'static str, fault: Fault) -> Row {
    Row {
        number,
        name,
        shown: Shown::Strike(fault),
    }
}

const fn test(number: u8, name: &'static str, tests: &'static str) -> Row {
    Row {
        number,
        name,
        shown: Shown::Test(tests),
    }
}

/// All rows.
pub(super) const MATRIX: &[Row] = &[
    strike(1, "absent at the start", Fault::Absent),
    strike(2, "killed, comes back empty", Fault::Killed),
    strike(3, "hung", Fault::Hung),
    strike(4, "black hole", Fault::BlackHole),
    strike(5, "20 ms slower", Fault::Slow(20)),
    strike(5, "200 ms slower", Fault::Slow(200)),
    strike(5, "2 s slower", Fault::Slow(2_000)),
    strike(5, "one byte per millisecond", Fault::Trickling),
    strike(6, "connections refused", Fault::Refused),
    strike(6, "connections reset, again and again", Fault::Reset),
    strike(6, "connections half-closed, again and again", Fault::HalfClosed),
    strike(7, "out of memory, evicts nothing", Fault::OutOfMemory),
    strike(8, "out of memory, evicts anything", Fault::EvictsAnything),
    strike(9, "a replica: READONLY", Fault::ReadOnly),
    strike(9, "cannot save: MISCONF", Fault::CannotSave),
    strike(9, "misses its replicas: NOREPLICAS", Fault::NoReplicas),
    strike(10, "loads a large file: LOADING", Fault::Loading),
    strike(10, "runs a script: BUSY", Fault::Busy),
    strike(11, "failover to a replica that has missed writes", Fault::FailedOver),
    strike(12, "killed, comes back with an old snapshot", Fault::OldSnapshot),
    strike(13, "another password", Fault::WrongPassword),
    strike(13, "no right to MGET", Fault::NoRight),
    strike(13, "no right to these keys", Fault::NoRightToKeys),
    strike(14, "takes one client only", Fault::OneClient),
    strike(15, "another server answers: garbage", Fault::Garbage),
    strike(15, "knows no HELLO: RESP2 only", Fault::OldProtocol),
    strike(16, "lists under our keys", Fault::WrongTypes),
    strike(17, "broken entries", Fault::BrokenEntries),
    test(18, "decompression and nesting bombs", "tests/calls/limits.rs"),
    test(19, "value too large", "tests/calls/limits.rs"),
    test(20, "changed type", "tests/redis/foreign_data.rs"),
    test(21, "collision of hashes", "tests/redis/foreign_data.rs"),
    test(22, "hostile tenant or scope", "tests/redis/hostile.rs"),
    test(23, "loader fails, hangs or is cancelled", "tests/calls/flights.rs"),
    test(
        24,
        "mutation cancelled after its commit",
        "tests/guarantees/invalidation.rs",
    ),
    test(
        25,
        "process killed before its invalidation",
        "tests/guarantees/crash_safe.rs",
    ),
    test(
        26,
        "reports of changes lost",
        "tests/redis/watch.rs; cargo xtask consistency --near tracked",
    ),
    Row {
        number: 27,
        name: "10,000 callers of one cold page",
        shown: Shown::Stampede,
    },
    Row {
        number: 28,
        name: "ten times more callers than the machine serves",
        shown: Shown::Overload,
    },
    test(29, "clock jumps", "tests/guarantees/clocks.rs"),
    test(30, "secrets", "tests/process/secrets.rs"),
    test(31, "runtime shut down", "tests/process/runtimes.rs"),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_fault_has_a_row() {
        let numbers: std::collections::BTreeSet<_> = MATRIX.iter().map(|row| row.number).collect();
        assert!(numbers.into_iter().eq(1..=31));
    }

    #[test]
    fn every_test_that_a_row_names_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("a folder of the workspace");
        for row in MATRIX {
            let Shown::Test(tests) = row.shown else { continue };
            let files = tests.split([' ', ';']).filter(|word| word.contains(".rs"));
            for file in files {
                assert!(root.join(file).is_file(), "row {}: there is no {file}", row.number);
            }
        }
    }
}
