//! A graph in Mermaid.

use std::fmt::Write as _;

use super::{Edge, EdgeKind, Graph, Node, NodeKind};

pub(super) fn write(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for (i, node) in graph.nodes.iter().enumerate() {
        let (open, close) = shape(node.kind);
        // Nobody reads what has been written into a `String`: it cannot fail.
        let _ = writeln!(text, "  n{i}{open}\"{}\"{close}", label(node));
    }
    for Edge { from, to, label, kind } in &graph.edges {
        let line = line(*kind);
        let label = if label.is_empty() {
            String::new()
        } else {
            format!("|\"{}\"|", escaped(label))
        };
        let _ = writeln!(text, "  n{from} {line}{label} n{to}");
    }
    text
}

const fn shape(kind: NodeKind) -> (&'static str, &'static str) {
    match kind {
        NodeKind::Mutation => ("[/", "/]"),
        NodeKind::Table => ("[(", ")]"),
        NodeKind::Selection => ("{{", "}}"),
        NodeKind::Tag => (">", "]"),
        NodeKind::Resource => ("[", "]"),
        NodeKind::Function => ("([", "])"),
    }
}

const fn line(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Invalidates => "-->",
        EdgeKind::InvalidatesSoftly => "-.->",
        // There is no arrow that points to where it begins.
        EdgeKind::CachedAs => "---",
    }
}

fn label(node: &Node) -> String {
    let label = escaped(&node.label);
    if node.note.is_empty() {
        label
    } else {
        format!("{label}<br>{}", escaped(&node.note))
    }
}

/// A text as it stands between quotes. Whatever may mean something is written as its number: to Mermaid, to Markdown, or to HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        let is_plain = c.is_alphanumeric() || matches!(c, '_' | ' ' | ':' | ',');
        if is_plain {
            escaped.push(c);
        } else {
            let _ = write!(escaped, "#{};", u32::from(c));
        }
    }
    escaped
}
