//! The inputs that every run of a target begins with; those that once found a bug are among them.

use std::{fs, path::Path};

/// Checks each seed of a target, and names the one that fails.
pub(crate) fn each(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{} cannot be read: {error}", folder.display()))
        .map(|entry| entry.expect("an entry of a folder").path())
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{} has no seeds", folder.display());
    for seed in seeds {
        // Shown if the test fails.
        println!("{}", seed.display());
        check(&fs::read(&seed).expect("a seed can be read"));
    }
}
