//! The reader of what stands under keys, over one lane: by one `MGET`, or where a server does not take that by a `GET` for each.

use std::sync::Arc;

use bytes::Bytes;
use redis::{Cmd, ServerError, Value, aio::ConnectionLike, pipe};
use smallvec::SmallVec;

use super::super::{connection::Lane, error::unexpected, keyspace::Keyspace};
use crate::store::StoreError;

/// What stands under a key; nothing if it is of the wrong type. Or where a server of a cluster says that it is to be asked.
pub(in super::super) type KeyReply = Result<Option<Bytes>, Box<ServerError>>;

/// The replies of one read, in the order of its keys: without an allocation for two stamps and an entry.
pub(in super::super) type KeyReplies = SmallVec<[KeyReply; 3]>;

pub(in super::super) struct KeyReader {
    lane: Arc<Lane>,
    keyspace: Keyspace,
}

impl KeyReader {
    pub(in super::super) fn new(lane: Arc<Lane>, keyspace: Keyspace) -> Self {
        Self { lane, keyspace }
    }

    pub(in super::super) fn lane(&self) -> &Arc<Lane> {
        &self.lane
    }

    /// What stands under each of the keys.
    pub(in super::super) async fn get<'k>(
        &self,
        keys: impl Iterator<Item = &'k str> + Clone,
    ) -> Result<impl Iterator<Item = KeyReply>, StoreError> {
        let (values, reply): (_, fn(Value) -> KeyReply) = match self.keyspace {
            Keyspace::Whole => (self.mget(keys).await?, |value| Ok(bytes(value))),
            Keyspace::Sharded => {
                let mut pipeline = pipe();
                for key in keys {
                    pipeline.cmd("GET").arg(key);
                }
                let codes = self.keyspace.reply_codes();
                (self.lane.replies(&pipeline, codes).await?, bytes_or_redirection)
            }
        };
        Ok(values.into_iter().map(reply))
    }

    async fn mget<'k>(&self, keys: impl Iterator<Item = &'k str> + Clone) -> Result<Vec<Value>, StoreError> {
        let (count, len) = keys
            .clone()
            .fold((0, 0), |(count, len), key| (count + 1, len + key.len()));
        let mut command = Cmd::with_capacity(count + 1, len + "MGET".len());
        command.arg("MGET");
        for key in keys {
            command.arg(key);
        }
        let reply = self
            .lane
            // An error of the server is an error here, inside the operation: the lane learns from it.
            .run(
                async |mut connection| match connection.req_packed_command(&command).await? {
                    Value::ServerError(error) => Err(error.into()),
                    reply => Ok(reply),
                },
            )
            .await?;
        match reply {
            Value::Array(values) if values.len() == count => Ok(values),
            Value::Array(values) => Err(unexpected(
                "MGET",
                format_args!("{} values for {count} keys", values.len()),
            )),
            _ => Err(unexpected("MGET", "no array")),
        }
    }
}

fn bytes_or_redirection(value: Value) -> KeyReply {
    match value {
        Value::ServerError(error) if error.code() != "WRONGTYPE" => Err(Box::new(error)),
        value => Ok(bytes(value)),
    }
}

/// A key of the wrong type answers `Nil` to `MGET`; anything else that is no string reads as absent, too.
pub(in super::super) fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        Value::SimpleString(text) => Some(text.into()),
        Value::Okay => Some(Bytes::from_static(b"OK")),
        _ => None,
    }
}
