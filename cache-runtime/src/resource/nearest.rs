//! "Did you mean": the declared name that is nearest to one that does not exist, worked out by the compiler.

/// Longer names are never suggested, so that the table fits into a constant.
const LONGEST: usize = 96;

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

/// Levenshtein's distance in bytes, in which a `*` of the pattern absorbs any run of the name for nothing.
const fn distance(pattern: &str, name: &str) -> usize {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    if name.len() > LONGEST {
        return usize::MAX;
    }
    // row[n]: the distance from the pattern read so far to the first n bytes of the name.
    let mut row = [0; LONGEST + 1];
    let mut n = 0;
    while n <= name.len() {
        row[n] = n;
        n += 1;
    }
    let mut p = 0;
    while p < pattern.len() {
        let star = pattern[p] == b'*';
        let mut diagonal = row[0];
        row[0] += !star as usize;
        let mut n = 1;
        while n <= name.len() {
            let above = row[n];
            let (skip_pattern, skip_name, both) = if star {
                (above, row[n - 1], diagonal)
            } else {
                (
                    above + 1,
                    row[n - 1] + 1,
                    diagonal + (pattern[p] != name[n - 1]) as usize,
                )
            };
            row[n] = min(min(skip_pattern, skip_name), both);
            diagonal = above;
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
    use super::{distance, nearest};

    #[test]
    fn a_distance_counts_insertions_deletions_and_substitutions() {
        assert_eq!(distance("company", "company"), 0);
        assert_eq!(distance("compny", "company"), 1);
        assert_eq!(distance("companyy", "company"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn a_star_costs_nothing() {
        assert_eq!(distance("dashboard_*", "dashboard_summary"), 0);
        assert_eq!(distance("dashbord_*", "dashboard_summary"), 1);
        assert_eq!(distance("*_lits", "companies_list"), 2);
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
        let long = "a".repeat(200);
        assert_eq!(nearest(&long, &[&long]), None);
    }
}
