//! What servers say of themselves, each over a connection of its own: it is asked for when something is wrong with the others.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use redis::{Cmd, FromRedisValue, RedisResult, Value, aio::MultiplexedConnection, cmd};
use tokio::time::timeout;

use super::super::{
    connection::query_once,
    error,
    primary::Primary,
    server::{ALL_RIGHTS, missing_rights},
    servers::Servers,
};
use crate::store::{ServerReport, StoreError};

/// How long the answer to one question may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// How many round trips are measured.
const PINGS: usize = 50;

/// The settings that say something. None of them is secret.
const SETTINGS: &[&str] = &[
    "appendonly",
    "bind",
    "maxclients",
    "maxmemory",
    "maxmemory-policy",
    "min-replicas-to-write",
    "protected-mode",
    "slowlog-log-slower-than",
    "stop-writes-on-bgsave-error",
];

/// So many of the slow commands.
const SLOW_COMMANDS: u32 = 32;

pub(in super::super) async fn examine(servers: &Servers) -> Result<Vec<ServerReport>, StoreError> {
    let primaries = servers.primaries()?;
    Ok(join_all(primaries.iter().map(|primary| server(servers, primary))).await)
}

async fn server(servers: &Servers, primary: &Primary) -> ServerReport {
    let connector = primary.server.connector();
    let connected = match timeout(servers.config().connect_deadline(), connector.connect()).await {
        Ok(connected) => connected,
        Err(_) => Err(StoreError::timeout("connecting", servers.config().connect_deadline())),
    };
    let address = connector
        .known_address()
        .unwrap_or_else(|| servers.config().description());
    let mut report = ServerReport::new(address);
    report.is_private = servers.config().is_private();
    report.is_authenticated = servers.config().is_authenticated();
    match connected {
        Ok(connection) => fill_in(&mut report, servers, primary, connection.handle()).await,
        Err(cause) => report.unreachable = Some(cause.to_string()),
    }
    report
}

async fn fill_in(
    report: &mut ServerReport,
    servers: &Servers,
    primary: &Primary,
    mut connection: MultiplexedConnection,
) {
    let connection = &mut connection;
    match ask::<String>(connection, cmd("INFO").arg("everything")).await {
        Ok(info) => report.info = fields(&info),
        Err(cause) if cause.kind() == crate::store::StoreErrorKind::Denied => {}
        Err(cause) => {
            report.unreachable = Some(cause.to_string());
            return;
        }
    }
    report.config = settings(connection).await;
    if let Ok(info) = ask::<String>(connection, cmd("CLUSTER").arg("INFO")).await {
        report.cluster = fields(&info);
    }
    measure(report, connection).await;
    report.keys = ask(connection, &cmd("DBSIZE")).await.ok();
    let slow = ask::<Value>(connection, cmd("SLOWLOG").arg("GET").arg(SLOW_COMMANDS)).await;
    report.slow_commands = slow.map_or_else(|_| Vec::new(), |log| slow_commands(&log));
    let namespace = servers.config().key_namespace();
    if let Ok(rights) = missing_rights(connection, &primary.probes[0], namespace, ALL_RIGHTS).await {
        report.missing_rights = rights;
    }
    let stamp = format!("{}{}", namespace.stamps(), primary.probes[0]);
    let write = ask::<Value>(connection, cmd("SET").arg(stamp).arg("0").arg("XX").arg("PX").arg(1)).await;
    report.write_refused = write.err().map(|cause| cause.to_string());
    report.tracking_refused = tracking(servers, primary).await.err().map(|cause| cause.to_string());
}

async fn settings(connection: &mut MultiplexedConnection) -> Option<BTreeMap<String, String>> {
    let mut settings = BTreeMap::new();
    // One by one: several at once are asked for since Redis 7 alone.
    for name in SETTINGS {
        let found: Vec<String> = ask(connection, cmd("CONFIG").arg("GET").arg(name)).await.ok()?;
        let pairs = found.as_chunks::<2>().0.iter().cloned();
        settings.extend(pairs.map(|[name, value]| (name, value)));
    }
    Some(settings)
}

/// Round trips, and the server's clock in the shortest of some.
async fn measure(report: &mut ServerReport, connection: &mut MultiplexedConnection) {
    let mut shortest = Duration::MAX;
    for _ in 0..PINGS {
        let (sent, sent_at) = (Instant::now(), SystemTime::now());
        let Ok((seconds, micros)) = ask::<(u64, u64)>(connection, &cmd("TIME")).await else {
            break;
        };
        let took = sent.elapsed();
        report
            .round_trips_us
            .push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if took < shortest {
            shortest = took;
            let there = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
            report.clock_ahead_ms = difference(there, sent_at + took / 2);
        }
    }
    report.round_trips_us.sort_unstable();
}

fn difference(there: Duration, here: SystemTime) -> Option<i64> {
    let here = here.duration_since(UNIX_EPOCH).ok()?;
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).ok();
    millis(there)?.checked_sub(millis(here)?)
}

/// Whether the server would report changes of stamps.
async fn tracking(servers: &Servers, primary: &Primary) -> Result<(), StoreError> {
    let address = primary.server.connector().address().await?;
    let stamps = servers.config().key_namespace().stamps();
    let mut track = cmd("CLIENT");
    track.arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX").arg(stamps);
    let client = servers.config().resp3_client(address);
    query_once(client, DEADLINE, async |mut connection| {
        track.exec_async(&mut connection).await
    })
    .await
}

/// The name of each command, without its arguments: they may be secret.
fn slow_commands(log: &Value) -> Vec<(String, u64)> {
    let Value::Array(log) = log else { return Vec::new() };
    let command = |entry: &Value| {
        let Value::Array(fields) = entry else { return None };
        let [_, _, Value::Int(micros), Value::Array(words), ..] = &fields[..] else {
            return None;
        };
        let name = String::from_redis_value_ref(words.first()?).ok()?;
        Some((name.to_uppercase(), u64::try_from(*micros).ok()?))
    };
    log.iter().filter_map(command).collect()
}

fn fields(info: &str) -> BTreeMap<String, String> {
    let fields = info.lines().filter_map(|line| line.split_once(':'));
    fields
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

async fn ask<T: FromRedisValue>(connection: &mut MultiplexedConnection, question: &Cmd) -> Result<T, StoreError> {
    let answer: RedisResult<T> = timeout(DEADLINE, question.query_async(connection))
        .await
        .map_err(|_| StoreError::timeout("an answer", DEADLINE))?;
    answer.map_err(|cause| error::from_redis(&cause))
}
