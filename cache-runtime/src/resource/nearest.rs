//! "Did you mean": which of the names that exist is nearest to one that does not.
//!
//! The compiler asks, when it evaluates the constants of a misspelt attribute, and `strsim` is not for constants: so the
//! distance is worked out here, for those who ask at run time, too. It is the one that the macros take from `strsim`.

/// Longer names are never near, so that the table fits into a constant.
const LONGEST: usize = 96;

type Row = [usize; LONGEST + 1];

/// The candidate nearest to `wanted`, unless none is near. `*` in `wanted` stands for any run of characters.
pub(super) const fn nearest<'a>(wanted: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let mut best = None;
    // Up to a third of the characters may be wrong: "compny" and "dashbord_*" qualify, a different word does not.
    let mut best_distance = wanted.len() / 3 + 1;
    let mut i = 0;
    while i < candidates.len() {
        let distance = distance(wanted, candidates[i]);
        if distance < best_distance {
            best = Some(candidates[i]);
            best_distance = distance;
        }
        i += 1;
    }
    best
}

/// How many bytes are inserted, left out, replaced, or swapped with their neighbours (optimal string alignment). A `*` of the
/// pattern absorbs any run of the name for nothing.
pub(crate) const fn distance(pattern: &str, name: &str) -> usize {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    if name.len() > LONGEST {
        return usize::MAX;
    }
    // row[n]: the distance from the pattern read so far to the first n bytes of the name. Above it, those of one byte of the
    // pattern less, and of two.
    let mut row: Row = [0; LONGEST + 1];
    let mut n = 0;
    while n <= name.len() {
        row[n] = n;
        n += 1;
    }
    let mut above = row;
    let mut p = 0;
    while p < pattern.len() {
        let two_above = above;
        above = row;
        let star = pattern[p] == b'*';
        row[0] = above[0] + !star as usize;
        let mut n = 1;
        while n <= name.len() {
            let differs = (pattern[p] != name[n - 1]) as usize;
            row[n] = if star {
                min(above[n], row[n - 1])
            } else {
                min(min(above[n], row[n - 1]) + 1, above[n - 1] + differs)
            };
            let is_swapped = p > 0 && n > 1 && pattern[p] == name[n - 2] && pattern[p - 1] == name[n - 1];
            if is_swapped {
                row[n] = min(row[n], two_above[n - 2] + 1);
            }
            n += 1;
        }
        p += 1;
    }
    row[name.len()]
}

const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LONGEST, distance, nearest};

    #[test]
    fn a_distance_counts_insertions_deletions_substitutions_and_swaps() {
        assert_eq!(distance("company", "company"), 0);
        assert_eq!(distance("compny", "company"), 1);
        assert_eq!(distance("companyy", "company"), 1);
        assert_eq!(distance("copmany", "company"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    proptest! {
        // Few letters, so that names resemble each other.
        #[test]
        fn a_distance_is_the_one_that_the_macros_go_by(wanted in "[ab_]{0,9}", name in "[ab_]{0,9}") {
            prop_assert_eq!(distance(&wanted, &name), strsim::osa_distance(&wanted, &name));
        }
    }

    #[test]
    fn a_star_costs_nothing() {
        assert_eq!(distance("dashboard_*", "dashboard_summary"), 0);
        assert_eq!(distance("dashbord_*", "dashboard_summary"), 1);
        assert_eq!(distance("*_lits", "companies_list"), 1);
        assert_eq!(distance("*", ""), 0);
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["company", "partner"];
        assert_eq!(nearest("compny", &names), Some("company"));
        assert_eq!(nearest("partners", &names), Some("partner"));
        assert_eq!(nearest("zzz", &names), None);
        assert_eq!(nearest("", &names), None);
    }

    #[test]
    fn a_name_longer_than_the_table_is_never_suggested() {
        let [just, long] = [LONGEST, LONGEST + 1].map(|len| "a".repeat(len));
        assert_eq!(nearest(&just, &[&just]), Some(&*just));
        assert_eq!(nearest(&long, &[&long]), None);
    }
}
