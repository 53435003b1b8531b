use std::time::Instant;

use anyhow::{Result, ensure};
use cache_runtime::{Cache, Invalidated};
use cache_testkit::{RedisServer, reaching};
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, patient, runtime, say},
    figure::{Figure, Must, OURS, Series, Spread, Unit},
    measure::{Contender, interleaved, nanoseconds},
    population::{Population, RESOURCE},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "invalidation",
    title: "Invalidation of a resource, by the number of its live entries",
    run,
};

const FEWEST: u32 = 1000;
const ENTRIES: [u32; 3] = [FEWEST, 100_000, 1_000_000];

/// Invalidations in a sample, whose median it is.
const TIMES: usize = 200;

/// A server full of entries, and a cache on it.
struct Town {
    _server: RedisServer,
    entries: u32,
    population: Population,
    cache: Cache,
}

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let runtime = runtime(1)?;
    let mut towns = Vec::new();
    for entries in ENTRIES {
        say(&format!("{entries} entries are stored"));
        towns.push(Town::settled(&runtime, entries)?);
    }
    say("invalidations");
    let ours = {
        let mut contenders: Vec<_> = towns
            .iter_mut()
            .map(|town| Contender::new(OURS, || town.invalidate(&runtime)))
            .collect();
        interleaved(bench.rounds(), &mut contenders)?
    };
    let fewest = Series {
        name: format!("with {FEWEST}"),
        ..ours[0].clone()
    };
    let mut figures = Vec::new();
    for (entries, ours) in ENTRIES.into_iter().zip(&ours) {
        figures.push(
            Figure::new(MEASUREMENT.name, "", Unit::Nanoseconds, ours.clone())
                .at("entries", entries.into())
                .against(fewest.clone())
                .must(Must::RatioAtMost(1.3)),
        );
    }
    for (town, ours) in towns.iter_mut().zip(&ours) {
        say(&format!("SCAN and UNLINK of {} entries", town.entries));
        let by_hand = town.by_hand(if bench.quick { 1 } else { 3 })?;
        figures.extend(compared(town.entries, ours, by_hand).into_iter().flatten());
    }
    for town in towns {
        runtime.block_on(town.cache.close());
    }
    Ok(figures)
}

/// The times beside each other, and how often the one goes into the other.
fn compared(entries: u32, ours: &Series, by_hand: Series) -> Option<[Figure; 2]> {
    let median = ours.spread()?.median;
    let factor = Series {
        name: OURS.to_owned(),
        samples: by_hand.samples.iter().map(|time| (time / median).round()).collect(),
    };
    Some([
        Figure::new(MEASUREMENT.name, "by hand", Unit::Nanoseconds, ours.clone())
            .at("entries", entries.into())
            .against(by_hand),
        Figure::new(MEASUREMENT.name, "times as fast as by hand", Unit::Count, factor).at("entries", entries.into()),
    ])
}

impl Town {
    fn settled(runtime: &Runtime, entries: u32) -> Result<Self> {
        let server = RedisServer::start()?;
        let mut population = Population::found(runtime, &server)?;
        population.settle(entries)?;
        let cache = runtime.block_on(reaching(&server, patient().sweep(false)));
        Ok(Self {
            _server: server,
            entries,
            population,
            cache,
        })
    }

    /// The median time of an invalidation of all entries; they are alive again before the next one.
    fn invalidate(&mut self, runtime: &Runtime) -> Result<f64> {
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            self.population.revive()?;
            let started = Instant::now();
            let invalidated = runtime.block_on(self.cache.invalidate(RESOURCE).into_future())?;
            times.push(nanoseconds(started.elapsed()));
            ensure!(
                invalidated == Invalidated::Acknowledged,
                "an invalidation took too long"
            );
        }
        Ok(Spread::of(times).map_or(f64::NAN, |spread| spread.median))
    }

    fn by_hand(&mut self, rounds: usize) -> Result<Series> {
        let mut samples = Vec::new();
        for _ in 0..rounds {
            self.population.settle(self.entries)?;
            let started = Instant::now();
            let removed = self.population.scan_and_unlink()?;
            samples.push(nanoseconds(started.elapsed()));
            ensure!(
                removed >= self.entries,
                "{removed} of {} entries were found",
                self.entries
            );
        }
        Ok(Series {
            name: "SCAN MATCH + UNLINK".to_owned(),
            samples,
        })
    }
}
