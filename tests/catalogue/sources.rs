use std::{fs, path::Path};

use cache_runtime::catalogue::{Catalogue, Finding, FindingKind, SourceError, Sources};
use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("folders can be made");
        fs::write(path, text).expect("files can be written");
    }
    folder
}

fn findings(files: &[(&str, &str)]) -> Vec<Finding> {
    let folder = folder(files);
    let sources = Sources::read(folder.path()).expect("they are Rust");
    Catalogue::of_program().unseen_writes(&sources)
}

/// The functions that are found in one file of this text.
fn found(text: &str) -> Vec<String> {
    let findings = findings(&[("lib.rs", text)]);
    assert!(findings.iter().all(|finding| finding.kind == FindingKind::UnseenWrite));
    findings.into_iter().map(|finding| finding.subject).collect()
}

#[test]
fn a_function_that_writes_and_says_nothing_of_it_is_found() {
    let files = [(
        "src/deep/service.rs",
        "impl<T: Clone> Service<T> where T: Send {\n    /// Pays.\n    pub async fn pay(&self) -> impl Iterator<Item = u8> {\n        \
         sqlx::query!(\"UPDATE invoices2 SET paid = $1\", true);\n        self.db.run(r#\"DELETE FROM \"carts\"\"#);\n    }\n}",
    )];
    let [finding] = &findings(&files)[..] else {
        panic!("there is one")
    };
    assert_eq!(finding.subject, "Service::pay");
    assert!(
        finding.sentence.contains("UPDATE `invoices2`, DELETE `carts`"),
        "{finding}"
    );
    assert_eq!(finding.places[0].line, 3);
    assert!(
        Path::new(&finding.places[0].file).ends_with("src/deep/service.rs"),
        "{finding}"
    );
}

#[test]
fn what_a_function_belongs_to_is_told_from_what_it_is_generic_over() {
    let body = "{ fn f(&self) { run(\"DELETE FROM a\") } }";
    for (head, expected) in [
        ("impl Service", "Service::f"),
        ("impl<'a, F: Fn(u8) -> u8> Service<'a, F>", "Service::f"),
        ("impl Store for crate::db::Service", "Service::f"),
        ("impl<T> Store<T> for Service<Vec<T>> where T: Send", "Service::f"),
        ("pub trait Store: Sized", "Store::f"),
        ("mod inner", "f"),
    ] {
        assert_eq!(found(&format!("{head} {body}")), [expected], "{head}");
    }
}

#[test]
fn a_function_is_left_alone_that_says_what_it_invalidates() {
    for text in [
        "#[invalidates(\"a\")] fn f() { run(\"DELETE FROM a\") }",
        "#[cache_runtime::invalidates(\"a\")] #[must_use] pub(crate) async fn f() { run(\"DELETE FROM a\") }",
        "#[cfg_attr(feature = \"cache\", invalidates(\"a\"))] fn f() { run(\"DELETE FROM a\") }",
        "fn f(cache: &Cache) { run(\"DELETE FROM a\"); cache.invalidate(\"a\"); }",
        "fn f() { run(\"DELETE FROM a\"); invalidate_all(); }",
        // Already in the catalogue, and found there.
        "#[cached(resource = \"a\")] fn f() { run(\"DELETE FROM a\") }",
        "fn f() { run(\"SELECT * FROM a FOR UPDATE\") }",
    ] {
        assert!(found(text).is_empty(), "{text}");
    }
    let text = "#[invalidates(\"a\")] fn f() {} fn g() { run(\"DELETE FROM a\") }";
    assert_eq!(found(text), ["g"], "the attribute is that of the function before");
}

#[test]
fn a_helper_is_left_alone_if_only_those_call_it_that_say_what_they_invalidate() {
    let helper = "fn write_row() { run(\"INSERT INTO a VALUES (1)\") }";
    let between = "fn between() { write_row() }";
    let mutation = "#[invalidates(\"a\")] fn mutation() { between() }";
    let other = "fn other() { write_row() }";
    let recursive = "fn write_row() { run(\"INSERT INTO a VALUES (1)\"); write_row() }";
    assert!(found(&[helper, between, mutation].join("\n")).is_empty());
    assert_eq!(found(&[helper, between, mutation, other].join("\n")), ["write_row"]);
    assert_eq!(found(helper), ["write_row"], "nobody calls it");
    assert_eq!(found(recursive), ["write_row"], "nobody but itself calls it");
    assert!(found(&[recursive, between, mutation].join("\n")).is_empty());
}

