//! What results are stored in, beside JSON as it is: how large entries are, what encoding, decoding and hits cost, and how the
//! default does beside the codecs of the peers.

use std::{hint::black_box, time::Instant};

use anyhow::{Context as _, Result, anyhow};
use cache_runtime::{
    Cache, Codec, Compression, cached,
    protocol::{Envelope, Identity, Rejection},
    store::MemoryStore,
    with_cache,
};
use cache_testkit::{RedisServer, reaching};
use tokio::runtime::Runtime;

use super::Measurement;
use crate::{
    bench::{Bench, one_thread, patient, runtime, say},
    contestants::{ByCached, ByHitbox},
    figure::{Figure, Series, Unit},
    measure::{Contender, Contestant, interleaved, latency, nanoseconds, throughput, warm},
    work::{LARGE, Page, Query, SMALL, load, page_of},
};

pub(super) const MEASUREMENT: Measurement = Measurement {
    name: "codecs",
    title: "Codecs and compression beside JSON, and beside the peers' codecs",
    run,
};

/// How many callers ask at once where calls per second are counted; one thread works for them.
const CALLERS: [u32; 2] = [64, 256];

/// How often a value is encoded or decoded in one round.
const TIMES: u32 = 200;

/// `way` tells the entries of the contenders apart.
#[cached(resource = "invoices")]
async fn asked(way: &str, page: u32, page_size: u32) -> Page {
    let _ = way;
    load(page, page_size)
}

/// Loads on purpose, which are no misses of a hit.
#[cached(resource = "invoices")]
async fn filled(page: u32, page_size: u32) -> Page {
    page_of(page, page_size)
}

/// A way to store results.
#[derive(Clone)]
struct Way {
    name: &'static str,
    codec: Codec,
    compression: Compression,
    cache: Cache,
}

impl Way {
    fn all(runtime: &Runtime, server: &RedisServer) -> [Self; 7] {
        [
            ("JSON", Codec::Json, Compression::None),
            ("packed", Codec::Packed, Compression::None),
            ("postcard", Codec::Postcard, Compression::None),
            ("JSON, lz4", Codec::Json, Compression::Lz4),
            ("JSON, zstd", Codec::Json, Compression::Zstd),
            ("packed, lz4", Codec::Packed, Compression::Lz4),
            ("packed, zstd", Codec::Packed, Compression::Zstd),
        ]
        .map(|(name, codec, compression)| Self {
            name,
            codec,
            compression,
            cache: runtime.block_on(reaching(server, patient().codec(codec).compression(compression))),
        })
    }

    async fn ask(&self, page: u32, page_size: u32) -> Page {
        with_cache(self.cache.clone(), asked(self.name, page, page_size)).await
    }

    /// The entry that it makes of a result.
    fn entry(&self, runtime: &Runtime, server: &RedisServer, page_size: u32) -> Result<Vec<u8>> {
        server.command::<()>(["FLUSHALL"])?;
        runtime.block_on(self.ask(0, page_size));
        let keys: Vec<String> = server.command(["KEYS", "cache:*"])?;
        Ok(server.command(["GET", keys.first().context("nothing was stored")?])?)
    }

    /// What a miss takes more than the load, when the store is in the process: encoding, for most of it.
    fn encode(&self, runtime: &Runtime, page_size: u32) -> f64 {
        let memory = patient().codec(self.codec).compression(self.compression);
        let cache = memory.store(MemoryStore::new(256 * 1024 * 1024)).build();
        let all = runtime.block_on(with_cache(cache.clone(), async {
            let started = Instant::now();
            for page in 0..TIMES {
                black_box(filled(page, page_size).await);
            }
            started.elapsed()
        }));
        runtime.block_on(cache.close());
        let started = Instant::now();
        for page in 0..TIMES {
            black_box(page_of(page, page_size));
        }
        (nanoseconds(all) - nanoseconds(started.elapsed())) / f64::from(TIMES)
    }
}

impl Contestant for Way {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        Ok(self.ask(query.page, query.page_size).await.rows.len())
    }
}

