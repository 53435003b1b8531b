//! The meaning of an error of the client or the server for the calls that follow.

use std::fmt::Display;

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

use crate::store::{StoreError, StoreErrorKind};

pub(super) fn from_redis(error: &RedisError) -> StoreError {
    let kind = match error.kind() {
        _ if error.is_timeout() => StoreErrorKind::Timeout,
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => StoreErrorKind::Denied,
        ErrorKind::Server(kind) => of_server_kind(kind, error.code()),
        ErrorKind::Extension => of_code(error.code()),
        ErrorKind::Io | ErrorKind::Parse => StoreErrorKind::Unavailable,
        _ if error.is_unrecoverable_error() => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Other,
    };
    if error.kind() == ErrorKind::AuthenticationFailed {
        // The client keeps the server's words to itself.
        let message = "WRONGPASS: the server refuses this user and password, or has no password at all";
        return StoreError::new(kind, message).with_source(error.clone());
    }
    let message = error.to_string();
    match message.split_once(ARGUMENTS) {
        // Of a `HELLO` they are the user and the password. The source would show them, too.
        Some((message, _)) => StoreError::new(kind, message),
        None => StoreError::new(kind, message).with_source(error.clone()),
    }
}

/// After this a server that does not know a command repeats what it was sent.
const ARGUMENTS: &str = ", with args beginning with";

/// With the address of the server that it is about.
pub(super) fn at(address: impl Display, error: &StoreError) -> StoreError {
    error.with_message(format!("{address}: {error}"))
}

/// That a server of the cluster was asked for the last time about a key that moves: the next one is named.
pub(super) const ASK: &str = "ASK";
/// That the key is another server's.
pub(super) const MOVED: &str = "MOVED";

pub(super) fn is_redirection(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if matches!(error.code(), MOVED | ASK))
}

/// An error if a command failed that must not.
pub(super) fn check(reply: &Value) -> Result<(), StoreError> {
    match reply {
        Value::ServerError(error) => Err(from_redis(&error.clone().into())),
        _ => Ok(()),
    }
}

/// A reply of a form that the command never has.
pub(super) fn unexpected(command: &str, reply: impl Display) -> StoreError {
    StoreError::new(
        StoreErrorKind::Unavailable,
        format!("unexpected reply to {command}: {reply}"),
    )
}

fn of_server_kind(kind: ServerErrorKind, code: Option<&str>) -> StoreErrorKind {
    match kind {
        ServerErrorKind::ReadOnly => StoreErrorKind::RefusesWrites,
        ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown => {
            StoreErrorKind::Unavailable
        }
        _ => of_code(code),
    }
}

fn of_code(code: Option<&str>) -> StoreErrorKind {
    match code {
        Some("OOM") => StoreErrorKind::OutOfMemory,
        Some("MISCONF" | "NOREPLICAS" | "READONLY") => StoreErrorKind::RefusesWrites,
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => StoreErrorKind::Denied,
        Some("LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN") => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Other,
    }
}
