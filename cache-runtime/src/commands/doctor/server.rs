//! What one server says of itself, judged.

use std::{net::IpAddr, time::Duration};

use super::{
    super::format,
    finding::{
        Finding,
        Severity::{Error, Notice, Warning},
    },
};
use crate::store::ServerReport;

/// The first release that has all that the cache asks for.
const OLDEST: (u32, u32) = (6, 0);

/// A hit is one round trip: half of them are not to take longer than this.
const SLOW_ROUND_TRIP: Duration = Duration::from_millis(10);

/// A replica that is behind by more than this is not what one would fail over to.
const LAG: u64 = 10;

/// Clocks that differ by more than this make entries stale too early or too late.
const CLOCK_DIFFERENCE: u64 = 1_000;

/// A command that takes longer than this, in microseconds, makes all calls wait; and so many of them are no accident.
const SLOW_COMMAND: u64 = 10_000;
const SLOW_COMMANDS: usize = 3;

/// A cluster has so many.
const SLOTS: u64 = 16_384;

/// All that is wrong with a server, of a store that describes itself like this.
pub(super) fn findings(server: &ServerReport, store: &str) -> Vec<Finding> {
    if let Some(cause) = &server.unreachable {
        return vec![Finding::unreachable(&server.address, cause)];
    }
    let mut findings: Vec<Finding> = [
        too_old(server),
        replica(server),
        too_few_replicas(server),
        lagging_replicas(server),
        failed_save(server),
        no_limit(server),
        full(server),
        no_eviction(server),
        rights(server),
        round_trips(server),
        clock(server),
        slow_commands(server),
        connections(server),
        no_password(server),
        not_encrypted(server),
        broken_cluster(server),
        unexpected_cluster(server, store),
        no_tracking(server),
        unsaid(server),
    ]
    .into_iter()
    .flatten()
    .collect();
    // If it is not clear why yet.
    let is_explained = findings.iter().any(|finding| finding.severity == Error);
    findings.extend(refused_writes(server).filter(|_| !is_explained));
    findings
        .into_iter()
        .map(|finding| finding.of(&server.address))
        .collect()
}

/// Valkey says so, and beside it which Redis it stands for.
pub(super) fn version(server: &ServerReport) -> String {
    match (server.info("valkey_version"), server.info("redis_version")) {
        (Some(version), _) => format!("Valkey {version}"),
        (None, Some(version)) => format!("Redis {version}"),
        (None, None) => String::new(),
    }
}

fn number(server: &ServerReport, field: &str) -> Option<u64> {
    server.info(field)?.parse().ok()
}

fn setting(server: &ServerReport, name: &str) -> Option<u64> {
    server.setting(name)?.parse().ok()
}

fn too_old(server: &ServerReport) -> Option<Finding> {
    let version = server.info("redis_version")?;
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let found = (parts.next()?, parts.next().unwrap_or(0));
    (found < OLDEST).then(|| {
        let remedy = "Upgrade: the oldest version that is tested is in docs/deployments.md.";
        let seen = format!("It is {}, and the cache needs 6.0 or newer.", self::version(server));
        Finding::new("old_version", Error, seen, remedy)
    })
}

fn replica(server: &ServerReport) -> Option<Finding> {
    if server.info("role") != Some("slave") {
        return None;
    }
    let primary = [server.info("master_host")?, server.info("master_port")?].join(":");
    Some(Finding::new(
        "replica",
        Error,
        format!(
            "It is a replica of {primary} and takes no writes: nothing can be invalidated on it, so it is not read either."
        ),
        format!(
            "Name the primary, redis://{primary}, or the sentinels that know it: redis-sentinel://host:26379#service."
        ),
    ))
}

fn too_few_replicas(server: &ServerReport) -> Option<Finding> {
    let needed = setting(server, "min-replicas-to-write").filter(|needed| *needed > 0)?;
    let good = number(server, "min_slaves_good_slaves")?;
    (good < needed).then(|| {
        Finding::new(
            "too_few_replicas",
            Error,
            format!("It takes no writes: min-replicas-to-write is {needed}, and {good} replicas are up to date."),
            "Bring the replicas back, or lower min-replicas-to-write.",
        )
    })
}

