//! What the tokio runtime can do that the caller is in.
//!
//! tokio panics where a driver is used that the runtime was built without, and has no way to ask. So each runtime is tried
//! once, and what was found is remembered by its id.

use std::{
    cell::Cell,
    collections::HashMap,
    fmt, net,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    net::UdpSocket,
    runtime::{Handle, Id},
};

use crate::sync::Mutex;

/// What is remembered of at most so many runtimes; a test suite makes thousands.
const REMEMBERED: usize = 256;

/// What some work takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Deadlines and pauses.
    Timers,
    /// Connections, too.
    Connections,
}

/// Why the caller's runtime cannot do some work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    Outside,
    WithoutTimers,
    WithoutIo,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outside => "this is not inside a tokio runtime",
            Self::WithoutTimers => "this tokio runtime has no timers: build it with `enable_all`, or `enable_time`",
            Self::WithoutIo => "this tokio runtime has no I/O: build it with `enable_all`, or `enable_io`",
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Drivers {
    timers: bool,
    io: bool,
}

thread_local! {
    static LAST: Cell<Option<(Id, Drivers)>> = const { Cell::new(None) };
}

static KNOWN: LazyLock<Mutex<HashMap<Id, Drivers>>> = LazyLock::new(Mutex::default);

/// The caller's runtime, if it can do the work.
pub(crate) fn handle_for(needs: Needs) -> Result<Handle, Unfit> {
    let handle = Handle::try_current().map_err(|_| Unfit::Outside)?;
    let Drivers { timers, io } = drivers(handle.id());
    match needs {
        _ if !timers => Err(Unfit::WithoutTimers),
        Needs::Connections if !io => Err(Unfit::WithoutIo),
        _ => Ok(handle),
    }
}

fn drivers(runtime: Id) -> Drivers {
    match LAST.get() {
        Some((last, drivers)) if last == runtime => drivers,
        _ => {
            let drivers = known_or_tried(runtime);
            LAST.set(Some((runtime, drivers)));
            drivers
        }
    }
}

#[cold]
fn known_or_tried(runtime: Id) -> Drivers {
    let known = KNOWN.lock().get(&runtime).copied();
    known.unwrap_or_else(|| {
        // Not under the lock: what a panic hook does is not known.
        let drivers = try_drivers();
        let mut known = KNOWN.lock();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(runtime, drivers);
        drivers
    })
}

/// Tries the drivers of the current runtime. Where one is missing, the panic hook says so once, in tokio's words.
fn try_drivers() -> Drivers {
    let does_not_panic = |work: &dyn Fn()| catch_unwind(AssertUnwindSafe(work)).is_ok();
    Drivers {
        timers: does_not_panic(&|| _ = tokio::time::sleep(Duration::from_secs(1)).now_or_never()),
        io: does_not_panic(&|| {
            // A machine without a loopback says nothing of the runtime.
            if let Ok(socket) = net::UdpSocket::bind((net::Ipv4Addr::LOCALHOST, 0))
                && socket.set_nonblocking(true).is_ok()
            {
                drop(UdpSocket::from_std(socket));
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime(configure: impl FnOnce(&mut Builder) -> &mut Builder) -> Runtime {
        configure(&mut Builder::new_current_thread())
            .build()
            .expect("a runtime")
    }

    /// What is missing for timers, and for connections.
    fn unfit() -> (Option<Unfit>, Option<Unfit>) {
        (handle_for(Needs::Timers).err(), handle_for(Needs::Connections).err())
    }

    #[test]
    fn what_a_runtime_was_built_without_is_found_out() {
        assert_eq!(unfit(), (Some(Unfit::Outside), Some(Unfit::Outside)));
        let complete = runtime(Builder::enable_all);
        let (without_timers, without_io) = (runtime(Builder::enable_io), runtime(Builder::enable_time));
        let without_both = runtime(|builder| builder);
        // Twice: as it was tried, and as it is remembered.
        for _ in 0..2 {
            assert_eq!(complete.block_on(async { unfit() }), (None, None));
            assert_eq!(
                without_timers.block_on(async { unfit() }),
                (Some(Unfit::WithoutTimers), Some(Unfit::WithoutTimers))
            );
            assert_eq!(without_io.block_on(async { unfit() }), (None, Some(Unfit::WithoutIo)));
            assert_eq!(
                without_both.block_on(async { unfit() }),
                (Some(Unfit::WithoutTimers), Some(Unfit::WithoutTimers))
            );
        }
    }
}
