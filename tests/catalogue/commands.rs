use std::process::ExitCode;

use cache_runtime::{
    catalogue::{Catalogue, GraphFormat},
    commands::{CommandError, GraphCommand, LintCommand},
};
use clap::Parser;

/// A service's own command line.
#[derive(Debug, Parser)]
enum Cli {
    Graph(GraphCommand),
    Lint(LintCommand),
}

/// What a command prints, and whether it ends as it does if nothing is wrong.
fn run(arguments: &[&str]) -> Result<(String, bool), CommandError> {
    let cli = Cli::try_parse_from([&["service"], arguments].concat()).expect("the arguments are right");
    let catalogue = Catalogue::of_program();
    let mut output = Vec::new();
    let code = match cli {
        Cli::Graph(graph) => graph.run(&catalogue, &mut output).map(|()| ExitCode::SUCCESS)?,
        Cli::Lint(lint) => lint.run(&catalogue, &mut output)?,
    };
    let text = String::from_utf8(output).expect("it is text");
    Ok((text, code == ExitCode::SUCCESS))
}

/// The kinds and subjects of the findings that are left.
fn left(arguments: &[&str]) -> Vec<String> {
    let (text, _) = run(&[&["lint", "--json"], arguments].concat()).expect("it can be looked at");
    let findings: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let findings = findings.as_array().expect("it is a list").iter();
    findings
        .map(|finding| {
            format!(
                "{}:{}",
                finding["kind"].as_str().unwrap_or("?"),
                finding["subject"].as_str().unwrap_or("?")
            )
        })
        .collect()
}

const SERVICE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue/service.rs");

const FAULTS: [&str; 5] = [
    "never-cached:drafts",
    "never-invalidated:rates",
    "invalidated-in-vain:exports",
    "shared-resource:totals",
    "cached-write:catalogue::service::faults::count_visit",
];

#[test]
fn a_graph_is_printed_in_the_format_that_is_asked_for() {
    let catalogue = Catalogue::of_program();
    for (arguments, format) in [
        (&["graph"][..], GraphFormat::Mermaid),
        (&["graph", "--format", "mermaid"], GraphFormat::Mermaid),
        (&["graph", "--format", "DOT"], GraphFormat::Dot),
    ] {
        let (text, is_fine) = run(arguments).expect("it can be printed");
        assert!(is_fine);
        assert_eq!(text, catalogue.graph(format));
    }
    let refused = Cli::try_parse_from(["service", "graph", "--format", "svg"]).expect_err("there is none of that name");
    assert!(
        refused
            .to_string()
            .contains("`svg` is no format of graphs: write `mermaid` or `dot`"),
        "{refused}"
    );
}

#[test]
fn findings_are_printed_and_the_exit_code_says_that_there_are_some() {
    let (text, is_fine) = run(&["lint"]).expect("it can be looked at");
    assert!(!is_fine);
    for finding in Catalogue::of_program().lint() {
        assert!(text.contains(&finding.to_string()), "{text}");
    }
    assert!(
        text.ends_with("\n5 findings in 9 resources, 9 cached functions, 6 mutations, 3 tables\n"),
        "{text}"
    );
    assert_eq!(left(&[]), FAULTS);
}

#[test]
fn what_is_allowed_is_left_out_by_kinds_and_names_and_then_the_exit_code_is_that_of_success() {
    assert_eq!(
        left(&["--allow", "never-cached", "--allow", "shared-resource:nothing"]),
        FAULTS[1..]
    );
    assert_eq!(
        left(&[
            "--allow",
            "never-invalidated:r*s",
            "--allow",
            "cached-write:count_visit"
        ])
        .len(),
        3
    );
    assert_eq!(
        left(&["--allow", "cached-write:count"]),
        FAULTS,
        "a name is a whole word of a path"
    );
    let all = FAULTS.map(|fault| ["--allow", fault]).concat();
    let (text, is_fine) = run(&[&["lint"], &all[..]].concat()).expect("it can be looked at");
    assert!(is_fine);
    assert_eq!(
        text,
        "nothing found in 9 resources, 9 cached functions, 6 mutations, 3 tables\n"
    );
    let refused = Cli::try_parse_from(["service", "lint", "--allow", "never"]).expect_err("there is none of that name");
    assert!(
        refused
            .to_string()
            .contains("`never` is no kind of findings: write one of never-cached, "),
        "{refused}"
    );
}

#[test]
fn sources_are_looked_at_if_they_are_named() {
    let unseen = "unseen-write:rename_author_by_hand";
    assert_eq!(left(&["--source", SERVICE])[..5], FAULTS);
    assert_eq!(left(&["--source", SERVICE])[5..], [unseen]);
    assert_eq!(left(&["--source", SERVICE, "--allow", unseen]), FAULTS);
    let error = run(&["lint", "--source", "there/is/nothing"]).expect_err("there is nothing");
    assert!(matches!(error, CommandError::Sources(_)), "{error}");
}