#[test]
fn a_table_that_is_declared_is_left_alone_under_whatever_name_a_statement_has_for_it() {
    for table in [
        "accounting.invoices",
        "invoices",
        "INVOICES",
        "\\\"articles\\\"",
        "public.articles",
    ] {
        let text = format!("fn f() {{ run(\"DELETE FROM {table}\") }}");
        assert!(found(&text).is_empty(), "{text}");
    }
    for table in ["sales.invoices", "invoices_old", "{table}"] {
        let text = format!("fn f() {{ run(\"DELETE FROM {table}\") }}");
        assert_eq!(found(&text), ["f"], "{text}");
    }
    let both = "fn f() { run(\"DELETE FROM invoices\"); run(\"DELETE FROM visits\") }";
    let finding = findings(&[("lib.rs", both)]).swap_remove(0);
    assert!(finding.sentence.contains("(DELETE `visits`)"), "{finding}");
}

#[test]
fn what_is_only_there_for_tests_is_left_alone() {
    let write = "{ run(\"DELETE FROM a\") }";
    for text in [
        format!("#[cfg(test)] mod tests {{ fn f() {write} }}"),
        format!("#[tokio::test] async fn f() {write}"),
        format!("#[cfg(all(test, unix))] fn f() {write}"),
    ] {
        assert!(found(&text).is_empty(), "{text}");
    }
    for text in [
        format!("#[cfg(not(test))] fn f() {write}"),
        format!("#[cfg_attr(test, derive(Debug))] struct A; fn f() {write}"),
        format!("#[cfg_attr(test, mockall::automock)] impl A {{ fn f() {write} }}").replace("impl A", "mod a"),
    ] {
        assert_eq!(found(&text), ["f"], "{text}");
    }
    let file = format!("fn f() {write}");
    let folders = [
        "tests/f.rs",
        "src/tests/f.rs",
        "benches/f.rs",
        "target/f.rs",
        ".hidden/f.rs",
        "src/f.sql",
    ];
    assert!(findings(&folders.map(|name| (name, file.as_str()))).is_empty());
    // And the helper of a test has no caller that counts.
    let text =
        "fn helper() { run(\"DELETE FROM a\") } #[cfg(test)] mod tests { #[invalidates(\"a\")] fn f() { helper() } }";
    assert_eq!(found(text), ["helper"]);
}

#[test]
fn a_function_in_another_one_speaks_for_itself() {
    let text =
        "#[invalidates(\"a\")] fn outer() { fn inner() { run(\"DELETE FROM a\") } inner() } fn more() { inner() }";
    assert_eq!(found(text), ["inner"]);
    let text = "fn outer() { run(\"DELETE FROM a\"); #[invalidates(\"a\")] fn inner() {} let x: fn() = inner; }";
    assert_eq!(found(text), ["outer"]);
}

#[test]
fn texts_are_read_as_the_compiler_reads_them() {
    for text in [
        "fn f() { run(\"\\n\\tDELETE FROM a\") }",
        "fn f() { run(\"DELETE \\\n    FROM a\") }",
        "fn f() { run(r##\"DELETE FROM \"a\" WHERE b = '#'\"##) }",
        "fn f() { let x = 'a'; let y = b\"x\"; sqlx::query(concat!(\"DELETE FROM a\", \" WHERE b = 1\")) }",
        "#!/usr/bin/env rust-script\nfn f() { run(\"DELETE FROM a\") }",
    ] {
        assert_eq!(found(text), ["f"], "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let missing = Sources::read("there/is/nothing").expect_err("there is nothing");
    assert!(matches!(missing, SourceError::Unreadable { .. }), "{missing}");
    assert!(
        missing.to_string().starts_with("there/is/nothing cannot be read"),
        "{missing}"
    );
    // The cause is in the sentence, and not once more behind it.
    assert!(std::error::Error::source(&missing).is_none());
    let broken = folder(&[("src/lib.rs", "fn f() {\n  (\n}")]);
    let error = Sources::read(broken.path()).expect_err("a bracket is missing");
    assert!(matches!(error, SourceError::NoRust { .. }), "{error}");
    assert!(error.to_string().contains("lib.rs is no Rust: "), "{error}");
}

#[test]
fn one_file_can_be_read_alone_and_several_folders_together() {
    let one = folder(&[
        ("a.rs", "fn helper() { run(\"DELETE FROM a\") }"),
        ("b.rs", "fn g() { run(\"DELETE FROM a\") }"),
    ]);
    let two = folder(&[("c.rs", "#[invalidates(\"a\")] fn f() { helper() }")]);
    let mut sources = Sources::read(one.path().join("a.rs")).expect("it is Rust");
    let catalogue = Catalogue::of_program();
    assert_eq!(catalogue.unseen_writes(&sources).len(), 1);
    sources.add(two.path()).expect("it is Rust");
    assert!(catalogue.unseen_writes(&sources).is_empty());
}
