//! The catalogue as a graph: mutations and tables, what they name, resources, functions.

mod dot;
mod mermaid;

use std::{fmt, str::FromStr};

use super::{Catalogue, Place, TargetEntry, TargetKind, entries::same};
use crate::resource::Resource;

/// What a graph is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GraphFormat {
    /// [Mermaid](https://mermaid.js.org), which GitHub draws.
    #[default]
    Mermaid,
    /// DOT, which [Graphviz](https://graphviz.org) draws.
    Dot,
}

impl GraphFormat {
    /// Its name on a command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mermaid => "mermaid",
            Self::Dot => "dot",
        }
    }
}

impl fmt::Display for GraphFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no format of graphs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no format of graphs: write `mermaid` or `dot`")]
pub struct GraphFormatError(String);

impl FromStr for GraphFormat {
    type Err = GraphFormatError;

    fn from_str(text: &str) -> Result<Self, GraphFormatError> {
        let mut formats = [Self::Mermaid, Self::Dot].into_iter();
        let found = formats.find(|format| format.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| GraphFormatError(text.to_owned()))
    }
}

impl Catalogue {
    /// What invalidates what, and who is answered from it, from left to right: mutations and tables of databases, the groups, patterns and tags
    /// that they name, resources, functions. A line is dotted where an invalidation is soft, and says which scopes it is of.
    pub fn graph(&self, format: GraphFormat) -> String {
        let graph = Graph::of(self);
        match format {
            GraphFormat::Mermaid => mermaid::write(&graph),
            GraphFormat::Dot => dot::write(&graph),
        }
    }
}

/// What is drawn.
#[derive(Debug, Default)]
struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

#[derive(Debug)]
struct Node {
    kind: NodeKind,
    label: String,
    /// A second line, if there is something to say there.
    note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeKind {
    Mutation,
    Table,
    /// A group or a pattern.
    Selection,
    Tag,
    Resource,
    Function,
}

#[derive(Debug, PartialEq, Eq)]
struct Edge {
    /// By their places in the list of nodes.
    from: usize,
    to: usize,
    label: String,
    kind: EdgeKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EdgeKind {
    Invalidates,
    InvalidatesSoftly,
    /// From a resource to a function that is answered from it: what is drawn the other way round.
    CachedAs,
}

impl Graph {
    fn of(catalogue: &Catalogue) -> Self {
        let mut graph = Self::default();
        let names = Names::of(catalogue);
        let resources: Vec<ResourceNode<'_>> = catalogue
            .resources
            .iter()
            .map(|entry| {
                let ttl = entry.ttl.map(|ttl| humantime::format_duration(ttl).to_string());
                let scopes = entry.scopes.iter().map(|scope| scope.name.to_owned());
                let note = ttl.into_iter().chain(scopes).collect::<Vec<_>>().join(", ");
                (entry.resource, graph.node(NodeKind::Resource, entry.name, &note))
            })
            .collect();
        for mutation in &catalogue.mutations {
            let from = graph.node(NodeKind::Mutation, names.short(&mutation.place), "");
            let kind = if mutation.soft {
                EdgeKind::InvalidatesSoftly
            } else {
                EdgeKind::Invalidates
            };
            graph.targets(from, &mutation.targets, kind, &resources);
        }
        for table in &catalogue.tables {
            let from = graph.node(NodeKind::Table, &table.name, "");
            graph.targets(from, &table.targets, EdgeKind::Invalidates, &resources);
        }
        for function in &catalogue.functions {
            let to = graph.node(
                NodeKind::Function,
                names.short(&function.place),
                function.near.unwrap_or_default(),
            );
            let Some(from) = node_of(function.resource, &resources) else {
                continue;
            };
            graph.edge(from, to, "", EdgeKind::CachedAs);
            for tag in &function.tags {
                let tag = graph.tag(tag.name);
                graph.edge(tag, from, "", EdgeKind::Invalidates);
            }
        }
        graph
    }

