//! What processes and servers do next.

use super::{
    Failover, Variant,
    state::{Action, Command, Connection, Mutation, Reader, State},
};
use crate::terms::{Version, insert_sorted, take};

impl Failover {
    pub(super) fn may_read(&self, connection: Connection) -> bool {
        match connection {
            Connection::Up | Connection::Old => true,
            Connection::Lost => self.variant == Variant::ReadsBeforeReplay,
        }
    }

    pub(super) fn may_write(&self, state: &State, index: usize) -> bool {
        let process = &state.processes[index];
        match process.mutation {
            // The database does not depend on the store. The processes are alike: the first to commit is the first one.
            Mutation::Idle => state.processes[..index]
                .iter()
                .all(|earlier| earlier.mutation != Mutation::Idle),
            Mutation::Committed(_) => process.connection == Connection::Up,
            Mutation::Sent(_) => self.variant != Variant::Wait || !state.lacks(index),
            Mutation::Done => false,
        }
    }

    /// What is remembered is older than the replica's lag, unless the window is too short.
    pub(super) fn may_forget(&self, state: &State, index: usize) -> bool {
        self.variant == Variant::ForgetsTooSoon || (state.in_force[index] > 0 && !state.lacks(index))
    }

    pub(super) fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::BeginRead(index) => begin_read(state, index),
            Action::ReadOn(index) => read_on(state, index),
            Action::DeliverFill(index) => {
                let fill = state.fills.remove(index);
                state.execute(Command::SetEntry(fill));
            }
            Action::Write(index) => self.write_on(state, index),
            Action::Replay(index) => self.replay(state, index),
            Action::Forget(index) => state.processes[index].remembers = false,
            Action::Replicate => {
                if let Some(command) = state.log.pop_front() {
                    state.replica.execute(command);
                }
            }
            Action::FailOver => self.fail_over(state),
            Action::NoticeFailover(index) => state.processes[index].connection = Connection::Lost,
            Action::EvictEntry => {
                state.evictions_left -= 1;
                state.execute(Command::RemoveEntry);
            }
            Action::EvictStamp => {
                state.evictions_left -= 1;
                state.execute(Command::RemoveStamp { by: None });
            }
        }
    }

    /// The next step of a mutation.
    fn write_on(&self, state: &mut State, index: usize) {
        state.processes[index].mutation = match state.processes[index].mutation {
            Mutation::Idle => {
                state.database += 1;
                Mutation::Committed(state.database)
            }
            Mutation::Committed(version) => {
                state.execute(Command::RemoveStamp { by: Some(index) });
                // With `WAIT` the acknowledgement comes later.
                if self.variant == Variant::Wait {
                    Mutation::Sent(version)
                } else {
                    acknowledge(state, index, version);
                    Mutation::Done
                }
            }
            Mutation::Sent(version) => {
                acknowledge(state, index, version);
                Mutation::Done
            }
            Mutation::Done => Mutation::Done,
        };
    }

    fn replay(&self, state: &mut State, index: usize) {
        let process = &mut state.processes[index];
        process.connection = Connection::Up;
        let again = self.variant != Variant::ReplayedOnce || !process.has_replayed;
        let acknowledged = process.acknowledged;
        if self.replays() && process.remembers && again {
            process.has_replayed = true;
            state.execute(Command::RemoveStamp { by: Some(index) });
        }
        state.in_force[index] = acknowledged;
    }

    fn fail_over(&self, state: &mut State) {
        state.failovers_left -= 1;
        for index in 0..state.processes.len() {
            if state.lacks(index) {
                state.in_force[index] = 0;
                // Sent and not acknowledged: the journal sends it again.
                if let Mutation::Sent(version) = state.processes[index].mutation {
                    state.processes[index].mutation = Mutation::Committed(version);
                }
            }
            state.processes[index].connection = match self.variant {
                Variant::OldPrimaryAnswers => Connection::Old,
                Variant::Unnoticed => Connection::Up,
                _ => Connection::Lost,
            };
        }
        if self.variant == Variant::OldPrimaryAnswers {
            state.old = Some(state.primary);
        }
        state.primary = state.replica;
        state.log.clear();
    }
}

fn acknowledge(state: &mut State, index: usize, version: Version) {
    state.in_force[index] = version;
    state.processes[index].acknowledged = version;
    state.processes[index].remembers = true;
}

fn begin_read(state: &mut State, index: usize) {
    state.reads_left -= 1;
    let process = &state.processes[index];
    let promised = state.in_force.into_iter().fold(process.acknowledged, Version::max);
    let server = match (process.connection, state.old) {
        (Connection::Old, Some(old)) => old,
        _ => state.primary,
    };
    if let Some(version) = server.valid() {
        state.stale |= version < promised;
    } else if process.connection != Connection::Old {
        let reader = match server.stamp {
            Some(stamp) => Reader::Loading { stamp },
            None => Reader::Creating,
        };
        insert_sorted(&mut state.readers, reader);
    }
}

/// The next step of a read. What it sends goes to whoever is the primary then.
fn read_on(state: &mut State, index: usize) {
    let (reader, others) = take(&state.readers, index);
    state.readers = others;
    match reader {
        Reader::Creating => {
            let stamp = state.primary.stamp.unwrap_or_else(|| {
                let stamp = state.random();
                state.execute(Command::SetStamp(stamp));
                stamp
            });
            insert_sorted(&mut state.readers, Reader::Loading { stamp });
        }
        Reader::Loading { stamp } => insert_sorted(&mut state.fills, (state.database, stamp)),
    }
}