fn lagging_replicas(server: &ServerReport) -> Option<Finding> {
    let lagging: Vec<&str> = (0..number(server, "connected_slaves")?)
        .filter_map(|place| server.info(&format!("slave{place}")))
        .filter(|replica| {
            let field = |name: &str| {
                replica
                    .split(',')
                    .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
            };
            let lag = field("lag").and_then(|lag| lag.parse::<u64>().ok());
            field("state") == Some("online") && lag.is_some_and(|lag| lag > LAG)
        })
        .collect();
    (!lagging.is_empty()).then(|| {
        Finding::new(
            "lagging_replicas",
            Warning,
            format!("Replicas have not answered for more than {LAG} s: {}", lagging.join("; ")),
            "Look at the network between, and at the replicas' load. What was invalidated meanwhile is lost if one of them takes over; \
             REDIS_WAIT_REPLICAS=1 waits for one.",
        )
    })
}

fn failed_save(server: &ServerReport) -> Option<Finding> {
    let stops = server.setting("stop-writes-on-bgsave-error") != Some("no");
    let failed = if server.info("aof_last_write_status") == Some("err") {
        "its append-only file"
    } else if stops && server.info("rdb_last_bgsave_status") == Some("err") {
        "its last snapshot"
    } else {
        return None;
    };
    Some(Finding::new(
        "failed_save",
        Error,
        format!("It takes no writes (MISCONF): it could not write {failed} to disk."),
        "Is the disk full, or its folder not writable? Its log says. A server that is a cache alone needs no snapshots: CONFIG SET save \"\".",
    ))
}

fn no_limit(server: &ServerReport) -> Option<Finding> {
    (number(server, "maxmemory") == Some(0)).then(|| {
        Finding::new(
            "no_maxmemory",
            Warning,
            "maxmemory is 0: it grows until the machine has no memory left, and is killed then.",
            "CONFIG SET maxmemory 1gb, or what the machine can spare, and maxmemory-policy allkeys-lru.",
        )
    })
}

fn full(server: &ServerReport) -> Option<Finding> {
    let limit = number(server, "maxmemory").filter(|limit| *limit > 0)?;
    let used = number(server, "used_memory")?;
    let evicted = number(server, "evicted_keys").unwrap_or(0);
    if used < limit / 100 * 90 {
        return None;
    }
    let seen = format!("{} of {} are taken", format::bytes(used), format::bytes(limit));
    if server.info("maxmemory_policy") == Some("noeviction") {
        let remedy = "Raise maxmemory, and let it evict: CONFIG SET maxmemory-policy allkeys-lru.";
        let seen = format!("{seen}, and nothing is evicted: new results are not stored (OOM).");
        return Some(Finding::new("memory_full", Error, seen, remedy));
    }
    (evicted > 0).then(|| {
        let seen = format!("{seen}; {evicted} keys have been evicted since it started. Who asks for them loads again.");
        let remedy = "Raise maxmemory, shorten TTLs, or compress (CACHE_COMPRESSION). `top` shows what takes most.";
        Finding::new("memory_full", Warning, seen, remedy)
    })
}

fn no_eviction(server: &ServerReport) -> Option<Finding> {
    let is_limited = number(server, "maxmemory").is_some_and(|limit| limit > 0);
    (is_limited && server.info("maxmemory_policy") == Some("noeviction")).then(|| {
        Finding::new(
            "no_eviction",
            Warning,
            "maxmemory-policy is noeviction: once memory is full, nothing new is stored.",
            "CONFIG SET maxmemory-policy allkeys-lru. On a server with data of others: volatile-lru; all keys of the cache have a time to live.",
        )
    })
}

fn rights(server: &ServerReport) -> Option<Finding> {
    let missing = &server.missing_rights;
    if missing.is_empty() {
        return None;
    }
    let line = |right: &crate::store::MissingRight| match right.keys.as_str() {
        "" => format!("+{} ({})", right.command, right.purpose),
        keys => format!("+{} on ~{keys} ({})", right.command, right.purpose),
    };
    let is_needed = |purpose: &str| {
        ["every call", "invalidations", "loads", "results"]
            .iter()
            .any(|needed| purpose.starts_with(needed))
    };
    let severity = if missing.iter().any(|right| is_needed(&right.purpose)) {
        Error
    } else {
        Warning
    };
    let mut rules: Vec<String> = missing.iter().map(|right| format!("+{}", right.command)).collect();
    rules.extend(
        missing
            .iter()
            .filter(|right| !right.keys.is_empty())
            .map(|right| format!("~{}", right.keys)),
    );
    rules.sort_unstable();
    rules.dedup();
    Some(Finding::new(
        "missing_rights",
        severity,
        format!(
            "The user may not: {}.",
            missing.iter().map(line).collect::<Vec<_>>().join("; ")
        ),
        format!("ACL SETUSER <user> {}", rules.join(" ")),
    ))
}

