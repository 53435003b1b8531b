//! `cargo xtask bounds`: do the near cache and the journal stay within their bounds, however long it goes on?
//!
//! One process reads far more than its near cache holds, and invalidates far more than its journal holds while the store is
//! away, again and again. The process's own memory is watched, too.

mod pressure;
mod samples;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use clap::Args;
use tokio::time::Instant;

use self::samples::Samples;
use crate::lab::runtime;

/// How often the figures are taken and how often they are printed.
const SAMPLE: Duration = Duration::from_millis(250);
const PRINT: Duration = Duration::from_secs(10);

/// `cargo xtask bounds`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// How long to go on, in seconds.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(4..))]
    seconds: u64,

    /// What is read and written is drawn from this number.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How many lines the journal may have.
    #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..))]
    journal_limit: u32,

    /// How many bytes the near cache may take: a small part of what is read.
    #[arg(long, default_value_t = 8 << 20, value_parser = clap::value_parser!(u64).range(1..))]
    near_capacity: u64,
}

impl Options {
    fn bounds(&self) -> Bounds {
        Bounds {
            journal_limit: self.journal_limit,
            near_capacity: self.near_capacity,
        }
    }
}

/// What is not to be left.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    journal_limit: u32,
    near_capacity: u64,
}

/// Keeps a process under pressure and judges its figures. The code says whether the bounds were kept.
///
/// # Errors
///
/// If the run could not be made; that says nothing about the bounds.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let samples = runtime::run(watch(options))?;
    Ok(samples.judge(options.bounds()))
}

async fn watch(options: &Options) -> Result<Samples> {
    let lasting = Duration::from_secs(options.seconds);
    let pressure = pressure::start(options.seed, options.bounds()).await?;
    let began = Instant::now();
    let mut samples = Samples::default();
    let mut printed = began;
    while began.elapsed() < lasting {
        tokio::time::sleep(SAMPLE).await;
        samples.take(&pressure.cache().stats())?;
        if printed.elapsed() >= PRINT {
            printed = Instant::now();
            samples.print_last(began.elapsed());
        }
    }
    pressure.end().await?;
    Ok(samples)
}
