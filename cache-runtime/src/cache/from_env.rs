//! Settings from the environment: a table of the variables, each with what it can be and what it sets.

mod draft;
mod error;
mod misspelt;
mod value;

use std::{ffi::OsString, fmt::Display, str::FromStr};

pub use self::error::ConfigError;
pub(crate) use self::misspelt::{Misspelt, misspelt};
use self::{
    draft::Draft,
    error::Secrecy::{self, Open, Secret},
    value::{Connections, Count, Flag, Pem, Positive, Share, Time},
};
use crate::{
    cache::{CacheBuilder, Origin},
    entry::SigningKey,
    store::RedisConfig,
};

/// Every variable that is read, in this order. Of a text that cannot be used the error says what can: the type's own error, where
/// it is one.
#[rustfmt::skip] // A row a line.
const VARIABLES: &[Variable] = &[
    Variable("REDIS_URL", Secret, &Text(Draft::set_url)),
    Variable("REDIS_PASSWORD", Secret, &RedisText(|redis, text| Ok(redis.password(text)))),
    Variable("REDIS_SENTINEL_PASSWORD", Secret, &RedisText(|redis, text| Ok(redis.sentinel_password(text)))),
    Variable("CACHE_NAMESPACE", Open, &RedisText(|redis, name| redis.namespace(name).map_err(said))),
    Variable("REDIS_TLS_CA", Open, &RedisText(|redis, path| {
        redis.tls_ca(&Pem::read(path)?.bytes).map_err(said)
    })),
    Variable("REDIS_TLS_CERT", Open, &RedisPart(|draft, path| {
        draft.certificate = Some(Pem::read(path)?);
        Ok(())
    })),
    Variable("REDIS_TLS_KEY", Open, &RedisPart(|draft, path| {
        draft.certificate_key = Some(Pem::read(path)?);
        Ok(())
    })),
    Variable("REDIS_MAX_CONNECTIONS", Open, &RedisSetting(|redis, Connections(number)| redis.max_connections(number))),
    Variable("REDIS_SOCKET_CONNECT_TIMEOUT", Open, &RedisSetting(|redis, Time(timeout)| redis.connect_timeout(timeout))),
    Variable("REDIS_SOCKET_KEEPALIVE", Open, &RedisSetting(|redis, Flag(on)| {
        if on { redis } else { redis.keepalive(None) }
    })),
    Variable("REDIS_WAIT_REPLICAS", Open, &RedisSetting(|redis, Count(replicas)| redis.wait_replicas(replicas))),
    Variable("REDIS_ENABLED", Open, &CacheSetting(|builder, Flag(enabled)| {
        let builder = builder.enabled(enabled);
        if enabled { builder } else { builder.origin(Origin::Variable("REDIS_ENABLED")) }
    })),
    Variable("CACHE_MEMORY_CAPACITY", Open, &CacheSetting(|builder, Positive(bytes)| builder.memory(bytes))),
    Variable("CACHE_DEFAULT_TTL", Open, &CacheSetting(|builder, Time(ttl)| builder.default_ttl(ttl))),
    Variable("CACHE_READ_TIMEOUT", Open, &CacheSetting(|builder, Time(timeout)| builder.read_timeout(timeout))),
    Variable("CACHE_FILL_TIMEOUT", Open, &CacheSetting(|builder, Time(timeout)| builder.fill_timeout(timeout))),
    Variable("CACHE_INVALIDATE_TIMEOUT", Open, &CacheSetting(|builder, Time(timeout)| builder.invalidate_timeout(timeout))),
    Variable("CACHE_BREAKER_FAILURES", Open, &CacheSetting(|builder, Positive(failures)| builder.breaker_failures(failures))),
    Variable("CACHE_MAX_VALUE_SIZE", Open, &CacheSetting(|builder, Positive(bytes)| builder.max_value_size(bytes))),
    Variable("CACHE_CODEC", Open, &CacheSetting(CacheBuilder::codec)),
    Variable("CACHE_COMPRESSION", Open, &CacheSetting(CacheBuilder::compression)),
    Variable("CACHE_COMPRESSION_ABOVE", Open, &CacheSetting(|builder, Positive(bytes)| builder.compression_above(bytes))),
    Variable("CACHE_MAX_LOADS", Open, &CacheSetting(|builder, Positive(loads)| builder.max_loads(loads))),
    Variable("CACHE_LOAD_BACKSTOP", Open, &CacheSetting(|builder, Time(after)| builder.load_backstop(after))),
    Variable("CACHE_MAX_WAITERS", Open, &CacheSetting(|builder, Positive(waiters)| builder.max_waiters(waiters))),
    Variable("CACHE_JOURNAL_LIMIT", Open, &CacheSetting(|builder, Positive(lines)| builder.journal_limit(lines))),
    Variable("CACHE_SIGNING_KEY", Secret, &Text(|draft, text| {
        draft.signing_key = Some(SigningKey::new(text).map_err(said)?);
        Ok(())
    })),
    Variable("CACHE_SIGNING_KEY_PREVIOUS", Secret, &Text(|draft, text| {
        draft.previous_signing_key = Some(SigningKey::new(text).map_err(said)?);
        Ok(())
    })),
    Variable("CACHE_REQUIRE_TENANT", Open, &CacheSetting(|builder, Flag(require)| builder.require_tenant(require))),
    Variable("CACHE_SWEEP", Open, &CacheSetting(|builder, Flag(sweep)| builder.sweep(sweep))),
    Variable("CACHE_NEAR_CAPACITY", Open, &CacheSetting(|builder, Positive(bytes)| builder.near_capacity(bytes))),
    Variable("CACHE_NEAR_MAX_STALENESS", Open, &Text(Draft::set_near_max_staleness)),
    Variable("CACHE_HOLD_TTL", Open, &CacheSetting(|builder, Time(ttl)| builder.hold_ttl(ttl))),
    Variable("CACHE_JITTER", Open, &CacheSetting(|builder, Share(fraction)| builder.jitter(fraction))),
    Variable("CACHE_MAX_REFRESHES", Open, &CacheSetting(|builder, Positive(loads)| builder.max_refreshes(loads))),
    Variable("CACHE_REPEAT_AFTER", Open, &CacheSetting(|builder, Time(after)| builder.repeat_after(after))),
    Variable("CACHE_ON_FAILOVER", Open, &CacheSetting(CacheBuilder::on_failover)),
];

