//! What the compiler says about attributes that are wrong: one case for each mistake, its text committed.
//!
//! `TRYBUILD=overwrite cargo nextest run -p ui` writes the texts anew.

/// The compiler whose words stand in the `.stderr` files: others explain the same mistakes differently.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn every_mistake_is_explained_where_it_was_made() {
    let version = std::process::Command::new("rustc")
        .arg("--version")
        .output()
        .expect("rustc runs");
    let version = String::from_utf8_lossy(&version.stdout);
    if !version.starts_with(COMPILER) {
        println!("skipped: the texts are those of {COMPILER}*, this is {version}");
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.compile_fail("cases/*.rs");
}
