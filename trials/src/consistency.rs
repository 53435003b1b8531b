//! `cargo xtask consistency`: is an old value ever served, over several processes, whatever goes wrong?
//!
//! This process is the laboratory: it has the database ([`database`]), the Redis servers ([`servers`](crate::lab::servers)), a bad network in
//! front of them, and it lets things go wrong ([`faults`]). It starts itself several times over, hidden, as a node of a
//! service ([`node`]); nodes write down what they read and wrote, and the oracle of `cache-testkit` judges that. Where programs
//! that know nothing of the framework write, much of it is another run ([`sql`]).

mod database;
mod faults;
mod fleet;
mod node;
mod options;
mod report;
mod run;
mod sql;
mod stage;

pub(crate) use self::{
    node::{NodeOptions, run as run_node},
    options::Options,
    run::run,
    sql::{FollowerOptions, run_follower},
};