    /// The lines from a mutation or a table to what it names.
    fn targets(&mut self, from: usize, targets: &[TargetEntry], kind: EdgeKind, resources: &[ResourceNode<'_>]) {
        for target in targets {
            let named = target.resources.iter();
            let to: Vec<usize> = named.filter_map(|resource| node_of(resource, resources)).collect();
            let scopes: Vec<&str> = target.scopes.iter().map(|scope| scope.name).collect();
            let label = scopes.join(", ");
            match target.kind {
                TargetKind::Resource => self.edges_to(from, &to, &label, kind),
                TargetKind::Group | TargetKind::Pattern => {
                    let selection = self.selection(target.name, &to);
                    self.edge(from, selection, &label, kind);
                }
                TargetKind::Tag => {
                    let tag = self.tag(target.name);
                    self.edge(from, tag, "", kind);
                }
            }
        }
    }

    fn node(&mut self, kind: NodeKind, label: &str, note: &str) -> usize {
        self.nodes.push(Node {
            kind,
            label: label.to_owned(),
            note: note.to_owned(),
        });
        self.nodes.len() - 1
    }

    /// The group or pattern of this name for these resources, which is there once.
    fn selection(&mut self, name: &str, resources: &[usize]) -> usize {
        let targets = |at: usize| {
            self.edges
                .iter()
                .filter(move |edge| edge.from == at)
                .map(|edge| edge.to)
        };
        let is_same =
            |&at: &usize| self.nodes[at].is(NodeKind::Selection, name) && targets(at).eq(resources.iter().copied());
        if let Some(known) = (0..self.nodes.len()).find(is_same) {
            return known;
        }
        let selection = self.node(NodeKind::Selection, name, "");
        self.edges_to(selection, resources, "", EdgeKind::Invalidates);
        selection
    }

    fn tag(&mut self, name: &str) -> usize {
        let known = self.nodes.iter().position(|node| node.is(NodeKind::Tag, name));
        known.unwrap_or_else(|| self.node(NodeKind::Tag, name, ""))
    }

    fn edges_to(&mut self, from: usize, to: &[usize], label: &str, kind: EdgeKind) {
        for &to in to {
            self.edge(from, to, label, kind);
        }
    }

    /// A line, unless it is there: a mutation may name a resource twice, with other values.
    fn edge(&mut self, from: usize, to: usize, label: &str, kind: EdgeKind) {
        let edge = Edge {
            from,
            to,
            label: label.to_owned(),
            kind,
        };
        if !self.edges.contains(&edge) {
            self.edges.push(edge);
        }
    }
}

impl Node {
    fn is(&self, kind: NodeKind, label: &str) -> bool {
        self.kind == kind && self.label == label
    }
}

/// A resource, and its node.
type ResourceNode<'a> = (&'a Resource, usize);

fn node_of(resource: &Resource, nodes: &[ResourceNode<'_>]) -> Option<usize> {
    let found = nodes.iter().find(|(known, _)| same(known, resource));
    found.map(|(_, node)| *node)
}

/// What functions are called where there is little room.
struct Names<'a>(Vec<(&'a Place, String)>);

impl<'a> Names<'a> {
    /// Their paths without modules, where these tell them apart.
    fn of(catalogue: &'a Catalogue) -> Self {
        let mutations = catalogue.mutations.iter().map(|mutation| &mutation.place);
        let functions = catalogue.functions.iter().map(|function| &function.place);
        let shortened: Vec<(&Place, String)> = mutations
            .chain(functions)
            .map(|place| (place, without_modules(&place.path)))
            .collect();
        let is_plain = |place: &Place, short: &str| {
            let mut others = shortened.iter().filter(|(other, _)| other.path != place.path);
            others.all(|(_, other)| other != short)
        };
        let names = shortened.iter().map(|(place, short)| {
            let name = if is_plain(place, short) { short } else { &place.path };
            (*place, name.clone())
        });
        Self(names.collect())
    }

    fn short(&self, place: &'a Place) -> &str {
        let found = self.0.iter().find(|(known, _)| *known == place);
        found.map_or(&place.path, |(_, name)| name)
    }
}

/// A path without its modules: `<Repo as Finder>::list`.
fn without_modules(path: &str) -> String {
    let mut short = String::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '#';
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end.max(first.len_utf8()));
        let is_module = word.starts_with(|c: char| c.is_lowercase() || c == '_') && after.starts_with("::");
        rest = if is_module { &after[2..] } else { after };
        if !is_module {
            short.push_str(word);
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::without_modules;

    #[test]
    fn paths_are_shown_without_their_modules() {
        for (path, expected) in [
            ("app::list", "list"),
            ("app::services::Repo::list", "Repo::list"),
            ("app::Repo<_, _>::list", "Repo<_, _>::list"),
            ("<app::m::Repo as app::Finder>::list", "<Repo as Finder>::list"),
            ("app::Repo<app::rows::Row>::r#type", "Repo<Row>::r#type"),
            ("list", "list"),
            ("", ""),
        ] {
            assert_eq!(without_modules(path), expected, "{path}");
        }
    }
}
