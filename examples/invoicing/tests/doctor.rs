//! `invoicing cache doctor` on servers that something is wrong with on purpose: it names that, and nothing else.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on is to stop; the helpers too")]

use std::process::{Command, Output};

use cache_testkit::{RedisCluster, RedisServer, RedisServerBuilder, redis};
use serde_json::Value;

/// A server with which nothing is wrong.
fn good() -> RedisServerBuilder {
    RedisServer::builder()
        .config("maxmemory", "64mb")
        .config("maxmemory-policy", "allkeys-lru")
}

fn command(server: &RedisServer, words: &[&str]) -> redis::Value {
    server.command(words).unwrap()
}

fn doctor(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_invoicing"))
        .args(["cache", "doctor"])
        .args(arguments)
        .env("REDIS_URL", url)
        .env_remove("CACHE_NAMESPACE")
        .env_remove("DATABASE_URL")
        .output()
        .unwrap()
}

/// What is found, each with its severity, and the exit code.
fn found(url: &str) -> (Vec<(String, String)>, Option<i32>) {
    let output = doctor(url, &["--json"]);
    let diagnosis: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = diagnosis["findings"].as_array().unwrap();
    for finding in findings {
        assert!(!text(finding, "seen").is_empty() && !text(finding, "remedy").is_empty());
    }
    let findings = findings
        .iter()
        .map(|finding| (text(finding, "id"), text(finding, "severity")));
    (findings.collect(), output.status.code())
}

#[track_caller]
fn assert_found(url: &str, id: &str, severity: &str) {
    let (findings, code) = found(url);
    assert_eq!(findings, [(id.to_owned(), severity.to_owned())]);
    assert_eq!(code, Some(i32::from(severity != "notice")), "{id}");
}

#[test]
fn with_a_good_server_nothing_is_wrong() {
    let server = good().start().unwrap();
    assert_eq!(found(server.url()), (vec![], Some(0)));
    let output = doctor(server.url(), &[]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("Nothing is wrong."), "{shown}");
}

#[test]
fn a_server_without_a_limit_of_memory() {
    let server = RedisServer::start().unwrap();
    assert_found(server.url(), "no_maxmemory", "warning");
}

#[test]
fn a_server_that_evicts_nothing() {
    let server = good().config("maxmemory-policy", "noeviction").start().unwrap();
    assert_found(server.url(), "no_eviction", "warning");
}