fn run(bench: Bench) -> Result<Vec<Figure>> {
    let server = RedisServer::start()?;
    let runtime = runtime(1)?;
    let all = Way::all(&runtime, &server);
    let (cached, hitbox) = (ByCached::connect(&runtime, &server)?, ByHitbox::connect(&server)?);
    let mut figures = Vec::new();
    for rows in [SMALL, LARGE] {
        // Nothing small is compressed.
        let ways = if rows == SMALL { &all[..3] } else { &all[..] };
        say(&format!("{rows} rows"));
        figures.extend(alone(bench, &runtime, &server, ways, rows)?);
        server.command::<()>(["FLUSHALL"])?;
        for way in ways {
            warm(&runtime, way, rows)?;
        }
        warm(&runtime, &cached, rows)?;
        warm(&runtime, &hitbox, rows)?;
        let (runtime, window) = (&runtime, bench.window());
        let mut hits = contenders(ways, |way| latency(runtime, way, rows, window));
        hits.push(Contender::new("cached", || latency(runtime, &cached, rows, window)));
        hits.push(Contender::new("hitbox-redis", || {
            latency(runtime, &hitbox, rows, window)
        }));
        let series = interleaved(bench.rounds(), &mut hits)?;
        figures.extend(compared(&format!("hit, {rows} rows"), Unit::Nanoseconds, ways, series));
        for callers in CALLERS {
            let mut hits = contenders(ways, |way| throughput(runtime, way, callers, rows, window));
            hits.push(Contender::new("cached", || {
                throughput(runtime, &cached, callers, rows, window)
            }));
            hits.push(Contender::new("hitbox-redis", || {
                throughput(runtime, &hitbox, callers, rows, window)
            }));
            let series = interleaved(bench.rounds(), &mut hits)?;
            let name = format!("hits, {rows} rows, {callers} callers");
            figures.extend(compared(&name, Unit::PerSecond, ways, series));
        }
    }
    for way in all {
        runtime.block_on(way.cache.close());
    }
    Ok(figures)
}

/// What does not depend on who else there is.
fn alone(bench: Bench, runtime: &Runtime, server: &RedisServer, ways: &[Way], rows: u32) -> Result<Vec<Figure>> {
    let mut sizes = Vec::new();
    let mut entries = Vec::new();
    for way in ways {
        let entry = way.entry(runtime, server, rows)?;
        #[expect(clippy::cast_precision_loss, reason = "an entry is no petabyte")]
        sizes.push(Series {
            name: way.name.to_owned(),
            samples: vec![entry.len() as f64],
        });
        entries.push((way.name, opened(entry)?));
    }
    let mut decoding: Vec<_> = entries
        .iter()
        .map(|(name, entry)| Contender::new(name, || decode(entry)))
        .collect();
    let decoding = interleaved(bench.rounds(), &mut decoding)?;
    // A thread of its own: with the callers' it would be told of each fill.
    let one = one_thread()?;
    let encoding = interleaved(bench.rounds(), &mut contenders(ways, |way| Ok(way.encode(&one, rows))))?;
    let mut figures = compared(&format!("entry in Redis, {rows} rows"), Unit::Bytes, ways, sizes);
    figures.extend(compared(
        &format!("decoding, {rows} rows"),
        Unit::Nanoseconds,
        ways,
        decoding,
    ));
    figures.extend(compared(
        &format!("load and fill less the load, {rows} rows"),
        Unit::Nanoseconds,
        ways,
        encoding,
    ));
    Ok(figures)
}

fn contenders<'a>(ways: &'a [Way], measure: impl Fn(&Way) -> Result<f64> + Copy + 'a) -> Vec<Contender<'a>> {
    let contender = |way: &'a Way| Contender::new(way.name, move || measure(way));
    ways.iter().map(contender).collect()
}

/// A figure for each way but the first, beside the first; and, for the second and the third, beside each of the peers, who come last.
fn compared(what: &str, unit: Unit, ways: &[Way], mut series: Vec<Series>) -> Vec<Figure> {
    let peers = series.split_off(ways.len());
    let figure = |ours: &Series, against: &Series| {
        Figure::new(MEASUREMENT.name, format!("{what}: {}", ours.name), unit, ours.clone()).against(against.clone())
    };
    let (json, others) = series.split_first().expect("JSON comes first");
    let mut figures: Vec<_> = others.iter().map(|way| figure(way, json)).collect();
    let binary = &others[..2];
    figures.extend(peers.iter().flat_map(|peer| binary.iter().map(|way| figure(way, peer))));
    figures
}

/// An entry, as it is when it was read.
fn opened(entry: Vec<u8>) -> Result<Envelope> {
    // Where an entry says what it is of: docs/keys.md.
    let mut identity = Identity {
        fingerprint: [0; 16],
        shape: u64::from_le_bytes(entry[48..56].try_into()?),
    };
    identity.fingerprint.copy_from_slice(&entry[32..48]);
    Envelope::open(entry.into(), &identity).map_err(refused)
}

/// The time of decoding an entry once, decompressing included.
fn decode(entry: &Envelope) -> Result<f64> {
    let started = Instant::now();
    for _ in 0..TIMES {
        black_box(entry.decode::<Page>().map_err(refused)?);
    }
    Ok(nanoseconds(started.elapsed()) / f64::from(TIMES))
}

fn refused(rejection: Rejection) -> anyhow::Error {
    anyhow!("an entry was refused: {}", rejection.as_str())
}
