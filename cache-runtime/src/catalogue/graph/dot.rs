//! A graph in DOT.

use std::fmt::Write as _;

use super::{Edge, EdgeKind, Graph, Node, NodeKind};

pub(super) fn write(graph: &Graph) -> String {
    let mut text = String::from(
        "digraph cache {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\"];\n",
    );
    for (i, node) in graph.nodes.iter().enumerate() {
        // Nobody reads what has been written into a `String`: it cannot fail.
        let _ = writeln!(text, "  n{i} [label=\"{}\" shape={}];", label(node), shape(node.kind));
    }
    for Edge { from, to, label, kind } in &graph.edges {
        let _ = writeln!(
            text,
            "  n{from} -> n{to} [label=\"{}\"{}];",
            escaped(label),
            style(*kind)
        );
    }
    text.push_str("}\n");
    text
}

const fn shape(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Mutation => "cds",
        NodeKind::Table => "cylinder",
        NodeKind::Selection => "hexagon",
        NodeKind::Tag => "note",
        NodeKind::Resource => "box",
        NodeKind::Function => "oval",
    }
}

const fn style(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Invalidates => "",
        EdgeKind::InvalidatesSoftly => " style=dotted",
        EdgeKind::CachedAs => " dir=back",
    }
}

fn label(node: &Node) -> String {
    let label = escaped(&node.label);
    if node.note.is_empty() {
        label
    } else {
        format!("{label}\\n{}", escaped(&node.note))
    }
}

/// A text as it stands between quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            // Graphviz reads HTML's entities.
            '&' => escaped.push_str("&amp;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
