//! Settings from the environment. Each variable becomes a type here, at the edge, or an error that says what to write.

mod misspelt;

use std::{ffi::OsString, fmt, fs, time::Duration};

pub(crate) use self::misspelt::{Misspelt, misspelt};
use crate::{
    cache::{Builder, OnFailover, Origin},
    entry::{Compression, SigningKey},
    store::RedisConfig,
};

/// What `REDIS_URL` can be.
const URLS: &str = "write redis://[user:password@]host[:port][/database], redis+unix:///path/to/socket, \
                    redis-cluster://[user:password@]host:port,host:port or \
                    redis-sentinel://[user:password@]host:port,host:port[/database]#service; \
                    rediss://, rediss-cluster:// or rediss-sentinel:// with TLS";

/// How often the server is asked for a sign of life during the lease of near values.
const HEARTBEATS: u32 = 4;

/// A setting that cannot be used. `Debug` is the sentence that `Display` is, for programs that return it from `main`.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}={value} cannot be used: {accepted}")]
pub struct ConfigError {
    variable: &'static str,
    /// The value, or a placeholder where it may be secret.
    value: String,
    accepted: String,
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ConfigError {
    /// The environment variable.
    pub fn variable(&self) -> &str {
        self.variable
    }
}

/// What stands in an error instead of a secret.
const NOT_SHOWN: &str = "(not shown)";

/// Reads every variable through `get`, so that tests need not touch the process's environment.
///
/// # Errors
///
/// The first variable whose value cannot be used.
pub fn from_env(get: impl Fn(&'static str) -> Option<OsString>) -> Result<Builder, ConfigError> {
    let env = Env(get);
    let mut builder = Builder::new();
    if let Some(bytes) = env.number("CACHE_MEMORY_CAPACITY")? {
        builder = builder.memory(bytes);
    }
    let near_lease = env.duration("CACHE_NEAR_LEASE")?;
    if let Some(url) = env.text("REDIS_URL", Secrecy::Secret)? {
        let mut config = redis(&env, &url)?;
        if let Some(lease) = near_lease {
            config = config.near_heartbeat(lease / HEARTBEATS);
        }
        builder = builder.redis(config).origin(Origin::Variable("REDIS_URL"));
    } else {
        builder = builder.origin(Origin::NoUrl);
    }
    if let Some(ttl) = env.duration("CACHE_DEFAULT_TTL")? {
        builder = builder.default_ttl(ttl);
    }
    if let Some(timeout) = env.duration("CACHE_READ_TIMEOUT")? {
        builder = builder.read_timeout(timeout);
    }
    if let Some(timeout) = env.duration("CACHE_FILL_TIMEOUT")? {
        builder = builder.fill_timeout(timeout);
    }
    if let Some(timeout) = env.duration("CACHE_INVALIDATE_TIMEOUT")? {
        builder = builder.invalidate_timeout(timeout);
    }
    if let Some(failures) = env.number("CACHE_BREAKER_FAILURES")? {
        builder = builder.breaker_failures(failures);
    }
    if let Some(bytes) = env.number("CACHE_MAX_VALUE_SIZE")? {
        builder = builder.max_value_size(bytes);
    }
    if let Some(compression) = env.compression("CACHE_COMPRESSION")? {
        builder = builder.compression(compression);
    }
    if let Some(bytes) = env.number("CACHE_COMPRESSION_ABOVE")? {
        builder = builder.compression_above(bytes);
    }
    if let Some(key) = env.signing_key("CACHE_SIGNING_KEY")? {
        builder = builder.signing_key(key);
        if let Some(previous) = env.signing_key("CACHE_SIGNING_KEY_PREVIOUS")? {
            builder = builder.previous_signing_key(previous);
        }
    } else if env.signing_key("CACHE_SIGNING_KEY_PREVIOUS")?.is_some() {
        return Err(ConfigError {
            variable: "CACHE_SIGNING_KEY_PREVIOUS",
            value: NOT_SHOWN.to_owned(),
            accepted: "it is for use beside CACHE_SIGNING_KEY, which is not set".to_owned(),
        });
    }
    if let Some(require) = env.flag("CACHE_REQUIRE_TENANT")? {
        builder = builder.require_tenant(require);
    }
    if let Some(sweep) = env.flag("CACHE_SWEEP")? {
        builder = builder.sweep(sweep);
    }
    if let Some(loads) = env.number("CACHE_MAX_LOADS")? {
        builder = builder.max_loads(loads);
    }
    if let Some(waiters) = env.number("CACHE_MAX_WAITERS")? {
        builder = builder.max_waiters(waiters);
    }
    if let Some(after) = env.duration("CACHE_LOAD_BACKSTOP")? {
        builder = builder.load_backstop(after);
    }
    if let Some(lines) = env.number("CACHE_JOURNAL_LIMIT")? {
        builder = builder.journal_limit(lines);
    }
    if let Some(bytes) = env.number("CACHE_NEAR_CAPACITY")? {
        builder = builder.near_capacity(bytes);
    }
    if let Some(lease) = near_lease {
        builder = builder.near_lease(lease);
    }
    if let Some(lease) = env.duration("CACHE_HOLD_LEASE")? {
        builder = builder.hold_lease(lease);
    }
    if let Some(time) = env.duration("CACHE_REPEAT_AFTER")? {
        builder = builder.repeat_after(time);
    }
    if let Some(action) = env.on_failover("CACHE_ON_FAILOVER")? {
        builder = builder.on_failover(action);
    }
    if let Some(enabled) = env.flag("REDIS_ENABLED")? {
        builder = builder.enabled(enabled);
        if !enabled {
            builder = builder.origin(Origin::Variable("REDIS_ENABLED"));
        }
    }
    Ok(builder)
}

fn redis<G: Fn(&'static str) -> Option<OsString>>(env: &Env<G>, url: &str) -> Result<RedisConfig, ConfigError> {
    let mut config = RedisConfig::new(url).map_err(|cause| ConfigError {
        variable: "REDIS_URL",
        value: NOT_SHOWN.to_owned(),
        accepted: format!("{cause}; {URLS}"),
    })?;
    if let Some(password) = env.text("REDIS_PASSWORD", Secrecy::Secret)? {
        config = config.password(&password);
    }
    if config.lacks_password() {
        return Err(unusable(
            "REDIS_URL",
            NOT_SHOWN.to_owned(),
            "it names a user and no password, and REDIS_PASSWORD is not set: nobody would log in; a password alone stands \
             after a colon, as in redis://:password@host",
        ));
    }
    if let Some(name) = env.text("CACHE_NAMESPACE", Secrecy::Open)? {
        config = config
            .namespace(&name)
            .map_err(|cause| unusable("CACHE_NAMESPACE", name, cause.to_string()))?;
    }
    if let Some(password) = env.text("REDIS_SENTINEL_PASSWORD", Secrecy::Secret)? {
        config = config.sentinel_password(&password);
    }
    if let Some((path, pem)) = env.file("REDIS_TLS_CA")? {
        config = config
            .tls_ca(&pem)
            .map_err(|cause| unusable("REDIS_TLS_CA", path, cause.to_string()))?;
    }
    config = match (env.file("REDIS_TLS_CERT")?, env.file("REDIS_TLS_KEY")?) {
        (Some((path, certificate)), Some((_, key))) => config
            .tls_client(&certificate, &key)
            .map_err(|cause| unusable("REDIS_TLS_CERT", path, format!("with REDIS_TLS_KEY: {cause}")))?,
        (Some((path, _)), None) => return Err(unusable("REDIS_TLS_CERT", path, "REDIS_TLS_KEY must be set, too")),
        (None, Some((path, _))) => return Err(unusable("REDIS_TLS_KEY", path, "REDIS_TLS_CERT must be set, too")),
        (None, None) => config,
    };
    if let Some(connections) = env.connections("REDIS_MAX_CONNECTIONS")? {
        config = config.max_connections(connections);
    }
    if let Some(timeout) = env.duration("REDIS_SOCKET_CONNECT_TIMEOUT")? {
        config = config.connect_timeout(timeout);
    }
    if let Some(keepalive) = env.flag("REDIS_SOCKET_KEEPALIVE")?
        && !keepalive
    {
        config = config.keepalive(None);
    }
    if let Some(replicas) = env.count("REDIS_WAIT_REPLICAS")? {
        config = config.wait_replicas(replicas);
    }
    Ok(config)
}

fn unusable(variable: &'static str, value: String, accepted: impl Into<String>) -> ConfigError {
    ConfigError {
        variable,
        value,
        accepted: accepted.into(),
    }
}

/// Whether a unit of a time is one that has no fixed length.
fn has_months_or_years(text: &str) -> bool {
    let units = text.split(|letter: char| !letter.is_ascii_alphabetic());
    units
        .into_iter()
        .any(|unit| unit == "M" || unit.starts_with("month") || unit.starts_with('y'))
}

#[derive(Clone, Copy, PartialEq)]
enum Secrecy {
    Secret,
    Open,
}

struct Env<G>(G);

impl<G: Fn(&'static str) -> Option<OsString>> Env<G> {
    /// The value, if the variable is set to anything but nothing.
    fn text(&self, variable: &'static str, secrecy: Secrecy) -> Result<Option<String>, ConfigError> {
        let Some(value) = (self.0)(variable).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        value.into_string().map(Some).map_err(|value| {
            let value = match secrecy {
                Secrecy::Secret => NOT_SHOWN.to_owned(),
                Secrecy::Open => value.to_string_lossy().into_owned(),
            };
            ConfigError {
                variable,
                value,
                accepted: "it must be UTF-8".to_owned(),
            }
        })
    }

    fn parse<T>(
        &self,
        variable: &'static str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.text(variable, Secrecy::Open)? else {
            return Ok(None);
        };
        match parse(value.trim()) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(ConfigError {
                variable,
                value,
                accepted: accepted.to_owned(),
            }),
        }
    }

