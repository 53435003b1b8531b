/// What became of the tests.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) passed: usize,
    pub(super) failures: Vec<Failure>,
}

/// A test that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) test: String,
    pub(super) why: String,
}

/// A reason is not told further than this.
const LONGEST: usize = 240;

impl Outcome {
    /// Reads what `cargo test` prints.
    pub(super) fn of(printed: &str) -> Self {
        let passed = printed
            .lines()
            .filter(|line| line.starts_with("test ") && line.ends_with(" ... ok"));
        let reports = printed.split("\n---- ").skip(1);
        let failures = reports.filter_map(|report| {
            let (test, said) = report.split_once(" stdout ----")?;
            Some(Failure {
                test: test.to_owned(),
                why: why(said),
            })
        });
        Self {
            passed: passed.count(),
            failures: failures.collect(),
        }
    }
}

/// The message of the first panic of a test, in one line.
fn why(said: &str) -> String {
    let message = said.lines().skip_while(|line| !line.contains(" panicked at ")).skip(1);
    let ends = ["note: ", "stack backtrace:", "failures:"];
    let message = message.take_while(|line| !ends.iter().any(|end| line.starts_with(end)));
    let message: Vec<_> = message.flat_map(str::split_whitespace).collect();
    message.join(" ").chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "
running 3 tests
test acl::rights ... ok
test cluster::starts ... FAILED
test cluster::helper ... ignored, for others

failures:

---- cluster::starts stdout ----

thread 'cluster::starts' (71) panicked at tests/redis/cluster.rs:9:5:
assertion `left == right` failed
  left: 1
 right: 2
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    cluster::starts

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 1 test
test kit::starts ... ok
";

    #[test]
    fn tests_of_all_programs_are_counted_and_failures_have_a_reason() {
        let outcome = Outcome::of(PRINTED);
        assert_eq!(outcome.passed, 2);
        let expected = Failure {
            test: "cluster::starts".to_owned(),
            why: "assertion `left == right` failed left: 1 right: 2".to_owned(),
        };
        assert_eq!(outcome.failures, [expected]);
    }
}