fn round_trips(server: &ServerReport) -> Option<Finding> {
    let (half, most) = (server.round_trip(0.5)?, server.round_trip(0.99)?);
    (half > SLOW_ROUND_TRIP).then(|| {
        Finding::new(
            "slow_round_trips",
            Warning,
            format!("Half of the round trips take {} or longer, one in a hundred {}.", format::micros(half), format::micros(most)),
            "Is it in another region, or is the machine busy? A hit takes one round trip; near = \"tracked\" takes none.",
        )
    })
}

fn clock(server: &ServerReport) -> Option<Finding> {
    let ahead = server.clock_ahead_ms?;
    (ahead.unsigned_abs() > CLOCK_DIFFERENCE).then(|| {
        let by = format::duration(Duration::from_millis(ahead.unsigned_abs()));
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        Finding::new(
            "clock_difference",
            Warning,
            format!("Its clock is {by} {direction} that of this machine."),
            "Let both follow a time server (NTP). Nothing old is served for it, but what may be served stale is stale that much earlier or later.",
        )
    })
}

fn slow_commands(server: &ServerReport) -> Option<Finding> {
    let slow: Vec<_> = server
        .slow_commands
        .iter()
        .filter(|(_, micros)| *micros >= SLOW_COMMAND)
        .collect();
    let (slowest, micros) = slow.iter().max_by_key(|(_, micros)| *micros)?;
    if slow.len() < SLOW_COMMANDS {
        return None;
    }
    let mut names: Vec<&str> = slow.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    Some(Finding::new(
        "slow_commands",
        Warning,
        format!(
            "{} slow commands are in its log ({}), the slowest {slowest} with {}. While one runs, every call waits.",
            slow.len(),
            names.join(", "),
            format::micros(Duration::from_micros(*micros)),
        ),
        "SLOWLOG GET shows them with their arguments and who sent them. Mind KEYS, SMEMBERS and scripts over large keys; give the cache a \
         server of its own.",
    ))
}

fn connections(server: &ServerReport) -> Option<Finding> {
    let limit = number(server, "maxclients").or_else(|| setting(server, "maxclients"))?;
    let open = number(server, "connected_clients")?;
    let rejected = number(server, "rejected_connections").unwrap_or(0);
    let is_near = open.saturating_mul(10) >= limit.saturating_mul(8);
    (is_near || rejected > 0).then(|| {
        Finding::new(
            "connections",
            Warning,
            format!("{open} of {limit} connections are open; {rejected} have been refused since it started."),
            "Raise maxclients, or lower REDIS_MAX_CONNECTIONS (default 4 for each process). CLIENT LIST says whose they are.",
        )
    })
}

