//! The nodes of a run: started, killed, replaced, and what they have written down.

use std::{
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use cache_testkit::FaultProxy;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    sync::{Mutex as AsyncMutex, MutexGuard},
    task::JoinHandle,
};

use super::node::Note;

/// How long nodes may take to end when they are asked to.
const ENDING: Duration = Duration::from_secs(30);

/// The arguments of the node with this number, in this seat.
type Arguments = dyn Fn(u64, usize) -> Vec<String> + Send + Sync;

/// All nodes of a run.
pub(super) struct Fleet {
    seats: Vec<Seat>,
    /// How this program is started as a node.
    arguments: Box<Arguments>,
    /// Nodes started so far: each has a number of its own.
    started: AtomicU64,
    notes: Arc<Mutex<Vec<Note>>>,
}

/// The place of a node, with its own way to Redis. It stays when the node is killed and another one takes it.
pub(super) struct Seat {
    number: usize,
    pub(super) way: Arc<FaultProxy>,
    node: AsyncMutex<Option<Node>>,
}

struct Node {
    process: Child,
    reader: JoinHandle<Result<()>>,
}

impl Fleet {
    /// Starts a node at the end of each of these ways.
    pub(super) async fn start(
        ways: Vec<Arc<FaultProxy>>,
        arguments: impl Fn(u64, usize) -> Vec<String> + Send + Sync + 'static,
    ) -> Result<Self> {
        let seats = ways.into_iter().enumerate().map(|(number, way)| Seat {
            number,
            way,
            node: AsyncMutex::default(),
        });
        let fleet = Self {
            seats: seats.collect(),
            arguments: Box::new(arguments),
            started: AtomicU64::new(0),
            notes: Arc::default(),
        };
        for seat in &fleet.seats {
            *seat.node.lock().await = Some(fleet.launch(seat)?);
        }
        Ok(fleet)
    }

    pub(super) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Kills a node (SIGKILL) and starts another one in its place.
    pub(super) async fn replace(&self, seat: &Seat) -> Result<()> {
        let mut node = seat.node.lock().await;
        if let Some(Node { mut process, reader }) = node.take() {
            if let Some(status) = process.try_wait()? {
                bail!("a node has ended by itself: {status}");
            }
            process.kill().await.context("a node could not be killed")?;
            reader.await??;
        }
        *node = Some(self.launch(seat)?);
        Ok(())
    }

    /// Starts another node in the place of one that was told to end itself. Returns its seat; `None` if all are there.
    pub(super) async fn replace_fallen(&self) -> Result<Option<usize>> {
        for seat in &self.seats {
            let mut node = seat.node.lock().await;
            let Some(Node { process, reader }) = &mut *node else {
                continue;
            };
            if process.try_wait()?.is_some() {
                reader.await??;
                *node = Some(self.launch(seat)?);
                return Ok(Some(seat.number));
            }
        }
        Ok(None)
    }

    /// Lets no node move until what is returned is dropped.
    pub(super) async fn hold(&self) -> Result<Held<'_>> {
        self.hold_these(&self.seats).await
    }

    /// The same of these alone.
    pub(super) async fn hold_these<'a>(&self, seats: impl IntoIterator<Item = &'a Seat>) -> Result<Held<'a>> {
        let mut held = Held(Vec::new());
        for seat in seats {
            let node = seat.node.lock().await;
            if let Some(node) = &*node {
                signal(node, Signal::STOP)?;
            }
            held.0.push(node);
        }
        Ok(held)
    }

    /// Asks all nodes to end, waits for that, and returns what all nodes have written down.
    pub(super) async fn finish(self) -> Result<Vec<Note>> {
        let mut nodes = Vec::new();
        for seat in &self.seats {
            nodes.extend(seat.node.lock().await.take());
        }
        for node in &mut nodes {
            node.process.stdin.take();
        }
        for Node { mut process, reader } in nodes {
            let ended = async {
                reader.await??;
                process.wait().await.context("a node was lost")
            };
            let status = tokio::time::timeout(ENDING, ended)
                .await
                .with_context(|| format!("a node did not end within {ENDING:?}"))??;
            ensure!(status.success(), "a node has failed: {status}");
        }
        Ok(std::mem::take(&mut *lock(&self.notes)))
    }

    fn launch(&self, seat: &Seat) -> Result<Node> {
        let program = std::env::current_exe().context("this program does not know its own name")?;
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let mut process = Command::new(program)
            .args((self.arguments)(number, seat.number))
            // Its end is the sign to stop, and it ends with this process, however that ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("a node could not be started")?;
        let output = process.stdout.take().context("a node has an output")?;
        let reader = tokio::spawn(read(output, Arc::clone(&self.notes)));
        Ok(Node { process, reader })
    }
}

/// All nodes, each of which stands still.
#[must_use]
pub(super) struct Held<'a>(Vec<MutexGuard<'a, Option<Node>>>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for node in self.0.iter().filter_map(|node| node.as_ref()) {
            // One that has ended is found out by whoever waits for it.
            let _ = signal(node, Signal::CONT);
        }
    }
}

fn signal(node: &Node, signal: Signal) -> Result<()> {
    let id = node.process.id().and_then(|id| i32::try_from(id).ok());
    let id = id.and_then(Pid::from_raw).context("a node has ended by itself")?;
    kill_process(id, signal).context("a node takes no signal")
}

async fn read(output: ChildStdout, notes: Arc<Mutex<Vec<Note>>>) -> Result<()> {
    let mut output = BufReader::new(output);
    let mut line = String::new();
    while output.read_line(&mut line).await? > 0 {
        // A node that is killed may leave half a line.
        if let Some(note) = line.strip_suffix('\n') {
            let note = serde_json::from_str(note).with_context(|| format!("a node has written {note:?}"))?;
            lock(&notes).push(note);
        }
        line.clear();
    }
    Ok(())
}

fn lock(notes: &Mutex<Vec<Note>>) -> std::sync::MutexGuard<'_, Vec<Note>> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}