/// Reads every variable through `get`, so that tests need not touch the process's environment.
///
/// # Errors
///
/// The first variable whose value cannot be used.
pub fn from_env(get: impl Fn(&'static str) -> Option<OsString>) -> Result<CacheBuilder, ConfigError> {
    let mut draft = Draft::new();
    for variable in VARIABLES {
        let value = get(variable.name()).filter(|value| !value.is_empty());
        if let Some(value) = value.filter(|_| draft.has_redis() || !variable.needs_redis()) {
            variable.set(&mut draft, value)?;
        }
    }
    draft.finish()
}

/// A variable: its name, whether its value may be shown, and what it sets.
struct Variable(&'static str, Secrecy, &'static dyn Setting);

impl Variable {
    const fn name(&self) -> &'static str {
        self.0
    }

    /// Whether it is looked at only beside `REDIS_URL`.
    fn needs_redis(&self) -> bool {
        self.2.needs_redis()
    }

    fn set(&self, draft: &mut Draft, value: OsString) -> Result<(), ConfigError> {
        let &Self(name, secrecy, setting) = self;
        let unusable = |value: &str, accepted| ConfigError::new(name, secrecy.shown(value), accepted);
        let text = value
            .into_string()
            .map_err(|value| unusable(&value.to_string_lossy(), "it must be UTF-8".to_owned()))?;
        setting.set(draft, &text).map_err(|accepted| unusable(&text, accepted))
    }
}

/// What a variable sets. An error is what is accepted.
trait Setting {
    fn set(&self, draft: &mut Draft, text: &str) -> Result<(), String>;

    fn needs_redis(&self) -> bool {
        false
    }
}

/// Sets what the text, without the spaces around it, stands for.
struct CacheSetting<V>(fn(CacheBuilder, V) -> CacheBuilder);
struct RedisSetting<V>(fn(RedisConfig, V) -> RedisConfig);

/// Takes the text as it is.
struct Text(fn(&mut Draft, &str) -> Result<(), String>);
struct RedisText(fn(RedisConfig, &str) -> Result<RedisConfig, String>);
struct RedisPart(fn(&mut Draft, &str) -> Result<(), String>);

