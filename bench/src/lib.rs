//! The benchmarks: this project beside its peers, everything as a ratio of what was measured in one run. `cargo xtask bench`
//! runs them.

mod bench;
mod cache_resources;
mod contestants;
mod figure;
mod figures;
mod machine;
mod measure;
mod near;
mod population;
mod report;
mod service;
mod work;

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Parser;

use crate::{
    bench::Bench,
    figure::Figure,
    figures::{ALL, Measurement},
    machine::Machine,
    report::{Report, table},
};

/// Measures this project beside its peers, prints the ratios, and exits 1 if one is not what it must be.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", max_term_width = 100)]
struct Cli {
    /// Fewer rounds, and shorter ones: minutes instead of half an hour.
    #[arg(long)]
    quick: bool,
    /// Writes every figure with its samples, the machine and the command to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Puts the tables into a page, between the marks that it has for them.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Draws what was measured along an axis into files of this folder.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Measures nothing, but reads what an earlier run has written with `--json`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "json"])]
    from: Option<PathBuf>,
    /// Only these measurements.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Prints the names of the measurements.
    #[arg(long)]
    list: bool,
    /// One of several processes of a measurement, on the server at this address.
    #[arg(long, hide = true, value_name = "URL")]
    process: Option<String>,
}

/// The program.
pub fn main() -> ExitCode {
    run(&Cli::parse()).unwrap_or_else(|error| failed(&error))
}

/// The program that counts allocations, of which `allocations` returns how many there have been so far.
pub fn count_allocations(allocations: impl Fn() -> usize) -> ExitCode {
    tell(figures::count_allocations(allocations))
}

/// The program that counts bytes of the heap, of which `held` returns how many are taken now.
pub fn count_bytes(held: impl Fn() -> usize) -> ExitCode {
    tell(figures::count_bytes(held))
}

fn tell(counts: Result<String>) -> ExitCode {
    match counts {
        Ok(counts) => {
            println!("{counts}");
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

fn run(cli: &Cli) -> Result<ExitCode> {
    if cli.list {
        for measurement in ALL {
            println!("{:<20} {}", measurement.name, measurement.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(url) = &cli.process {
        return figures::one_of_several_processes(url);
    }
    let wanted = wanted(&cli.only)?;
    let report = match &cli.from {
        Some(file) => reprint(&wanted, Report::read(file)?),
        None => measure(&wanted, Bench { quick: cli.quick })?,
    };
    if let Some(file) = &cli.json {
        report.write(file)?;
    }
    if let Some(page) = &cli.markdown {
        report.write_into(page)?;
    }
    if let Some(folder) = &cli.plots {
        report.plot(folder)?;
    }
    let mut code = ExitCode::SUCCESS;
    for figure in report.missed() {
        println!("missed: {}: {figure}", figure.table);
        code = ExitCode::FAILURE;
    }
    Ok(code)
}

/// Prints each table as soon as it is there.
fn measure(wanted: &[&Measurement], bench: Bench) -> Result<Report> {
    let mut figures = Vec::new();
    for measurement in wanted {
        eprintln!("{}", measurement.name);
        let measured = (measurement.run)(bench).with_context(|| format!("{} failed", measurement.name))?;
        print(measurement, &measured);
        figures.extend(measured);
    }
    Ok(Report {
        command: command(),
        machine: Machine::this(),
        figures,
    })
}

/// Prints the tables of an earlier run.
fn reprint(wanted: &[&Measurement], report: Report) -> Report {
    for measurement in wanted {
        print(measurement, &report.of(measurement.name));
    }
    report
}

fn print(measurement: &Measurement, figures: &[Figure]) {
    println!("\n{}\n{}\n", measurement.title, table(figures));
}

/// All measurements without names.
fn wanted(names: &[String]) -> Result<Vec<&'static Measurement>> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    let find = |name: &String| match ALL.iter().find(|measurement| measurement.name == name) {
        Some(measurement) => Ok(measurement),
        None => bail!("there is no measurement `{name}`: see `--list`"),
    };
    names.iter().map(find).collect()
}

/// As one would type it.
fn command() -> String {
    let arguments = env::args().skip(1);
    ["cargo xtask bench".to_owned()]
        .into_iter()
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}
