//! What has been read so far, and what can be made of it when everything has been: some variables look at others.

use std::mem;

use super::{
    error::ConfigError,
    said,
    value::{Pem, Time},
};
use crate::{
    cache::{CacheBuilder, Origin},
    entry::SigningKey,
    store::RedisConfig,
};

/// What `REDIS_URL` can be.
const URLS: &str = "write redis://[user:password@]host[:port][/database], redis+unix:///path/to/socket, \
                    redis-cluster://[user:password@]host:port,host:port or \
                    redis-sentinel://[user:password@]host:port,host:port[/database]#service; \
                    rediss://, rediss-cluster:// or rediss-sentinel:// with TLS";

/// How often the server is asked for a sign of life before the staleness of near values would be too great.
const HEARTBEATS: u32 = 4;

pub(super) struct Draft {
    builder: CacheBuilder,
    redis: Option<RedisConfig>,
    pub(super) certificate: Option<Pem>,
    pub(super) certificate_key: Option<Pem>,
    pub(super) signing_key: Option<SigningKey>,
    pub(super) previous_signing_key: Option<SigningKey>,
    near_max_staleness: Option<Time>,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self {
            builder: CacheBuilder::new().origin(Origin::NoUrl),
            redis: None,
            certificate: None,
            certificate_key: None,
            signing_key: None,
            previous_signing_key: None,
            near_max_staleness: None,
        }
    }

    pub(super) const fn has_redis(&self) -> bool {
        self.redis.is_some()
    }

    pub(super) fn build(&mut self, set: impl FnOnce(CacheBuilder) -> CacheBuilder) {
        self.builder = set(mem::take(&mut self.builder));
    }

    /// Nothing without an address.
    pub(super) fn redis(&mut self, set: impl FnOnce(RedisConfig) -> Result<RedisConfig, String>) -> Result<(), String> {
        self.redis = self.redis.take().map(set).transpose()?;
        Ok(())
    }

    pub(super) fn set_url(&mut self, url: &str) -> Result<(), String> {
        let redis = RedisConfig::new(url).map_err(|cause| format!("{cause}; {URLS}"))?;
        self.redis = Some(redis);
        self.build(|builder| builder.origin(Origin::Variable("REDIS_URL")));
        Ok(())
    }

    pub(super) fn set_near_max_staleness(&mut self, text: &str) -> Result<(), String> {
        self.near_max_staleness = Some(text.trim().parse().map_err(said)?);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<CacheBuilder, ConfigError> {
        if let Some(redis) = self.redis.take() {
            let redis = self.finish_redis(redis)?;
            self.build(|builder| builder.redis(redis));
        }
        if let Some(Time(bound)) = self.near_max_staleness {
            self.build(|builder| builder.near_max_staleness(bound));
        }
        let (current, previous) = (self.signing_key.take(), self.previous_signing_key.take());
        if current.is_none() && previous.is_some() {
            return Err(ConfigError::new(
                "CACHE_SIGNING_KEY_PREVIOUS",
                None,
                "it is for use beside CACHE_SIGNING_KEY, which is not set".to_owned(),
            ));
        }
        if let Some(key) = current {
            self.build(|builder| builder.signing_key(key));
        }
        if let Some(key) = previous {
            self.build(|builder| builder.previous_signing_key(key));
        }
        Ok(self.builder)
    }

    fn finish_redis(&mut self, mut redis: RedisConfig) -> Result<RedisConfig, ConfigError> {
        if redis.lacks_password() {
            return Err(ConfigError::new(
                "REDIS_URL",
                None,
                "it names a user and no password, and REDIS_PASSWORD is not set: nobody would log in; a password alone stands \
                 after a colon, as in redis://:password@host"
                    .to_owned(),
            ));
        }
        let alone = |variable, pem: Pem, other| {
            Err(ConfigError::new(
                variable,
                Some(pem.path),
                format!("{other} must be set, too"),
            ))
        };
        redis = match (self.certificate.take(), self.certificate_key.take()) {
            (Some(certificate), Some(key)) => redis.tls_client(&certificate.bytes, &key.bytes).map_err(|cause| {
                ConfigError::new(
                    "REDIS_TLS_CERT",
                    Some(certificate.path),
                    format!("with REDIS_TLS_KEY: {cause}"),
                )
            })?,
            (Some(certificate), None) => return alone("REDIS_TLS_CERT", certificate, "REDIS_TLS_KEY"),
            (None, Some(key)) => return alone("REDIS_TLS_KEY", key, "REDIS_TLS_CERT"),
            (None, None) => redis,
        };
        if let Some(Time(bound)) = self.near_max_staleness {
            redis = redis.near_heartbeat(bound / HEARTBEATS);
        }
        Ok(redis)
    }
}
