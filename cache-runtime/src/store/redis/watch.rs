//! Changes of stamps, as Redis reports them: client-side caching in broadcast mode, on a connection of its own.

use std::{convert::Infallible, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, PushInfo, PushKind, RedisError, RedisResult, Value, aio::MultiplexedConnection, cmd,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{PROBE, RedisStore, error};
use crate::store::{Coherent, StampWatcher, Store, StoreError, StoreErrorKind};

/// What the keys of stamps begin with.
const PREFIX: &str = "cachestamp:";

/// A heartbeat that was not answered for so many intervals: the connection is given up.
const SILENT_INTERVALS: u32 = 4;

/// Watches until the connection is lost, stays silent, or may lead to another server than the store's own.
pub(super) async fn watch(store: &RedisStore, watcher: Arc<dyn StampWatcher>) -> Result<Infallible, StoreError> {
    let interval = store.config.heartbeat();
    let (closing, mut closed) = mpsc::unbounded_channel();
    // Before this connection is made: a change of servers from here on is noticed.
    let generation = store.generation();
    let mut connection = connect(store, &watcher, closing).await?;
    let mut tracking = cmd("CLIENT");
    tracking
        .arg("TRACKING")
        .arg("ON")
        .arg("BCAST")
        .arg("PREFIX")
        .arg(PREFIX);
    let tracked = answer(interval * SILENT_INTERVALS, tracking.query_async::<()>(&mut connection)).await?;
    tracked.map_err(|error| unsupported(&error))?;
    watcher.began();
    loop {
        let asked = Instant::now();
        // Not a ping: a server that has become a replica answers pings, and reports nothing that matters any more. When its
        // answer is seen every report that the server sent before it has been handed on: the client reads in order.
        let mut heartbeat = cmd("UNLINK");
        heartbeat.arg(PROBE);
        answer(interval * SILENT_INTERVALS, heartbeat.exec_async(&mut connection))
            .await?
            .map_err(|error| error::from_redis(&error))?;
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

async fn connect(
    store: &RedisStore,
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
    let client = store.config.resp3_client().map_err(|error| error::from_redis(&error))?;
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