    /// The path of a file, and what is in it.
    fn file(&self, variable: &'static str) -> Result<Option<(String, Vec<u8>)>, ConfigError> {
        let Some(path) = self.text(variable, Secrecy::Open)? else {
            return Ok(None);
        };
        match fs::read(&path) {
            Ok(bytes) => Ok(Some((path, bytes))),
            Err(cause) => Err(unusable(
                variable,
                path,
                format!("it must be the path of a PEM file: {cause}"),
            )),
        }
    }

    /// A whole number above 0.
    fn number<T: TryFrom<u64>>(&self, variable: &'static str) -> Result<Option<T>, ConfigError> {
        self.parse(variable, "write a whole number above 0, such as 64", |text| {
            text.parse().ok().filter(|&number: &u64| number > 0)?.try_into().ok()
        })
    }

    fn connections(&self, variable: &'static str) -> Result<Option<usize>, ConfigError> {
        self.parse(variable, "write a whole number from 1 to 1024", |text| {
            let range = 1..=RedisConfig::MOST_CONNECTIONS;
            text.parse().ok().filter(|connections| range.contains(connections))
        })
    }

    /// A whole number, 0 among them.
    fn count(&self, variable: &'static str) -> Result<Option<u32>, ConfigError> {
        self.parse(variable, "write a whole number, such as 1, or 0 for none", |text| {
            text.parse().ok()
        })
    }

