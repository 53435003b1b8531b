//! The first phase: what the user wrote, with its spans, which may still be wrong.

mod cached;
mod each;
mod invalidates;
mod options;
mod reference;
mod resources;

pub(crate) use self::{
    cached::{CachedArgs, CodecArg, CodecName, KeyExpr, NearArg},
    each::EachArg,
    invalidates::{InvalidatesArgs, OnArg, TargetArg, WHEN},
    options::{ScopeExpr, Slot},
    reference::{Reference, resource_ident},
    resources::{
        Declaration, GroupArgs, Member, MemberName, MemberScope, ResourceArgs, ResourcesArgs, ScopeArg, TagArgs,
    },
};
