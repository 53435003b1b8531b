//! What the sweep after a mutation of seven resources costs the server, beside a walk for each of them, four keys at a time; and
//! what is left of the server's time where such mutations come again and again.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use cache_runtime::{Cache, cached, invalidates, with_cache};
use cache_testkit::{RedisServer, reaching};
use redis::{Connection, Value};
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, patient, runtime, say},
    figure::{Figure, Must, OURS, Series, Unit},
    measure::nanoseconds,
    population::Population,
    work::{Page, SMALL, load},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "sweep-price",
    title: "What the sweep after one mutation of seven resources takes of the server",
    run,
};

mod resources {
    cache_runtime::resources! {
        first { ttl = "1h" }
        second { ttl = "1h" }
        third { ttl = "1h" }
        fourth { ttl = "1h" }
        fifth { ttl = "1h" }
        sixth { ttl = "1h" }
        seventh { ttl = "1h" }

        group targets = first, second, third, fourth, fifth, sixth, seventh;
    }
}

/// Functions of these names, each of the resource of its name, and all of them called with one argument.
macro_rules! cached_functions {
    ($($name:ident)*) => {
        const TARGETS: [&str; 7] = [$(stringify!($name)),*];

        $(
            #[cached(resource = resources::$name)]
            async fn $name(page: u32) -> Page {
                load(page, SMALL)
            }
        )*

        async fn read_all(page: u32) {
            $($name(page).await;)*
        }
    };
}

cached_functions! { first second third fourth fifth sixth seventh }

#[invalidates(resources::targets)]
async fn change() {}

/// Entries on the server, and how many of them of each of the seven resources.
const SIZES: [(u32, u32); 2] = [(1_150, 20), (101_000, 140)];

/// How long no `SCAN` may come after a sweep until it is over.
const SILENCE: Duration = Duration::from_millis(300);

/// How long is looked at what the server takes without anything to do.
const IDLE: Duration = Duration::from_secs(2);

/// Mutations that come again and again: as often as this.
const AGAIN: Duration = Duration::from_millis(100);

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let runtime = runtime(1)?;
    let mut figures = Vec::new();
    for (entries, pages) in SIZES {
        say(&format!("{entries} entries"));
        let mut town = Town::settled(&runtime, entries, pages)?;
        let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
        for _ in 0..if bench.quick { 3 } else { 7 } {
            ours.push(town.sweep(&runtime)?);
            by_hand.push(town.walk_for_each(&runtime)?);
        }
        figures.extend(compared(entries, &ours, &by_hand));
        if entries == SIZES[0].0 {
            say("mutations again and again");
            let lasting = Duration::from_secs(if bench.quick { 10 } else { 30 });
            figures.push(town.again_and_again(&runtime, lasting)?);
        }
        runtime.block_on(town.cache.close());
    }
    Ok(figures)
}

/// What one sweep took.
struct Price {
    scans: f64,
    /// Of the server's processor, beside what the server takes without anything to do.
    processor: f64,
    /// As the server counts it: without reading commands, and writing replies.
    commands: f64,
    time: f64,
}

fn compared(entries: u32, ours: &[Price], by_hand: &[Price]) -> [Figure; 4] {
    let figure = |name, unit, of: fn(&Price) -> f64| {
        let series = |name: &str, prices: &[Price]| Series {
            name: name.to_owned(),
            samples: prices.iter().map(of).collect(),
        };
        Figure::new(MEASUREMENT.name, name, unit, series(OURS, ours))
            .at("entries", entries.into())
            .against(series("a walk for each, 4 keys at a time", by_hand))
    };
    [
        figure("the server's processor", Unit::Nanoseconds, |price| price.processor).must(Must::RatioAtMost(0.1)),
        figure("SCANs", Unit::Count, |price| price.scans).must(Must::RatioAtMost(0.1)),
        figure("time of its commands", Unit::Nanoseconds, |price| price.commands),
        figure("until all is gone", Unit::Nanoseconds, |price| price.time),
    ]
}

/// A server with entries, and a cache on it.
struct Town {
    _server: RedisServer,
    connection: Connection,
    cache: Cache,
    pages: u32,
    /// Of the server's processor, in a nanosecond without anything to do.
    idle: f64,
}

impl Town {
    fn settled(runtime: &Runtime, entries: u32, pages: u32) -> Result<Self> {
        let server = RedisServer::start()?;
        Population::found(runtime, &server)?.settle(entries - pages * 7)?;
        let cache = runtime.block_on(reaching(&server, patient()));
        let connection = redis::Client::open(server.url())?.get_connection()?;
        let mut town = Self {
            _server: server,
            connection,
            cache,
            pages,
            idle: 0.0,
        };
        town.idle = {
            let beginning = town.begin()?;
            thread::sleep(IDLE);
            town.end(&beginning)?.processor / nanoseconds(IDLE)
        };
        Ok(town)
    }

    /// The entries that are about to be invalidated.
    fn fill(&self, runtime: &Runtime) {
        runtime.block_on(with_cache(self.cache.clone(), async {
            for page in 0..self.pages {
                read_all(page).await;
            }
        }));
    }

