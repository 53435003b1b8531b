use std::fmt;

use super::Counts;

/// How much more or less is worth a word, in per cent of what is committed.
const TOLERANCE: u64 = 5;

/// What was counted beside what is committed.
#[derive(Debug)]
pub(super) struct Comparison(Vec<Line>);

#[derive(Debug)]
struct Line {
    subject: String,
    committed: Option<u64>,
    counted: Option<u64>,
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Same,
    Regression(f64),
    Improvement(f64),
    NotCommitted,
    NotCounted,
}

impl Comparison {
    pub(super) fn new(committed: &Counts, counted: &Counts) -> Self {
        let gone = committed.keys().filter(|subject| !counted.contains_key(*subject));
        let lines = counted.keys().chain(gone).map(|subject| Line {
            subject: subject.clone(),
            committed: committed.get(subject).copied(),
            counted: counted.get(subject).copied(),
        });
        Self(lines.collect())
    }

    /// What takes more than is committed, or cannot be compared, and how much.
    pub(super) fn regressions(&self) -> Vec<String> {
        let bad = |line: &Line| match line.verdict() {
            Verdict::Regression(_) | Verdict::NotCommitted | Verdict::NotCounted => Some(line.to_string()),
            Verdict::Same | Verdict::Improvement(_) => None,
        };
        self.0.iter().filter_map(bad).collect()
    }
}

impl Line {
    fn verdict(&self) -> Verdict {
        let (Some(committed), Some(counted)) = (self.committed, self.counted) else {
            return if self.committed.is_none() {
                Verdict::NotCommitted
            } else {
                Verdict::NotCounted
            };
        };
        #[expect(clippy::cast_precision_loss, reason = "a ratio of counts needs no more than 52 bits")]
        let change = counted as f64 / committed as f64 - 1.0;
        if counted * 100 > committed * (100 + TOLERANCE) {
            Verdict::Regression(change)
        } else if counted * 100 < committed * (100 - TOLERANCE) {
            Verdict::Improvement(change)
        } else {
            Verdict::Same
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut improved = false;
        for line in &self.0 {
            writeln!(f, "{line}")?;
            improved |= matches!(line.verdict(), Verdict::Improvement(_));
        }
        if improved {
            writeln!(f, "keep what was won: `cargo xtask counts --update`")?;
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        let now = self.counted.unwrap_or_default();
        match self.verdict() {
            Verdict::Same => write!(f, "{subject} takes {now} instructions, as committed"),
            Verdict::Regression(more) => {
                write!(
                    f,
                    "{subject} takes {now} instructions, {:.1} % more than committed",
                    more * 100.0
                )
            }
            Verdict::Improvement(less) => {
                write!(
                    f,
                    "{subject} takes {now} instructions, {:.1} % fewer than committed",
                    less * -100.0
                )
            }
            Verdict::NotCommitted => write!(f, "{subject} takes {now} instructions, and no count is committed"),
            Verdict::NotCounted => write!(f, "{subject} is committed, and is not counted any more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(committed: &[(&str, u64)], counted: &[(&str, u64)]) -> Comparison {
        let counts = |of: &[(&str, u64)]| of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Comparison::new(&counts(committed), &counts(counted))
    }

    #[test]
    fn what_takes_more_than_five_per_cent_more_is_a_regression() {
        let comparison = compared(&[("hit", 1000), ("key", 1000)], &[("hit", 1050), ("key", 1061)]);
        assert_eq!(
            comparison.regressions(),
            ["key takes 1061 instructions, 6.1 % more than committed"]
        );
    }

    #[test]
    fn what_takes_less_is_told_and_is_no_regression() {
        let comparison = compared(&[("hit", 1000)], &[("hit", 900)]);
        assert!(comparison.regressions().is_empty());
        let told = comparison.to_string();
        assert!(told.contains("10.0 % fewer") && told.contains("--update"), "{told}");
    }

    #[test]
    fn every_subject_needs_a_committed_count_and_every_committed_count_a_subject() {
        let comparison = compared(&[("old", 1)], &[("new", 1)]);
        assert_eq!(
            comparison.regressions(),
            [
                "new takes 1 instructions, and no count is committed",
                "old is committed, and is not counted any more"
            ]
        );
    }
}
