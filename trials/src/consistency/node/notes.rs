use std::{
    io::{self, Write as _},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result};
use cache_testkit::oracle::Event;
use serde::{Deserialize, Serialize};

use super::service::Hit;
use crate::consistency::node::Subject;

/// What a node writes down of one call: a line of JSON on standard output.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) event: Event<Subject>,
    /// For a read: where it came from, if it was not loaded.
    pub(crate) hit: Option<Hit>,
}

/// Takes notes, and does not hold up whoever makes them.
#[derive(Debug, Clone)]
pub(crate) struct Notebook(Sender<Note>);

impl Notebook {
    /// The thread ends when the last notebook is gone and everything is written.
    pub(crate) fn on_stdout() -> (Self, JoinHandle<()>) {
        let (notebook, notes) = channel();
        (Self(notebook), thread::spawn(move || write(&notes)))
    }

    pub(crate) fn note(&self, event: Event<Subject>, hit: Option<Hit>) -> Result<()> {
        self.0.send(Note { event, hit }).ok().context("nobody reads the notes")
    }
}

/// Writes what there is, then flushes: a node that is killed loses its last moment only.
fn write(notes: &Receiver<Note>) {
    let mut output = io::BufWriter::new(io::stdout().lock());
    while let Ok(first) = notes.recv() {
        for note in std::iter::once(first).chain(notes.try_iter()) {
            let written = serde_json::to_writer(&mut output, &note).map_err(io::Error::from);
            if written.and_then(|()| output.write_all(b"\n")).is_err() {
                return;
            }
        }
        if output.flush().is_err() {
            return;
        }
    }
}