impl<V: FromStr<Err: Display>> Setting for CacheSetting<V> {
    fn set(&self, draft: &mut Draft, text: &str) -> Result<(), String> {
        let value = text.trim().parse().map_err(said)?;
        draft.build(|builder| (self.0)(builder, value));
        Ok(())
    }
}

impl<V: FromStr<Err: Display>> Setting for RedisSetting<V> {
    fn set(&self, draft: &mut Draft, text: &str) -> Result<(), String> {
        let value = text.trim().parse().map_err(said)?;
        draft.redis(|redis| Ok((self.0)(redis, value)))
    }

    fn needs_redis(&self) -> bool {
        true
    }
}

impl Setting for Text {
    fn set(&self, draft: &mut Draft, text: &str) -> Result<(), String> {
        (self.0)(draft, text)
    }
}

impl Setting for RedisText {
    fn set(&self, draft: &mut Draft, text: &str) -> Result<(), String> {
        draft.redis(|redis| (self.0)(redis, text))
    }

    fn needs_redis(&self) -> bool {
        true
    }
}

impl Setting for RedisPart {
    fn set(&self, draft: &mut Draft, text: &str) -> Result<(), String> {
        (self.0)(draft, text)
    }

    fn needs_redis(&self) -> bool {
        true
    }
}