#[test]
fn a_server_that_is_full_and_evicts_all_the_time() {
    let server = good().start().unwrap();
    let used: String = server.command(["INFO", "memory"]).unwrap();
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let limit = used.trim().parse::<u64>().unwrap() + (1 << 20);
    command(&server, &["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    let fill = "for n = 1, 3000 do \
                redis.call('SET', 'cache:default:invoices_list:company-1:' .. string.format('%012x', n), string.rep('x', 1000), 'PX', 600000) \
                end";
    command(&server, &["EVAL", fill, "0"]);
    assert_found(server.url(), "memory_full", "warning");
}

#[test]
fn a_replica_in_place_of_the_primary() {
    let primary = good().start().unwrap();
    let port = primary.port().unwrap().to_string();
    let replica = good().config("replicaof", format!("127.0.0.1 {port}")).start().unwrap();
    assert_found(replica.url(), "replica", "error");
    let output = doctor(replica.url(), &[]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains(&format!("Name the primary, redis://127.0.0.1:{port}")),
        "{shown}"
    );
}

#[test]
fn a_user_that_may_not_invalidate_and_not_be_tracked() {
    let server = good().start().unwrap();
    command(
        &server,
        &[
            "ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-unlink", "-client",
        ],
    );
    let url = server.url().replace("redis://", "redis://app:secret@");
    assert_found(&url, "missing_rights", "error");
    let shown = String::from_utf8(doctor(&url, &[]).stdout).unwrap();
    assert!(
        shown.contains("+unlink on ~cachestamp:* (invalidations)") && shown.contains("+client (near = \"tracked\")"),
        "{shown}"
    );
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn a_user_that_may_do_what_calls_need_and_ask_nothing() {
    let server = good().start().unwrap();
    let rights = "+mget +get +set +unlink +scan +getrange +strlen +pttl +type +client|tracking +sadd +srem +smembers \
                  +pexpire +select";
    let mut words = vec!["ACL", "SETUSER", "app", "on", ">secret", "~cache*", "-@all"];
    words.extend(rights.split_whitespace());
    command(&server, &words);
    let url = server.url().replace("redis://", "redis://app:secret@");
    assert_found(&url, "not_said", "warning");
}

#[test]
fn a_server_that_could_not_save_and_refuses_writes() {
    let server = good().start().unwrap();
    std::fs::create_dir(server.folder().join("dump.rdb")).unwrap();
    command(&server, &["CONFIG", "SET", "save", "3600 1"]);
    command(&server, &["BGSAVE"]);
    let has_failed = || {
        let info: String = server.command(["INFO", "persistence"]).unwrap();
        info.contains("rdb_last_bgsave_status:err")
    };
    while !has_failed() {
        std::thread::yield_now();
    }
    assert_found(server.url(), "failed_save", "error");
}

#[test]
fn a_server_that_waits_for_replicas_which_are_not_there() {
    let server = good().config("min-replicas-to-write", "1").start().unwrap();
    assert_found(server.url(), "too_few_replicas", "error");
}

#[test]
fn slow_commands_of_somebody() {
    let server = good().start().unwrap();
    let busy = "local began = redis.call('TIME') \
                repeat local now = redis.call('TIME') \
                until (now[1] - began[1]) * 1000000 + now[2] - began[2] > 15000";
    for _ in 0..3 {
        command(&server, &["EVAL", busy, "0"]);
    }
    assert_found(server.url(), "slow_commands", "warning");
    let shown = String::from_utf8(doctor(server.url(), &[]).stdout).unwrap();
    // Beside others, on a machine that is busy enough.
    assert!(shown.contains("EVAL") && !shown.contains("local began"), "{shown}");
}

#[test]
fn a_server_without_a_password_that_everybody_reaches() {
    let server = good()
        .config("bind", "0.0.0.0")
        .config("protected-mode", "no")
        .start()
        .unwrap();
    assert_found(server.url(), "no_password", "error");
}

#[test]
fn few_connections_are_left() {
    let server = good().config("maxclients", "20").start().unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let held: Vec<_> = (0..12).map(|_| client.get_connection().unwrap()).collect();
    assert_found(server.url(), "connections", "warning");
    drop(held);
}

#[test]
fn a_cluster_in_which_nobody_has_a_slot() {
    let cluster = RedisCluster::start_from(&good()).unwrap();
    let primary = cluster.primary_of_slot(7);
    command(primary, &["CLUSTER", "DELSLOTS", "7"]);
    let (findings, code) = found(&cluster.url());
    let is_broken = |(id, severity): &(String, String)| id == "broken_cluster" && severity == "error";
    assert!(findings.iter().any(is_broken) && code == Some(1), "{findings:?}");
}

#[test]
fn a_server_of_a_cluster_that_is_named_as_one_by_itself() {
    let cluster = RedisCluster::start_from(&good()).unwrap();
    assert_found(cluster.primaries()[0].url(), "cluster_url", "error");
}

#[test]
fn keys_of_somebody_else() {
    let server = good().start().unwrap();
    command(&server, &["SET", "session:1", "x", "EX", "600"]);
    assert_found(server.url(), "foreign_keys", "warning");
}

#[test]
fn an_entry_that_never_ends() {
    let server = good().start().unwrap();
    command(
        &server,
        &["SET", "cachestamp:default:invoices_list", "0123456789abcdef"],
    );
    assert_found(server.url(), "keys_without_ttl", "warning");
}

#[test]
fn entries_of_another_service_under_no_name_of_its_own() {
    let server = good().start().unwrap();
    for resource in ["invoices_list", "bookings"] {
        let stamp = format!("cachestamp:default:{resource}");
        command(&server, &["SET", &stamp, "0123456789abcdef", "EX", "600"]);
    }
    assert_found(server.url(), "undeclared_resources", "warning");
}

#[test]
fn another_service_in_a_namespace_is_worth_a_notice() {
    let server = good().start().unwrap();
    for namespace in ["", "shop:"] {
        let stamp = format!("{namespace}cachestamp:default:invoices_list");
        command(&server, &["SET", &stamp, "0123456789abcdef", "EX", "600"]);
    }
    assert_found(server.url(), "several_services", "notice");
}

#[test]
fn a_server_that_is_not_there() {
    let server = good().start().unwrap();
    server.kill();
    assert_found(server.url(), "unreachable", "error");
}

#[test]
fn a_wrong_password() {
    let server = good().password("right").start().unwrap();
    let url = server.url().replace("right", "wrong");
    assert_found(&url, "unreachable", "error");
    assert_eq!(found(server.url()), (vec![], Some(0)));
}
