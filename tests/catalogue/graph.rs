use std::collections::BTreeMap;

use cache_runtime::catalogue::{Catalogue, GraphFormat};

/// A graph as it was written: the labels of the nodes, and the lines between them with theirs.
#[derive(Debug, Default)]
struct Drawing {
    nodes: BTreeMap<String, String>,
    lines: Vec<(String, &'static str, String, String)>,
}

impl Drawing {
    /// A node is there once, and before the lines that lead to it.
    fn node(&mut self, id: &str, label: String) {
        assert_eq!(self.nodes.insert(id.to_owned(), label), None, "{id}");
    }

    fn line(&mut self, from: &str, arrow: &'static str, label: &str, to: &str) {
        let name = |id: &str| self.nodes[id].split('\n').next().unwrap_or_default().to_owned();
        self.lines.push((name(from), arrow, label.to_owned(), name(to)));
    }

    fn of_mermaid(text: &str) -> Self {
        let mut drawing = Self::default();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("flowchart LR"));
        for line in lines {
            let line = line.trim();
            if let Some((from, arrow, rest)) = [" --> ", " -.-> ", " --- "].iter().find_map(|arrow| {
                let (from, to) = line.split_once(arrow)?;
                Some((from, arrow.trim(), to))
            }) {
                drawing.line(from, arrow, "", rest);
            } else if let Some((from, arrow, rest)) = ["-->", "-.->"].iter().find_map(|arrow| {
                let (from, rest) = line.split_once(&format!(" {arrow}|\""))?;
                Some((from, *arrow, rest))
            }) {
                let (label, to) = rest.split_once("\"| ").expect("a label ends");
                drawing.line(from, arrow, &decoded(label), to);
            } else {
                let (open, rest) = line.split_once('"').expect("a node has a label");
                let (label, close) = rest.split_once('"').expect("a label ends");
                let id = open.trim_end_matches(['[', '(', '{', '/', '>']);
                assert_eq!(shape_of(&open[id.len()..]), close, "{line}");
                let label = label.replace("<br>", "\n");
                drawing.node(id, decoded(&label));
            }
        }
        drawing
    }

    fn of_dot(text: &str) -> Self {
        let mut drawing = Self::default();
        let body = text
            .strip_prefix("digraph cache {\n")
            .and_then(|text| text.strip_suffix("}\n"));
        for line in body.expect("it is a graph").lines().skip(3) {
            let (head, rest) = line.trim().split_once(" [label=\"").expect("all have labels");
            let (label, style) = quoted(rest);
            let style = style.strip_suffix("];").expect("a line ends");
            match head.split_once(" -> ") {
                None => drawing.node(head, label),
                Some((from, to)) => {
                    let arrow = match style {
                        "" => "-->",
                        " style=dotted" => "-.->",
                        " dir=back" => "---",
                        other => panic!("{other}"),
                    };
                    drawing.line(from, arrow, &label, to);
                }
            }
        }
        drawing
    }

    fn has(&self, from: &str, arrow: &str, label: &str, to: &str) -> bool {
        let mut lines = self.lines.iter();
        lines.any(|line| (line.0.as_str(), line.1, line.2.as_str(), line.3.as_str()) == (from, arrow, label, to))
    }
}

/// What closes a node that is opened so.
fn shape_of(open: &str) -> &'static str {
    match open {
        "[" | ">" => "]",
        "[/" => "/]",
        "[(" => ")]",
        "([" => "])",
        "{{" => "}}",
        other => panic!("{other} is no shape"),
    }
}

/// The text of a label of Mermaid; anything but plain characters and their numbers is an error.
fn decoded(label: &str) -> String {
    let mut text = String::new();
    let mut rest = label;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '#' {
            let (number, after) = rest.split_once(';').expect("a number ends");
            text.extend(char::from_u32(number.parse().expect("it is a number")));
            rest = after;
        } else {
            assert!(
                c.is_alphanumeric() || "_ :,\n".contains(c),
                "{c:?} may mean something in {label:?}"
            );
            text.push(c);
        }
    }
    text
}

/// The text up to the quote that ends it, and what comes after that.
fn quoted(text: &str) -> (String, &str) {
    let mut label = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (label.replace("&amp;", "&"), &text[at + 1..]),
            '\\' => match chars.next().expect("something is escaped").1 {
                'n' => label.push('\n'),
                c => label.push(c),
            },
            c => label.push(c),
        }
    }
    panic!("{text} does not end")
}

fn drawings() -> [Drawing; 2] {
    let catalogue = Catalogue::of_program();
    [
        Drawing::of_mermaid(&catalogue.graph(GraphFormat::Mermaid)),
        Drawing::of_dot(&catalogue.graph(GraphFormat::Dot)),
    ]
}

#[test]
fn mutations_and_tables_lead_through_what_they_name_to_resources_and_these_to_functions() {
    for drawing in drawings() {
        for (from, arrow, label, to) in [
            ("Invoices<_>::pay", "-->", "company", "invoice_data"),
            ("invoice_data", "-->", "", "invoices_list"),
            ("invoice_data", "-->", "", "invoices_summary"),
            ("Invoices<_>::pay", "-->", "", "pages"),
            ("Invoices<_>::renumber", "-->", "", "pages"),
            ("recount_softly", "-.->", "company", "invoices_s*"),
            ("invoices_s*", "-->", "", "invoices_summary"),
            ("rename_author", "-->", "", "author"),
            ("author", "-->", "", "articles"),
            ("label", "-->", "", "articles"),
            ("export", "-->", "", "exports"),
            ("forget", "-->", "", "counters"),
            ("forget", "-->", "", "books"),
            ("books", "-->", "", "totals"),
            ("books", "-->", "", "pages"),
            ("accounting.invoices", "-->", "company", "invoices_list"),
            ("accounting.invoices", "-->", "company", "tot*"),
            ("tot*", "-->", "", "totals"),
            ("odd \"names\" <b>|`{*}`;\\", "-->", "", "exports"),
            ("articles", "-->", "", "author"),
            ("invoices_list", "---", "", "Invoices<_>::list"),
            ("invoices_summary", "---", "", "Invoices<_>::summary"),
            ("articles", "---", "", "<Db as Articles>::article"),
            ("pages", "---", "", "of_a_body"),
            ("pages", "---", "", "page"),
            ("rates", "---", "", "rate"),
            ("totals", "---", "", "paid"),
            ("totals", "---", "", "unpaid"),
            ("counters", "---", "", "count_visit"),
        ] {
            assert!(drawing.has(from, arrow, label, to), "{from} {arrow} {to}: {drawing:#?}");
        }
        assert_eq!(drawing.lines.len(), 29, "{drawing:#?}");
    }
}

#[test]
fn every_resource_table_mutation_and_function_is_a_node() {
    for drawing in drawings() {
        let labels: Vec<&str> = drawing.nodes.values().map(String::as_str).collect();
        for label in [
            "invoices_list\n1m, company",
            "invoices_summary\n3m, company, region",
            "articles\n1h",
            "drafts",
            "rename_author",
            "Invoices<_>::list\ntracked",
            "odd \"names\" <b>|`{*}`;\\",
        ] {
            assert!(labels.contains(&label), "{label} in {labels:?}");
        }
        // Nine resources, nine functions, six mutations, three tables; four groups and patterns, two tags.
        assert_eq!(labels.len(), 9 + 9 + 6 + 3 + 4 + 2, "{labels:?}");
    }
}
