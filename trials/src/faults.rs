//! `cargo xtask faults`: what callers of a service notice when Redis fails, fault by fault, under load.
//!
//! This process is the laboratory. It has the Redis servers and the bad network in front of them ([`crate::lab::servers`]), starts
//! the invoicing example as several processes ([`service`]), lets callers loose on them ([`load`]), and makes one fault after
//! the other ([`crate::lab::strike`]). What the callers saw, and what the service wrote into its log, is then judged ([`outcome`]).

mod heard;
mod load;
mod matrix;
mod options;
mod outcome;
mod report;
mod run;
mod service;
mod stage;
mod stampede;

pub(crate) use self::{options::Options, run::run};
