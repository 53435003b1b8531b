//! Changes of stamps, as Redis reports them: client-side caching in broadcast mode, on connections of their own.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use redis::{
    AsyncConnectionConfig, PushInfo, PushKind, RedisError, RedisResult, Value, aio::MultiplexedConnection, cmd,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    RedisStore,
    error::{self, ASK},
    servers::Primary,
};
use crate::{
    key,
    store::{Coherent, StampWatcher, Store, StoreError, StoreErrorKind},
};

/// A heartbeat that was not answered for so many intervals: the connection is given up.
const SILENT_INTERVALS: u32 = 4;

/// Watches until a connection is lost, stays silent, or may lead to another server than the store's own. Every server that has
/// keys is watched: which of them has a stamp may change.
pub(super) async fn watch(store: &RedisStore, watcher: Arc<dyn StampWatcher>) -> Result<Infallible, StoreError> {
    let interval = store.config.heartbeat();
    let deadline = interval * SILENT_INTERVALS;
    let stamps = key::stamps_prefix(store.config.key_prefix());
    let (closing, mut closed) = mpsc::unbounded_channel();
    // Before the connections are made: a change of servers from here on is noticed.
    let generation = store.generation();
    let primaries = store.servers.primaries()?;
    let tracking = primaries
        .iter()
        .map(|primary| track(store, primary, &watcher, &closing, deadline));
    let mut connections = try_join_all(tracking).await?;
    watcher.began();
    loop {
        let asked = Instant::now();
        let heartbeats = connections.iter_mut().zip(&primaries);
        try_join_all(heartbeats.map(|(connection, primary)| heartbeat(connection, &stamps, primary, deadline))).await?;
        if store.generation() != generation {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "the store has connected anew, perhaps to another server",
            ));
        }
        watcher.coherent(Coherent::AsOf(asked));
        tokio::select! {
            () = sleep(interval) => {}
            _ = closed.recv() => return Err(lost()),
        }
    }
}

async fn track(
    store: &RedisStore,
    primary: &Primary,
    watcher: &Arc<dyn StampWatcher>,
    closing: &mpsc::UnboundedSender<()>,
    deadline: Duration,
) -> Result<MultiplexedConnection, StoreError> {
    let mut connection = connect(store, primary, watcher, closing.clone()).await?;
    let mut tracking = cmd("CLIENT");
    tracking
        .arg("TRACKING")
        .arg("ON")
        .arg("BCAST")
        .arg("PREFIX")
        .arg(key::stamps_prefix(store.config.key_prefix()));
    let tracked = answer(deadline, tracking.query_async::<()>(&mut connection)).await?;
    tracked.map_err(|error| unsupported(&error))?;
    Ok(connection)
}

/// Not a ping: a server that has become a replica answers pings, and reports nothing that matters any more. When its answer is
/// seen every report that the server sent before it has been handed on: the client reads in order.
async fn heartbeat(
    connection: &mut MultiplexedConnection,
    stamps: &str,
    primary: &Primary,
    deadline: Duration,
) -> Result<(), StoreError> {
    let mut heartbeat = cmd("UNLINK");
    heartbeat.arg(format!("{stamps}{}", primary.probes[0]));
    match answer(deadline, heartbeat.exec_async(connection)).await? {
        // The slot of that key moves, which the primary that has it says and nobody else.
        Err(error) if error.code() == Some(ASK) => Ok(()),
        answered => answered.map_err(|error| error::from_redis(&error)),
    }
}

async fn connect(
    store: &RedisStore,
    primary: &Primary,
    watcher: &Arc<dyn StampWatcher>,
    closing: mpsc::UnboundedSender<()>,
) -> Result<MultiplexedConnection, StoreError> {
    let watcher = Arc::clone(watcher);
    let hand_on = move |PushInfo { kind, data }| -> Result<(), Infallible> {
        match kind {
            PushKind::Invalidate => report(&*watcher, &data),
            // Whoever would hear of it may have left.
            PushKind::Disconnection => drop(closing.send(())),
            _ => {}
        }
        Ok(())
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(store.config.connect_deadline()))
        .set_response_timeout(None)
        .set_push_sender(hand_on);
    let address = primary.server.connector().address().await?;
    let client = store
        .config
        .resp3_client(address)
        .map_err(|error| error::from_redis(&error))?;
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    answer(store.config.connect_deadline(), connecting)
        .await?
        .map_err(|error| unsupported(&error))
}

/// Hands on what an `invalidate` message names: keys, or nothing for all of them.
fn report(watcher: &dyn StampWatcher, data: &[Value]) {
    match data {
        [Value::Array(keys)] => {
            for key in keys {
                match key {
                    Value::BulkString(key) => {
                        // What is not UTF-8 is no stamp's key.
                        if let Ok(key) = str::from_utf8(key) {
                            watcher.changed(key);
                        }
                    }
                    _ => watcher.all_changed(),
                }
            }
        }
        // FLUSHDB and FLUSHALL; and whatever a later version may say.
        _ => watcher.all_changed(),
    }
}

async fn answer<T>(
    deadline: Duration,
    asking: impl Future<Output = RedisResult<T>>,
) -> Result<RedisResult<T>, StoreError> {
    timeout(deadline, asking)
        .await
        .map_err(|_| StoreError::timeout("an answer to the watch of stamps", deadline))
}

/// What a server says that knows no RESP3 or no tracking in broadcast mode.
fn unsupported(error: &RedisError) -> StoreError {
    let meaning = error::from_redis(error);
    match meaning.kind() {
        StoreErrorKind::Other => StoreError::new(
            StoreErrorKind::Unsupported,
            format!("the server has no `CLIENT TRACKING … BCAST` over RESP3 (Redis 6.0 and newer have it): {meaning}"),
        ),
        _ => meaning,
    }
}

fn lost() -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        "the connection that reports changes of stamps was lost",
    )
}
