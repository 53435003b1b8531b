//! Reads of what stands under keys: which keys, by which commands, and which reads travel together.

mod batcher;
mod key_reader;
mod key_set;
mod key_table;

pub(super) use self::{
    batcher::ReadBatcher,
    key_reader::{KeyReplies, KeyReply, bytes},
    key_set::KeySet,
    key_table::{KeyPlace, KeyTable},
};
