use std::sync::Arc;

use anyhow::Result;
use cache_testkit::RedisServer;
use redis::{
    AsyncCommands as _, Client, ConnectionInfo, IntoConnectionInfo as _,
    aio::{ConnectionLike, MultiplexedConnection},
    io::tcp::TcpSettings,
};
use tokio::runtime::Runtime;

use crate::{
    measure::{Contestant, KEYS},
    work::{Page, Query, TTL, load},
};

/// The least that a hit can be: `GET` over one connection that all callers share, and the decoding. The keys are ready.
#[derive(Clone)]
pub(crate) struct Raw {
    connection: MultiplexedConnection,
    keys: Arc<[String]>,
}

impl Raw {
    pub(crate) fn connect(runtime: &Runtime, server: &RedisServer) -> Result<Self> {
        let client = Client::open(without_delay(server)?)?;
        let connection = runtime.block_on(client.get_multiplexed_async_connection())?;
        Ok(Self {
            connection,
            keys: keys(),
        })
    }
}

impl Contestant for Raw {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        get_or_load(&mut self.connection, &self.keys, query).await
    }
}

/// The least that a hit can be which asks whether it is still valid: a second key with every entry, by `MGET`.
#[derive(Clone)]
pub(crate) struct RawOfTwo(Raw);

/// As long as a stamp of [`invoices`](crate::work::invoices).
const SECOND: &str = "raw:second:default:invoices";

impl RawOfTwo {
    pub(crate) fn connect(runtime: &Runtime, server: &RedisServer) -> Result<Self> {
        Raw::connect(runtime, server).map(Self)
    }
}

impl Contestant for RawOfTwo {
    async fn call(&mut self, query: &Query) -> Result<usize> {
        let Raw { connection, keys } = &mut self.0;
        let key = &keys[query.page as usize];
        let found: (Option<Vec<u8>>, Option<Vec<u8>>) = connection.mget(&[SECOND, key]).await?;
        if let (Some(_), Some(json)) = found {
            let page: Page = serde_json::from_slice(&json)?;
            return Ok(page.rows.len());
        }
        let () = connection.set_ex(SECOND, "0123456789abcdef", TTL.as_secs()).await?;
        get_or_load(connection, keys, query).await
    }
}

/// The server's address, for connections that do not hold small packets back.
pub(crate) fn without_delay(server: &RedisServer) -> Result<ConnectionInfo> {
    let settings = TcpSettings::default().set_nodelay(true);
    Ok(server.url().into_connection_info()?.set_tcp_settings(settings))
}

/// A key for each page.
pub(crate) fn keys() -> Arc<[String]> {
    (0..KEYS).map(|page| format!("raw:invoices:{page:08}")).collect()
}

/// What one would write by hand.
pub(crate) async fn get_or_load(
    connection: &mut (impl ConnectionLike + Send + Sync),
    keys: &[String],
    query: &Query,
) -> Result<usize> {
    let key = &keys[query.page as usize];
    let found: Option<Vec<u8>> = connection.get(key).await?;
    if let Some(json) = found {
        let page: Page = serde_json::from_slice(&json)?;
        return Ok(page.rows.len());
    }
    let page = load(query.page, query.page_size);
    let json = serde_json::to_vec(&page)?;
    let () = connection.set_ex(key, json, TTL.as_secs()).await?;
    Ok(page.rows.len())
}
