//! Groups, resolved down to the resources they stand for.

mod parameters;

use proc_macro2::{Ident, Span};

use crate::{
    args::{Declaration, GroupArgs, Member, MemberName, MemberScope},
    diag::{Errors, did_you_mean, list, nearest},
    model::{Group, GroupPart, PartScope, ScopeType},
};

/// The groups among `declarations`. The types of their parameters are added to `types`, which has those of the scopes.
pub(super) fn resolve(declarations: &[&Declaration], types: &mut Vec<ScopeType>, errors: &mut Errors) -> Vec<Group> {
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
            let parts = resolver.parts(group, &mut vec![&group.name]);
            parameters::check(group, &parts, types, resolver.errors);
            Group {
                docs: group.docs.clone(),
                name: group.name.clone(),
                members: members(&parts),
                parameters: group.parameters.clone(),
                parts,
            }
        })
        .collect()
}

/// The resources of the parts, each once.
fn members(parts: &[GroupPart]) -> Vec<Ident> {
    let mut members: Vec<Ident> = Vec::new();
    for GroupPart { resource, .. } in parts {
        if !members.contains(resource) {
            members.push(resource.clone());
        }
    }
    members
}

/// The resources that the members of `group` stand for, which is none of the declared groups, but made like one.
pub(super) fn parts_of(group: &GroupArgs, declarations: &[&Declaration], errors: &mut Errors) -> Vec<GroupPart> {
    let groups = declarations.iter().filter_map(|declaration| match declaration {
        Declaration::Group(group) => Some(&group.name),
        Declaration::Resource(_) => None,
    });
    let mut resolver = Resolver {
        declarations,
        errors,
        // Those among them that are in one are reported where they are resolved.
        in_cycle: groups.collect(),
    };
    resolver.check_members(group);
    resolver.parts(group, &mut vec![&group.name])
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
            match &member.name {
                MemberName::Name(name) if self.declared(name).is_none() => {
                    let near = did_you_mean(&name.to_string(), self.names().iter().map(String::as_str));
                    self.errors
                        .at(name.span(), format!("no resource or group is named `{name}`{near}"));
                }
                MemberName::Pattern(text) if !text.value().contains('*') => {
                    let help = "help: names stand without quotes in a group, patterns with";
                    self.errors.at(
                        text.span(),
                        format!("`{}` is not a pattern, for it holds no `*`\n{help}", text.value()),
                    );
                }
                MemberName::Pattern(pattern) if self.matching(&pattern.value()).next().is_none() => {
                    let text = self.no_match(&pattern.value());
                    self.errors.at(pattern.span(), text);
                }
                _ => self.check_scopes(group, member),
            }
        }
    }

    /// Refuses scopes that the member does not have, and parameters that the group does not have.
    fn check_scopes(&mut self, group: &'a GroupArgs, member: &'a Member) {
        if member.scopes.is_empty() {
            return;
        }
        let offers = self.offers(group, member);
        for (i, MemberScope { name, parameter }) in member.scopes.iter().enumerate() {
            if member.scopes[..i].iter().any(|earlier| earlier.name == *name) {
                let text = format!("`{name}` is given twice\nhelp: keep one of the two");
                self.errors.at(name.span(), text);
            } else if let Some(lacking) = offers.iter().find(|offer| !offer.scopes.contains(&name)) {
                self.errors.at(name.span(), lacking.refuse(name));
            } else if !group.parameters.contains(parameter) {
                self.errors.at(parameter.span(), parameters::unknown(group, parameter));
            }
        }
    }

    /// What can be given to a member: one for each resource that has to have it.
    fn offers(&mut self, group: &'a GroupArgs, member: &'a Member) -> Vec<Offer<'a>> {
        let names: Vec<Ident> = match &member.name {
            MemberName::Pattern(pattern) => self.matching(&pattern.value()).cloned().collect(),
            MemberName::Name(name) => match self.declared(name) {
                Some(Declaration::Group(inner)) if inner.parameters.is_empty() && inner.name != group.name => {
                    members(&self.parts(inner, &mut vec![&group.name, &inner.name]))
                }
                _ => vec![name.clone()],
            },
        };
        names
            .iter()
            .filter_map(|name| self.declared(name))
            .map(Offer::of)
            .collect()
    }

    /// The resources of `group`, with its own parameters; `path` leads to the group.
    fn parts(&mut self, group: &'a GroupArgs, path: &mut Vec<&'a Ident>) -> Vec<GroupPart> {
        let mut parts = Vec::new();
        for member in &group.members {
            let at = member.span();
            match &member.name {
                MemberName::Pattern(pattern) => self
                    .matching(&pattern.value())
                    .for_each(|name| add(&mut parts, part(name, &member.scopes, at))),
                MemberName::Name(name) => match self.declared(name) {
                    Some(Declaration::Resource(resource)) => {
                        add(&mut parts, part(&resource.name, &member.scopes, at));
                    }
                    Some(Declaration::Group(inner)) => {
                        if let Some(start) = path.iter().position(|above| **above == inner.name) {
                            self.report_cycle(&path[start..], at);
                        } else {
                            path.push(&inner.name);
                            for inner_part in self.parts(inner, path) {
                                add(&mut parts, within(member, inner, inner_part));
                            }
                            path.pop();
                        }
                    }
                    None => {}
                },
            }
        }
        parts
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

/// What can be given to a member of a group.
struct Offer<'a> {
    kind: &'static str,
    name: &'a Ident,
    /// Of a resource; the parameters of a group.
    scopes: Vec<&'a Ident>,
}

