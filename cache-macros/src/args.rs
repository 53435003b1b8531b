//! The first phase: what the user wrote, with its spans, which may still be wrong.

mod cached;
mod each;
mod invalidates;
mod options;
mod policies;
mod reference;
mod resources;
mod tables;

pub(crate) use self::{
    cached::{CachedArgs, CodecArg, CodecName, KeyExpr, NearArg, TtlArg},
    each::EachArg,
    invalidates::{InvalidatesArgs, OnArg, TargetArg, WHEN},
    options::{Keyed, ScopeExpr, Slot},
    policies::{Policy, PolicyArgs, PolicySlot, TimeoutArgs},
    reference::{Reference, resource_ident},
    resources::{
        Declaration, GroupArgs, Member, MemberName, MemberScope, ResourceArgs, ResourcesArgs, ScopeArg, TagArgs,
    },
    tables::{Column, ColumnScope, TableArgs, TableTargetArg},
};
