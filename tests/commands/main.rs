//! `cachectl`, the program, on what a service has left on real servers.

mod cache_resources;
mod invalidate;
mod look;
mod output;
mod service;
mod sweep;
mod watch;