fn no_password(server: &ServerReport) -> Option<Finding> {
    let is_loopback = |address: &str| {
        let address = address.trim_start_matches('-');
        address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let bound = server.setting("bind")?;
    // Nothing is everywhere.
    let is_open = bound.is_empty() || !bound.split_whitespace().all(is_loopback);
    let is_protected = server.setting("protected-mode") == Some("yes");
    (is_open && !is_protected && !server.is_authenticated).then(|| {
        Finding::new(
            "no_password",
            Error,
            format!("It listens on {bound:?} and asks for no password: whoever reaches it may read, change and delete everything."),
            "Bind it to an inner address, and set a password or users: docs/deployments.md. Entries that others could have written are refused with CACHE_SIGNING_KEY.",
        )
    })
}

fn not_encrypted(server: &ServerReport) -> Option<Finding> {
    (!server.is_private).then(|| {
        Finding::new(
            "not_encrypted",
            Notice,
            "The connection leaves this machine and is not encrypted.",
            "Use rediss:// where others can listen (the cargo feature tls).",
        )
    })
}

fn broken_cluster(server: &ServerReport) -> Option<Finding> {
    let state = server.cluster.get("cluster_state")?;
    let slots = |field: &str| server.cluster.get(field).and_then(|count| count.parse::<u64>().ok());
    let working = slots("cluster_slots_ok").unwrap_or(SLOTS);
    (state != "ok" || working < SLOTS).then(|| {
        Finding::new(
            "broken_cluster",
            Error,
            format!(
                "Its cluster is in the state {state:?}: {} of {SLOTS} slots have no server that works.",
                SLOTS - working.min(SLOTS)
            ),
            "redis-cli --cluster check <address> names them; redis-cli --cluster fix gives them to a server.",
        )
    })
}

fn unexpected_cluster(server: &ServerReport, store: &str) -> Option<Finding> {
    let is_member = server.cluster.contains_key("cluster_state");
    (is_member && !store.contains("-cluster://")).then(|| {
        Finding::new(
            "cluster_url",
            Error,
            "It is a server of a cluster, and the address names it as one by itself: keys of its other servers are not reached.",
            "Write redis-cluster:// in place of redis://.",
        )
    })
}

fn no_tracking(server: &ServerReport) -> Option<Finding> {
    // That is said already.
    let lacks_right = server.missing_rights.iter().any(|right| right.command == "client");
    let cause = server.tracking_refused.as_ref().filter(|_| !lacks_right)?;
    Some(Finding::new(
        "no_tracking",
        Notice,
        format!("It does not report changes of stamps: {cause}"),
        "near = \"tracked\" checks with the server on every call, as near = \"checked\" does. Redis 6.0 and newer have it, over RESP3.",
    ))
}

fn unsaid(server: &ServerReport) -> Option<Finding> {
    let (severity, seen, right) = match (server.info.is_empty(), server.config.is_none()) {
        (true, _) => (Warning, "version, memory, replicas and persistence (INFO)", "+info"),
        (false, true) => (Notice, "passwords and some limits (CONFIG GET)", "+config|get"),
        (false, false) => return None,
    };
    Some(Finding::new(
        "not_said",
        severity,
        format!("The user may not ask it about {seen}: nothing was found out about these."),
        format!("ACL SETUSER <user> {right}, or look with another user. Managed servers allow nobody CONFIG."),
    ))
}

fn refused_writes(server: &ServerReport) -> Option<Finding> {
    let cause = server.write_refused.as_ref()?;
    Some(Finding::new(
        "refuses_writes",
        Error,
        format!("It takes no writes: {cause}"),
        "Without writes nothing can be invalidated, so it is not read either: calls run uncached until it takes them.",
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn server(info: &[(&str, &str)]) -> ServerReport {
        let mut server = ServerReport::new("127.0.0.1:6379");
        server.config = Some(BTreeMap::new());
        server.info.insert("role".to_owned(), "master".to_owned());
        server.is_private = true;
        let info = info.iter();
        server
            .info
            .extend(info.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        server
    }

    fn ids(server: &ServerReport) -> Vec<&'static str> {
        let findings = findings(server, "redis://127.0.0.1:6379");
        findings.iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn a_release_before_the_first_that_will_do_is_named() {
        assert_eq!(ids(&server(&[("redis_version", "5.0.14")])), ["old_version"]);
        assert_eq!(ids(&server(&[("redis_version", "6.0.0")])), [] as [&str; 0]);
        let valkey = [("redis_version", "7.2.4"), ("valkey_version", "9.1.0")];
        assert_eq!(version(&server(&valkey)), "Valkey 9.1.0");
    }

    #[test]
    fn a_clock_that_differs_is_named_in_both_directions() {
        let mut one = server(&[]);
        for (ahead, seen) in [(90_000, "1m 30s ahead of"), (-5_000, "5s behind")] {
            one.clock_ahead_ms = Some(ahead);
            let found = findings(&one, "");
            assert!(
                found[0].id == "clock_difference" && found[0].seen.contains(seen),
                "{found:?}"
            );
        }
        one.clock_ahead_ms = Some(900);
        assert_eq!(ids(&one), [] as [&str; 0]);
    }

    #[test]
    fn a_replica_that_lags_and_a_disk_that_is_full_are_named() {
        let lagging = "ip=10.0.0.7,port=6379,state=online,offset=100,lag=60";
        let info = [("connected_slaves", "1"), ("slave0", lagging)];
        assert_eq!(ids(&server(&info)), ["lagging_replicas"]);
        assert_eq!(ids(&server(&[("aof_last_write_status", "err")])), ["failed_save"]);
    }

    #[test]
    fn what_takes_no_writes_for_another_reason_is_named_with_what_it_says() {
        let mut one = server(&[]);
        one.write_refused = Some("READONLY you know".to_owned());
        assert_eq!(ids(&one), ["refuses_writes"]);
    }

    #[test]
    fn a_connection_that_leaves_the_machine_unencrypted_is_worth_a_notice() {
        let mut one = server(&[]);
        one.is_private = false;
        assert_eq!(ids(&one), ["not_encrypted"]);
    }
}
