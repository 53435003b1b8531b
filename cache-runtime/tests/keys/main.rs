//! Entry keys: canonical JSON and its hash, against what Python prints for the same values.
#![expect(
    non_camel_case_types,
    reason = "in `args!` each member's type is a parameter named like the member"
)]

mod golden;
mod random;
mod rules;
mod types;

use std::{
    io::{ErrorKind, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

use cache_runtime::__private::{canonical_json, key_hash};
use serde::Serialize;

/// The canonical JSON of `value`, which must have one.
fn canonical<T: Serialize + ?Sized>(value: &T) -> String {
    canonical_json(value).expect("the value has a canonical form")
}

/// A struct of the given members, in the given order.
macro_rules! args {
    () => {
        std::collections::BTreeMap::<&str, ()>::new()
    };
    ($($name:ident: $value:expr),+ $(,)?) => {{
        #[derive(serde::Serialize)]
        struct Args<$($name),+> {
            $($name: $name),+
        }
        Args { $($name: $value),+ }
    }};
}
use args;

fn golden_file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name].iter().collect()
}

/// What `make_vectors.py` prints when it is given `option` and reads `input`; `None` where there is no Python.
fn python(option: &str, input: String) -> Option<String> {
    let command = Command::new("python3")
        .arg(golden_file("make_vectors.py"))
        .arg(option)
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match command {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: python3 is not on the PATH");
            return None;
        }
        spawned => spawned.expect("python3 starts"),
    };
    // Python answers while it reads: both pipes must move at once.
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("python3 can be waited for");
    assert!(
        output.status.success(),
        "make_vectors.py {option} failed: its message is above"
    );
    writer
        .join()
        .expect("the writer does not panic")
        .expect("python3 reads all of its input");
    Some(String::from_utf8(output.stdout).expect("python3 prints UTF-8"))
}

#[test]
fn the_hash_is_the_start_of_the_md5() {
    // The MD5 of nothing, from RFC 1321: d41d8cd98f00b204e9800998ecf8427e.
    assert_eq!(key_hash(b""), "d41d8cd98f00");
}