/// The sentence of an error.
fn said(error: impl Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<CacheBuilder, ConfigError> {
        from_env(|name| {
            variables
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| value.into())
        })
    }

    /// The variables in a column of the tables of settings.
    fn documented() -> BTreeSet<&'static str> {
        const BOOK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/options.md"));
        let (_, settings) = BOOK
            .split_once("\n## Settings of a cache\n")
            .expect("there is this section");
        let (tables, _) = settings.split_once("\n### ").expect("there is one below");
        let rows = tables.lines().filter(|line| line.starts_with('|'));
        let cells = rows.filter_map(|row| row.split('|').nth(2));
        let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        words.collect()
    }

    #[test]
    fn every_variable_is_documented_and_no_other() {
        let read: BTreeSet<_> = VARIABLES.iter().map(Variable::name).collect();
        assert_eq!(read.len(), VARIABLES.len(), "none is in the table twice");
        let documented = documented();
        let missing: Vec<_> = read.difference(&documented).collect();
        let unknown: Vec<_> = documented.difference(&read).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "docs/options.md lacks {missing:?}, and {unknown:?} is not read"
        );
    }

    #[test]
    fn nothing_set_is_the_process_alone() {
        assert!(format!("{:?}", with(&[]).unwrap()).contains("Memory"));
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        assert!(format!("{:?}", with(&[("REDIS_URL", ""), ("CACHE_DEFAULT_TTL", "")]).unwrap()).contains("Memory"));
    }

    #[test]
    fn every_variable_is_taken_into_account() {
        let builder = with(&[
            ("REDIS_URL", "redis://user:hush@cache.example:6380/2"),
            ("REDIS_PASSWORD", "hush-too"),
            ("REDIS_MAX_CONNECTIONS", "7"),
            ("REDIS_SOCKET_CONNECT_TIMEOUT", "3"),
            ("REDIS_SOCKET_KEEPALIVE", "off"),
            ("REDIS_WAIT_REPLICAS", "2"),
            ("CACHE_NAMESPACE", "billing"),
            ("CACHE_DEFAULT_TTL", "90s"),
            ("CACHE_READ_TIMEOUT", "20ms"),
            ("CACHE_FILL_TIMEOUT", "40ms"),
            ("CACHE_INVALIDATE_TIMEOUT", "80ms"),
            ("CACHE_BREAKER_FAILURES", "9"),
            ("CACHE_MAX_VALUE_SIZE", "1024"),
            ("CACHE_CODEC", "JSON"),
            ("CACHE_COMPRESSION", "None"),
            ("CACHE_COMPRESSION_ABOVE", "2047"),
            ("CACHE_SIGNING_KEY", "hush: the signing key"),
            ("CACHE_SIGNING_KEY_PREVIOUS", "hush: the one before"),
            ("CACHE_REQUIRE_TENANT", "true"),
            ("CACHE_SWEEP", "off"),
            ("CACHE_MAX_LOADS", "31"),
            ("CACHE_MAX_WAITERS", "32"),
            ("CACHE_LOAD_BACKSTOP", "34s"),
            ("CACHE_JOURNAL_LIMIT", "33"),
            ("CACHE_NEAR_CAPACITY", "2048"),
            ("CACHE_NEAR_MAX_STALENESS", "70ms"),
            ("CACHE_HOLD_TTL", "7s"),
            ("CACHE_JITTER", "12.5%"),
            ("CACHE_MAX_REFRESHES", "35"),
            ("CACHE_REPEAT_AFTER", "8s"),
            ("CACHE_ON_FAILOVER", "Flush"),
        ]);
        let shown = format!("{:?}", builder.unwrap());
        for part in [
            "cache.example:6380",
            "database: 2",
            "connections: 7",
            "connect_timeout: 3s",
            "keepalive: None",
            "wait_replicas: 2",
            "namespace: Some(\"billing\")",
            "near_heartbeat: 17.5ms",
            "90s",
            "20ms",
            "40ms",
            "80ms",
            "breaker_failures: 9",
            "1024",
            "compression: None, compression_above: 2047",
            "current: Some(SigningKey(not shown))",
            "previous: [SigningKey(not shown)]",
            "require_tenant: true",
            "sweep: false",
            "max_loads: Some(31)",
            "max_waiters: Some(32)",
            "load_backstop: 34s",
            "journal_limit: 33",
            "near_capacity: 2048",
            "near_max_staleness: 70ms",
            "hold_ttl: 7s",
            "jitter: 0.125",
            "max_refreshes: 35",
            "repeat_after: 8s",
            "on_failover: Flush",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(!shown.contains("hush"), "no password in {shown}");
    }

    #[test]
    fn no_replica_is_waited_for_unless_a_number_says_so() {
        for variables in [
            &[("REDIS_URL", "redis://localhost")][..],
            &[("REDIS_URL", "redis://localhost"), ("REDIS_WAIT_REPLICAS", "0")],
        ] {
            let shown = format!("{:?}", with(variables).unwrap());
            assert!(shown.contains("wait_replicas: 0"), "{shown}");
        }
    }

    #[test]
    fn a_disabled_cache_needs_no_other_setting_to_be_left_out() {
        let builder = with(&[("REDIS_URL", "redis://localhost"), ("REDIS_ENABLED", "false")]).unwrap();
        assert!(format!("{builder:?}").contains("enabled: false"));
    }

    #[test]
    fn a_bad_value_names_the_variable_the_value_and_what_is_accepted() {
        let message = |variables: &[(&str, &str)]| with(variables).unwrap_err().to_string();
        let ttl = message(&[("CACHE_DEFAULT_TTL", "soon")]);
        assert!(
            ttl.starts_with("CACHE_DEFAULT_TTL=soon cannot be used: write seconds"),
            "{ttl}"
        );
        let error = with(&[("CACHE_DEFAULT_TTL", "soon")]).unwrap_err();
        assert_eq!((error.variable(), error.value()), ("CACHE_DEFAULT_TTL", Some("soon")));
        assert!(error.accepted().starts_with("write seconds"), "{}", error.accepted());
        assert!(message(&[("CACHE_DEFAULT_TTL", "0")]).contains("not 0"));
        for long in ["1M", "1month", "2 months", "1y", "1year", "2years", "1d 1M", "1M 2d"] {
            assert!(message(&[("CACHE_DEFAULT_TTL", long)]).contains("no months or years"));
        }
        for fine in ["1m", "1min", "2 minutes", "1d", "2weeks", "1h 30m"] {
            assert!(with(&[("CACHE_DEFAULT_TTL", fine)]).is_ok(), "{fine}");
        }
        assert!(message(&[("REDIS_ENABLED", "maybe")]).contains("true or false"));
        let namespace = message(&[("REDIS_URL", "redis://localhost"), ("CACHE_NAMESPACE", "a:b")]);
        assert!(namespace.starts_with("CACHE_NAMESPACE=a:b cannot be used: a namespace has 1 to 64"));
        assert!(message(&[("CACHE_ON_FAILOVER", "panic")]).contains("replay or flush"));
        assert!(message(&[("CACHE_CODEC", "cbor")]).contains("packed, json or postcard"));
        assert!(message(&[("CACHE_COMPRESSION", "gzip")]).contains("none, lz4 or zstd"));
        assert!(message(&[("CACHE_MEMORY_CAPACITY", "-1")]).contains("above 0"));
        let replicas = message(&[("REDIS_URL", "redis://localhost"), ("REDIS_WAIT_REPLICAS", "all")]);
        assert!(
            replicas.starts_with("REDIS_WAIT_REPLICAS=all cannot be used: write a whole number, such as 1, or 0"),
            "{replicas}"
        );
    }

    #[test]
    fn certificates_that_cannot_be_used_name_their_variable() {
        const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let message = |variables| with(variables).unwrap_err().to_string();
        let missing = message(&[("REDIS_URL", "redis://h"), ("REDIS_TLS_CA", "/no/such/file")]);
        assert!(
            missing.starts_with("REDIS_TLS_CA=/no/such/file cannot be used: it must be the path of a PEM file"),
            "{missing}"
        );
        let without_tls = message(&[("REDIS_URL", "redis://h"), ("REDIS_TLS_CA", MANIFEST)]);
        assert!(
            without_tls.ends_with("certificates are for URLs that begin with rediss"),
            "{without_tls}"
        );
        let alone = message(&[("REDIS_URL", "redis://h"), ("REDIS_TLS_KEY", MANIFEST)]);
        assert!(
            alone.starts_with("REDIS_TLS_KEY=") && alone.contains("REDIS_TLS_CERT must be set"),
            "{alone}"
        );
    }

    #[test]
    fn a_bad_url_is_refused_without_showing_its_password() {
        for url in [
            "http://user:hush@host",
            "redis://user:hush@host/first",
            "redis://user:12/hush@host",
            "redis://user:a@hush?x@host",
            "redis://user:a@hush#x@host",
        ] {
            let error = with(&[("REDIS_URL", url)]).unwrap_err();
            let message = error.to_string();
            assert!(
                message.contains("REDIS_URL") && message.contains("redis://"),
                "{message}"
            );
            assert!(!format!("{message} {error:?}").contains("hush"), "{message}");
            assert_eq!(error.value(), None);
        }
    }

    #[test]
    fn what_main_prints_of_an_error_is_its_sentence() {
        let error = with(&[("CACHE_DEFAULT_TTL", "soon")]).unwrap_err();
        assert_eq!(format!("{error:?}"), error.to_string());
        assert_eq!(format!("{error:#?}"), error.to_string());
    }

    #[test]
    fn a_user_who_cannot_log_in_is_refused() {
        let url = ("REDIS_URL", "redis://hush@h");
        let refusal = with(&[url]).unwrap_err().to_string();
        assert!(
            refusal.contains("a user and no password") && !refusal.contains("hush"),
            "{refusal}"
        );
        assert!(with(&[url, ("REDIS_PASSWORD", "hush")]).is_ok());
        assert!(with(&[("REDIS_URL", "redis://app:@h")]).is_err());
        assert!(with(&[("REDIS_URL", "redis+unix:///s?user=app")]).is_err());
    }

    #[test]
    fn so_many_connections_that_nobody_can_mean_them_are_refused() {
        for many in ["0", "1025", "9999999999", "99999999999999999999"] {
            let refusal = with(&[("REDIS_URL", "redis://h"), ("REDIS_MAX_CONNECTIONS", many)]).unwrap_err();
            assert_eq!(
                refusal.to_string(),
                format!("REDIS_MAX_CONNECTIONS={many} cannot be used: write a whole number from 1 to 1024")
            );
        }
    }

    #[test]
    fn a_signing_key_that_cannot_be_used_is_refused_without_being_shown() {
        let message = |variables| with(variables).unwrap_err().to_string();
        for variables in [
            &[("CACHE_SIGNING_KEY", "hush")][..],
            &[
                ("CACHE_SIGNING_KEY", "long enough to be used"),
                ("CACHE_SIGNING_KEY_PREVIOUS", "hush"),
            ],
        ] {
            let short = message(variables);
            assert!(
                short.contains("=(not shown) cannot be used: a signing key has at least 16 bytes"),
                "{short}"
            );
            assert!(!short.contains("hush"), "{short}");
        }
        let alone = message(&[("CACHE_SIGNING_KEY_PREVIOUS", "hush, though it is long enough")]);
        assert!(
            alone.contains("beside CACHE_SIGNING_KEY") && !alone.contains("hush"),
            "{alone}"
        );
    }
}
