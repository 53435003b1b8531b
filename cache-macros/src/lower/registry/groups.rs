//! Groups, resolved down to the resources they stand for.

use proc_macro2::{Ident, Span};

use crate::{
    args::{Declaration, GroupArgs, Member},
    diag::{Errors, did_you_mean, nearest},
    model::Group,
};

/// The groups among `declarations`.
pub(super) fn resolve(declarations: &[&Declaration], errors: &mut Errors) -> Vec<Group> {
    let mut resolver = Resolver {
        declarations,
        errors,
        in_cycle: Vec::new(),
    };
    let groups = declarations.iter().filter_map(|declaration| match declaration {
        Declaration::Group(group) => Some(group),
        Declaration::Resource(_) => None,
    });
    groups
        .map(|group| {
            resolver.check_members(group);
            let mut members = Vec::new();
            resolver.collect(group, &mut vec![&group.name], &mut members);
            Group {
                docs: group.docs.clone(),
                name: group.name.clone(),
                members,
            }
        })
        .collect()
}

struct Resolver<'a, 'b> {
    declarations: &'b [&'a Declaration],
    errors: &'b mut Errors,
    /// The groups of the cycles that were reported, so that each cycle is reported once.
    in_cycle: Vec<&'a Ident>,
}

impl<'a, 'b> Resolver<'a, 'b> {
    fn check_members(&mut self, group: &'a GroupArgs) {
        if group.members.is_empty() {
            let text = format!(
                "the group `{}` is empty\nhelp: name at least one resource, or remove it",
                group.name
            );
            self.errors.at(group.name.span(), text);
        }
        for member in &group.members {
            match member {
                Member::Name(name) if self.declared(name).is_none() => {
                    let near = did_you_mean(&name.to_string(), self.names().iter().map(String::as_str));
                    self.errors
                        .at(name.span(), format!("no resource or group is named `{name}`{near}"));
                }
                Member::Pattern(text) if !text.value().contains('*') => {
                    let help = "help: names stand without quotes in a group, patterns with";
                    self.errors.at(
                        text.span(),
                        format!("`{}` is not a pattern, for it holds no `*`\n{help}", text.value()),
                    );
                }
                Member::Pattern(pattern) if self.matching(&pattern.value()).next().is_none() => {
                    let text = self.no_match(&pattern.value());
                    self.errors.at(pattern.span(), text);
                }
                _ => {}
            }
        }
    }

    /// Adds the resources of `group` to `members`, each once; `path` leads to the group.
    fn collect(&mut self, group: &'a GroupArgs, path: &mut Vec<&'a Ident>, members: &mut Vec<Ident>) {
        for member in &group.members {
            match member {
                Member::Pattern(pattern) => self
                    .matching(&pattern.value())
                    .for_each(|name| add(members, name, pattern.span())),
                Member::Name(name) => match self.declared(name) {
                    Some(Declaration::Resource(resource)) => {
                        add(members, &resource.name, name.span());
                    }
                    Some(Declaration::Group(inner)) => {
                        if let Some(start) = path.iter().position(|above| **above == inner.name) {
                            self.report_cycle(&path[start..], member.span());
                        } else {
                            path.push(&inner.name);
                            self.collect(inner, path, members);
                            path.pop();
                        }
                    }
                    None => {}
                },
            }
        }
    }

    fn report_cycle(&mut self, cycle: &[&'a Ident], at: Span) {
        if cycle.iter().any(|name| self.in_cycle.contains(name)) {
            return;
        }
        self.in_cycle.extend_from_slice(cycle);
        let mut names: Vec<String> = cycle.iter().map(|name| format!("`{name}`")).collect();
        names.push(names[0].clone());
        self.errors.at(
            at,
            format!(
                "the group contains itself: {}\nhelp: remove one of these members",
                names.join(" -> ")
            ),
        );
    }

    fn declared(&self, name: &Ident) -> Option<&'a Declaration> {
        self.declarations
            .iter()
            .copied()
            .find(|declaration| declaration.name() == name)
    }

    fn names(&self) -> Vec<String> {
        self.declarations
            .iter()
            .map(|declaration| declaration.name().to_string())
            .collect()
    }

    /// The resources that `pattern` matches. Groups are not matched: a pattern is a statement about names of resources.
    fn matching(&self, pattern: &str) -> impl Iterator<Item = &'a Ident> + use<'a, 'b> {
        let pattern = pattern.to_owned();
        self.declarations
            .iter()
            .filter_map(move |declaration| match declaration {
                Declaration::Resource(resource) if matches(&pattern, &resource.name.to_string()) => {
                    Some(&resource.name)
                }
                _ => None,
            })
    }

    fn no_match(&self, pattern: &str) -> String {
        let names = self.names();
        // What stands before the first `*` is compared with as much of the names.
        let literal = pattern.split('*').next().unwrap_or_default();
        let beginning = |name: &'_ str| name.get(..literal.len()).unwrap_or(name).to_owned();
        let beginnings: Vec<String> = names.iter().map(|name| beginning(name)).collect();
        let near = nearest(literal, beginnings.iter().map(String::as_str))
            .and_then(|near| names.iter().find(|name| name.starts_with(near)));
        let hint = near.map_or_else(String::new, |near| format!("\nhelp: the nearest name is `{near}`"));
        format!("no resource matches `{pattern}`{hint}")
    }
}

fn add(members: &mut Vec<Ident>, name: &Ident, at: Span) {
    if !members.contains(name) {
        let mut name = name.clone();
        name.set_span(at);
        members.push(name);
    }
}

/// Whether `pattern`, in which `*` is any run of characters, matches the whole of `name`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((literal, rest)) => name
            .strip_prefix(literal)
            .is_some_and(|name| (0..=name.len()).any(|at| name.get(at..).is_some_and(|tail| matches(rest, tail)))),
    }
}
