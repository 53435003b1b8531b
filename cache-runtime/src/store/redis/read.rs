//! Reads of what stands under keys: which keys, by which commands, and which reads travel together.

mod batcher;
mod key_reader;
mod key_set;

pub(super) use self::{
    batcher::ReadBatcher,
    key_reader::{KeyReplies, bytes},
    key_set::KeySet,
};