impl<'a> Offer<'a> {
    fn of(declaration: &'a Declaration) -> Self {
        let (kind, scopes) = match declaration {
            Declaration::Resource(resource) => (
                "scope",
                resource.scope.values().iter().map(|scope| &scope.name).collect(),
            ),
            Declaration::Group(group) => ("parameter", group.parameters.iter().collect()),
        };
        Self {
            kind,
            name: declaration.name(),
            scopes,
        }
    }

    /// Why `scope` cannot be given.
    fn refuse(&self, scope: &Ident) -> String {
        let Self { kind, name, scopes } = self;
        let offered: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        let offered = || offered.iter().map(String::as_str);
        let near = did_you_mean(&scope.to_string(), offered());
        match list(offered()) {
            none if none.is_empty() => format!("`{name}` has no {kind} `{scope}`: it has none"),
            some => format!("`{name}` has no {kind} `{scope}`; it has {some}{near}"),
        }
    }
}

/// A resource as the member at `at` names it.
fn part(resource: &Ident, scopes: &[MemberScope], at: Span) -> GroupPart {
    let mut resource = resource.clone();
    resource.set_span(at);
    let scopes = scopes.iter().map(|MemberScope { name, parameter }| PartScope {
        name: name.clone(),
        parameter: parameter.clone(),
    });
    GroupPart {
        resource,
        scopes: scopes.collect(),
    }
}

/// A part of the group `inner`, as it is one of the group that `member` is in.
fn within(member: &Member, inner: &GroupArgs, inner_part: GroupPart) -> GroupPart {
    if inner.parameters.is_empty() {
        return part(&inner_part.resource, &member.scopes, member.span());
    }
    let mut outer = part(&inner_part.resource, &[], member.span());
    for scope in inner_part.scopes {
        let given = member.scopes.iter().find(|given| given.name == scope.parameter);
        // What is left out is left out of the scopes that it is for.
        outer.scopes.extend(given.map(|given| PartScope {
            name: scope.name,
            parameter: given.parameter.clone(),
        }));
    }
    outer
}

fn add(parts: &mut Vec<GroupPart>, part: GroupPart) {
    if !parts.contains(&part) {
        parts.push(part);
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
