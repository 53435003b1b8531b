//! Tables, and the resources that their changes invalidate. A table is like a group whose parameters are its columns.

use proc_macro2::{Ident, Span};
use quote::format_ident;

use super::{super::text, groups};
use crate::{
    args::{Column, ColumnScope, Declaration, GroupArgs, Member, MemberName, MemberScope, TableArgs, TableTargetArg},
    diag::{Errors, did_you_mean, list},
    model::{Table, TableResource, TagKind},
    uses::unraw,
};

/// The tables, each once.
pub(super) fn resolve(
    declared: &[TableArgs],
    declarations: &[&Declaration],
    tags: &[TagKind],
    errors: &mut Errors,
) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for args in declared {
        let TableArgs { name, tenant, targets } = args;
        let is_known = |table: &Table| table.schema == name.schema && table.name == name.name;
        if tables.iter().any(is_known) {
            let text = format!(
                "the table `{}` is declared above\nhelp: add what else its changes invalidate there",
                name.spelt()
            );
            errors.at(name.span, text);
            continue;
        }
        let mut columns = Columns::default();
        let group = columns.group_of(args);
        let parts = if group.members.is_empty() {
            // Tags alone.
            Vec::new()
        } else {
            groups::parts_of(&group, declarations, errors)
        };
        let resources = parts.into_iter().map(|part| TableResource {
            resource: part.resource,
            scopes: part
                .scopes
                .into_iter()
                .map(|scope| (scope.name, columns.name_of(&scope.parameter)))
                .collect(),
        });
        tables.push(Table {
            schema: name.schema.clone(),
            name: name.name.clone(),
            tenant: tenant.as_ref().map(|column| column.name.clone()),
            resources: resources.collect(),
            tags: kinds(targets, tags, errors),
            written: targets.iter().filter_map(text::table_target).collect(),
        });
    }
    tables
}

/// The columns of a table, as parameters of a group: a column may be called what no parameter can be.
#[derive(Default)]
struct Columns(Vec<Column>);

impl Columns {
    fn group_of(&mut self, args: &TableArgs) -> GroupArgs {
        let mut members = Vec::new();
        for target in &args.targets {
            let TableTargetArg::Resources { name, scopes } = target else {
                continue;
            };
            let name = match name {
                MemberName::Name(name) => MemberName::Name(name.clone()),
                MemberName::Pattern(pattern) => MemberName::Pattern(pattern.clone()),
            };
            let scopes = scopes.iter().map(|ColumnScope { name, column }| MemberScope {
                name: name.clone(),
                parameter: self.parameter_for(column),
            });
            members.push(Member {
                name,
                scopes: scopes.collect(),
            });
        }
        GroupArgs {
            docs: Vec::new(),
            // Like none that is declared.
            name: Ident::new("__cache_table", args.name.span),
            parameters: (0..self.0.len()).map(|i| parameter(i, args.name.span)).collect(),
            members,
        }
    }

    fn parameter_for(&mut self, column: &Column) -> Ident {
        let known = self.0.iter().position(|known| known.name == column.name);
        let i = known.unwrap_or_else(|| {
            self.0.push(column.clone());
            self.0.len() - 1
        });
        parameter(i, column.span)
    }

    fn name_of(&self, wanted: &Ident) -> String {
        let column = self
            .0
            .iter()
            .enumerate()
            .find(|(i, _)| parameter(*i, wanted.span()) == *wanted);
        column.map(|(_, column)| column.name.clone()).unwrap_or_default()
    }
}

fn parameter(i: usize, span: Span) -> Ident {
    format_ident!("__cache_column_{i}", span = span)
}

/// The kinds of tags among the targets, with their columns.
fn kinds(targets: &[TableTargetArg], declared: &[TagKind], errors: &mut Errors) -> Vec<(Ident, String)> {
    let mut kinds: Vec<(Ident, String)> = Vec::new();
    for target in targets {
        let TableTargetArg::Tag(ColumnScope { name, column }) = target else {
            continue;
        };
        if !declared.iter().any(|kind| kind.name == *name) {
            errors.at(name.span(), undeclared(name, declared));
        } else if kinds.iter().any(|(kind, known)| kind == name && *known == column.name) {
            errors.at(name.span(), "this tag is given twice\nhelp: keep one of the two");
        } else {
            kinds.push((name.clone(), column.name.clone()));
        }
    }
    kinds
}

fn undeclared(kind: &Ident, declared: &[TagKind]) -> String {
    let declared: Vec<String> = declared.iter().map(|kind| unraw(&kind.name)).collect();
    let declared = || declared.iter().map(String::as_str);
    match list(declared()) {
        none if none.is_empty() => {
            format!("no kind of tags is named `{kind}`\nhelp: declare it: `tag {kind}: i64;`")
        }
        some => {
            let near = did_you_mean(&unraw(kind), declared());
            format!("no kind of tags is named `{kind}`; declared are {some}{near}")
        }
    }
}