    /// Seconds, or a number with a unit; above 0.
    fn duration(&self, variable: &'static str) -> Result<Option<Duration>, ConfigError> {
        self.parse(
            variable,
            "write seconds, such as 300, or a time with its unit, such as 5m or 50ms; not 0, and no months or years",
            |text| {
                let duration = match text.parse() {
                    Ok(seconds) => Duration::from_secs(seconds),
                    // Of different lengths, and `M` is easily written for `m`.
                    Err(_) if has_months_or_years(text) => return None,
                    Err(_) => humantime::parse_duration(text).ok()?,
                };
                (!duration.is_zero()).then_some(duration)
            },
        )
    }

    fn signing_key(&self, variable: &'static str) -> Result<Option<SigningKey>, ConfigError> {
        let text = self.text(variable, Secrecy::Secret)?;
        text.map(|text| SigningKey::new(&text))
            .transpose()
            .map_err(|cause| ConfigError {
                variable,
                value: NOT_SHOWN.to_owned(),
                accepted: cause.to_string(),
            })
    }

    fn compression(&self, variable: &'static str) -> Result<Option<Compression>, ConfigError> {
        let accepted = "write none, lz4 or zstd; the last two need the feature of that name of cache-runtime";
        self.parse(variable, accepted, |text| match text.to_ascii_lowercase().as_str() {
            "none" => Some(Compression::None),
            #[cfg(feature = "lz4")]
            "lz4" => Some(Compression::Lz4),
            #[cfg(feature = "zstd")]
            "zstd" => Some(Compression::Zstd),
            _ => None,
        })
    }

    fn on_failover(&self, variable: &'static str) -> Result<Option<OnFailover>, ConfigError> {
        self.parse(variable, "write replay or flush", |text| {
            match text.to_ascii_lowercase().as_str() {
                "replay" => Some(OnFailover::Replay),
                "flush" => Some(OnFailover::Flush),
                _ => None,
            }
        })
    }

    fn flag(&self, variable: &'static str) -> Result<Option<bool>, ConfigError> {
        self.parse(
            variable,
            "write true or false (or 1, 0, on, off, yes, no)",
            |text| match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "on" | "yes" => Some(true),
                "false" | "0" | "off" | "no" => Some(false),
                _ => None,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Builder, ConfigError> {
        from_env(|name| {
            variables
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| value.into())
        })
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
            ("CACHE_NEAR_LEASE", "70ms"),
            ("CACHE_HOLD_LEASE", "7s"),
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
            "near_lease: 70ms",
            "hold_lease: 7s",
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
