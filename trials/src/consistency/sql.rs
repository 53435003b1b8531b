//! A run in which programs write that know nothing of the framework: rows of a database change by every kind of statement, the
//! nodes read them through cached functions and follow the changes, and everything goes wrong.

mod commits;
mod database;
mod faults;
mod node;
mod report;
mod run;
mod statements;
mod tables;
mod writer;

pub(crate) use self::node::{FollowerOptions, run as run_follower};
pub(super) use self::run::run;