    fn sweep(&mut self, runtime: &Runtime) -> Result<Price> {
        self.fill(runtime);
        let swept = self.cache.stats().swept + u64::from(self.pages * 7);
        let beginning = self.begin()?;
        runtime.block_on(with_cache(self.cache.clone(), change()));
        while self.cache.stats().swept < swept {
            thread::sleep(Duration::from_millis(1));
        }
        let time = nanoseconds(beginning.at.elapsed());
        let mut scans = self.costs()?.calls("scan");
        loop {
            thread::sleep(SILENCE);
            let later = self.costs()?.calls("scan");
            if later.to_bits() == scans.to_bits() {
                break;
            }
            scans = later;
        }
        Ok(Price {
            time,
            ..self.end(&beginning)?
        })
    }

    /// What a sweep was that walked for each target, and looked at four keys at a time.
    fn walk_for_each(&mut self, runtime: &Runtime) -> Result<Price> {
        self.fill(runtime);
        let stamps = TARGETS.map(|target| format!("cachestamp:default:{target}"));
        redis::cmd("UNLINK").arg(&stamps[..]).exec(&mut self.connection)?;
        let beginning = self.begin()?;
        for (target, stamp) in TARGETS.iter().zip(&stamps) {
            self.walk(&format!("cache:default:{target}:*"), stamp)?;
        }
        self.end(&beginning)
    }

    fn walk(&mut self, pattern: &str, stamp: &str) -> Result<()> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(4);
            let (next, keys): (u64, Vec<String>) = scan.query(&mut self.connection)?;
            if !keys.is_empty() {
                let (mut look, mut remove) = (redis::pipe(), redis::pipe());
                for key in &keys {
                    look.cmd("GETRANGE").arg(key).arg(0).arg(135);
                    remove.cmd("UNLINK").arg(key);
                }
                look.cmd("GET").arg(stamp);
                let _: Vec<Value> = look.query(&mut self.connection)?;
                remove.exec(&mut self.connection)?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// The share that sweeping has of the time that the server takes for commands.
    fn again_and_again(&mut self, runtime: &Runtime, lasting: Duration) -> Result<Figure> {
        let over = Instant::now() + lasting;
        self.begin()?;
        runtime.block_on(with_cache(self.cache.clone(), async {
            while Instant::now() < over {
                change().await;
                for page in 0..self.pages {
                    read_all(page).await;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }));
        let costs = self.costs()?;
        let share = (costs.time("scan") + costs.time("getrange")) / costs.all_time();
        let samples = vec![share];
        let series = Series {
            name: OURS.to_owned(),
            samples,
        };
        let name = "share of the server's command time, a mutation every 100 ms";
        Ok(Figure::new(MEASUREMENT.name, name, Unit::Share, series)
            .at("entries", SIZES[0].0.into())
            .must(Must::AtMost(0.078)))
    }

    fn begin(&mut self) -> Result<Beginning> {
        redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut self.connection)?;
        Ok(Beginning {
            processor: self.processor()?,
            at: Instant::now(),
        })
    }

    fn end(&mut self, beginning: &Beginning) -> Result<Price> {
        let (processor, time) = (self.processor()?, nanoseconds(beginning.at.elapsed()));
        let costs = self.costs()?;
        let commands = ["scan", "getrange", "get", "set", "unlink"];
        Ok(Price {
            scans: costs.calls("scan"),
            processor: processor - beginning.processor - self.idle * time,
            commands: commands.iter().map(|command| costs.time(command)).sum::<f64>() * 1e3,
            time,
        })
    }

    /// What the server has taken of its processor so far, in nanoseconds.
    fn processor(&mut self) -> Result<f64> {
        let info: String = redis::cmd("INFO").arg("cpu").query(&mut self.connection)?;
        let seconds = |name: &str| -> Result<f64> {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            let (_, seconds) = lines.find(|(key, _)| *key == name).context("a figure is missing")?;
            Ok(seconds.parse()?)
        };
        Ok((seconds("used_cpu_sys")? + seconds("used_cpu_user")?) * 1e9)
    }

    fn costs(&mut self) -> Result<Costs> {
        let info: String = redis::cmd("INFO").arg("commandstats").query(&mut self.connection)?;
        Costs::parse(&info)
    }
}

/// What the server had taken before.
struct Beginning {
    processor: f64,
    at: Instant,
}

/// What each command has cost the server so far: calls, and microseconds.
struct Costs(BTreeMap<String, (f64, f64)>);

impl Costs {
    fn parse(info: &str) -> Result<Self> {
        let lines = info.lines().filter_map(|line| line.strip_prefix("cmdstat_"));
        let commands = lines.map(|line| {
            let (command, figures) = line.split_once(':').context("a command without figures")?;
            let figure = |name: &str| -> Result<f64> {
                let mut pairs = figures.split(',').filter_map(|pair| pair.split_once('='));
                let (_, figure) = pairs.find(|(key, _)| *key == name).context("a figure is missing")?;
                Ok(figure.parse()?)
            };
            Ok((command.to_owned(), (figure("calls")?, figure("usec")?)))
        });
        let commands: BTreeMap<_, _> = commands.collect::<Result<_>>()?;
        ensure!(!commands.is_empty(), "the server counts no commands");
        Ok(Self(commands))
    }

    fn calls(&self, command: &str) -> f64 {
        self.0.get(command).map_or(0.0, |(calls, _)| *calls)
    }

    fn time(&self, command: &str) -> f64 {
        self.0.get(command).map_or(0.0, |(_, time)| *time)
    }

    fn all_time(&self) -> f64 {
        self.0.values().map(|(_, time)| *time).sum()
    }
}
