//! The session with one server that is watched: the connection on which it reports, and a key that shows that it has the same
//! data still.

use std::{convert::Infallible, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Pipeline, PushInfo, PushKind, RedisError, RedisResult, ServerError, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
    cmd, pipe,
};
use tokio::{runtime::Handle, sync::mpsc, time::timeout};

use super::super::{
    cluster::{Ownership, question},
    config::RedisConfig,
    error::{self, ASK},
    primary::{Node, Primary},
    time::millis,
};
use crate::{
    entry::Stamp,
    key::Namespace,
    store::{StampWatcher, StoreError, StoreErrorKind},
};

/// How long the key of a session stays if nobody takes it away. A session that lasts for longer is followed by another one.
const LIFETIME: Duration = Duration::from_hours(24);

/// The time in which one server reports every change.
///
/// It is over when its key is gone: then the server has other data than when it began (`SWAPDB`, a snapshot, what another
/// server had), or has thrown some away, and need not have said so.
pub(super) struct Session {
    connection: MultiplexedConnection,
    key: String,
    /// What is asked on each heartbeat.
    questions: Pipeline,
    /// The server as its cluster knows it.
    node: Option<Arc<Node>>,
    deadline: Duration,
}

impl Session {
    pub(super) async fn begin(
        config: &RedisConfig,
        primary: &Primary,
        watcher: &Arc<dyn StampWatcher>,
        closing: &mpsc::UnboundedSender<()>,
        deadline: Duration,
    ) -> Result<Self, StoreError> {
        let namespace = config.key_namespace();
        let stamps = namespace.stamps();
        let mut connection = connect(config, primary, watcher, closing.clone()).await?;
        let mut tracking = cmd("CLIENT");
        tracking
            .arg("TRACKING")
            .arg("ON")
            .arg("BCAST")
            .arg("PREFIX")
            .arg(&stamps);
        let tracked = answer(deadline, tracking.query_async::<()>(&mut connection)).await?;
        tracked.map_err(|error| unsupported(&error))?;
        let key = leave_a_key(&mut connection, namespace, primary, deadline).await?;
        let mut questions = pipe();
        // Not a ping: a server that has become a replica answers pings, and reports nothing that matters any more.
        questions.cmd("UNLINK").arg(format!("{stamps}{}", primary.probes[0]));
        questions.cmd("GET").arg(&key);
        if primary.node.is_some() {
            questions.add_command(question());
        }
        Ok(Self {
            connection,
            key,
            questions,
            node: primary.node.clone(),
            deadline,
        })
    }

    /// When the answers are seen every report that the server sent before them has been handed on: the client reads in order.
    /// Returns who has which keys of the cluster, as this server sees it.
    pub(super) async fn heartbeat(&mut self) -> Result<Option<Ownership>, StoreError> {
        let count = self.questions.len();
        let sent = self.connection.req_packed_commands(&self.questions, 0, count);
        let answers = answer(self.deadline, sent)
            .await?
            .map_err(|error| error::from_redis(&error))?;
        let [writes, key, rest @ ..] = &answers[..] else {
            return Err(error::unexpected(
                "a heartbeat",
                format_args!("{} answers", answers.len()),
            ));
        };
        match writes {
            // The slot of that key moves, which the primary that has it says and nobody else.
            Value::ServerError(moves) if moves.code() == ASK => {}
            Value::ServerError(refused) => return Err(meaning(refused)),
            _ => {}
        }
        match key {
            Value::BulkString(_) => {}
            Value::ServerError(refused) if refused.code() != ASK => return Err(meaning(refused)),
            _ => {
                return Err(StoreError::new(
                    StoreErrorKind::Unavailable,
                    "the server has other data than when the watch began, or has thrown some away",
                ));
            }
        }
        match (rest, &self.node) {
            ([slots], Some(node)) => Ownership::parse(slots, &node.host).map(Some),
            _ => Ok(None),
        }
    }
}

impl Drop for Session {
    /// The key goes in the background: who ends a session does not wait for a server that may not answer. Where that cannot be
    /// done it goes when its time is over.
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        let (mut connection, deadline) = (self.connection.clone(), self.deadline);
        let mut unlink = cmd("UNLINK");
        unlink.arg(&self.key);
        runtime.spawn(async move { answer(deadline, unlink.exec_async(&mut connection)).await });
    }
}

/// Sets the key of a new session. While the slot of one name moves, the server takes the next one.
async fn leave_a_key(
    connection: &mut MultiplexedConnection,
    namespace: &Namespace,
    primary: &Primary,
    deadline: Duration,
) -> Result<String, StoreError> {
    let number = Stamp::random().map_err(|error| StoreError::new(StoreErrorKind::Other, error.to_string()))?;
    for probe in &*primary.probes {
        let key = namespace.session(probe, &number.to_string());
        let mut set = cmd("SET");
        set.arg(&key).arg("").arg("PX").arg(millis(LIFETIME));
        match answer(deadline, set.exec_async(connection)).await? {
            Ok(()) => return Ok(key),
            Err(moves) if moves.code() == Some(ASK) => {}
            Err(error) => return Err(error::from_redis(&error)),
        }
    }
    Err(StoreError::new(
        StoreErrorKind::Unavailable,
        "the slots are on the move in which the watch would have had a key",
    ))
}

async fn connect(
    config: &RedisConfig,
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
    let deadline = config.connect_deadline();
    let connection_config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(deadline))
        .set_response_timeout(None)
        .set_push_sender(hand_on);
    let address = primary.server.connector().address().await?;
    let client = config
        .resp3_client(address)
        .map_err(|error| error::from_redis(&error))?;
    let connection = client.get_multiplexed_async_connection_with_config(&connection_config);
    answer(deadline, connection).await?.map_err(|error| unsupported(&error))
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
    query: impl Future<Output = RedisResult<T>>,
) -> Result<RedisResult<T>, StoreError> {
    timeout(deadline, query)
        .await
        .map_err(|_| StoreError::timeout("an answer to the watch of stamps", deadline))
}

fn meaning(refused: &ServerError) -> StoreError {
    error::from_redis(&refused.clone().into())
}

/// What a server says that knows no RESP3 or no tracking in broadcast mode.
fn unsupported(error: &RedisError) -> StoreError {
    let meaning = error::from_redis(error);
    match meaning.kind() {
        StoreErrorKind::Other => meaning
            .with_message(format!(
                "the server has no `CLIENT TRACKING … BCAST` over RESP3 (Redis 6.0 and newer have it): {meaning}"
            ))
            .with_kind(StoreErrorKind::Unsupported),
        _ => meaning,
    }
}
