//! Scopes with several values: of `viewer in followers` every follower is meant.
//!
//! Such a scope stands among the scope values of a target once for each of its values.

use crate::key::ScopeValue;

/// Scope values, escaped. A scope may stand there several times: then each of its values is meant.
pub type ScopeValues = Vec<ScopeValue>;

/// More values than this are not told apart: then all of what the other scopes say is meant.
pub(super) const MOST: usize = 1024;

/// The scope values of a target with several `values` (escaped) in the scope `name`, beside `others`; `None` if there are none of them, so that
/// nothing is meant.
pub fn several(
    mut others: ScopeValues,
    name: &'static str,
    values: impl Iterator<Item = String>,
) -> Option<ScopeValues> {
    let before = others.len();
    for value in values {
        if others.len() - before == MOST {
            others.truncate(before);
            return Some(others);
        }
        others.push((name, value));
    }
    (others.len() > before).then_some(others)
}

/// The values of each scope alone, in all combinations.
pub(super) fn alternatives(scopes: &[ScopeValue]) -> Vec<ScopeValues> {
    let mut names: Vec<&'static str> = Vec::new();
    for (name, _) in scopes {
        if !names.contains(name) {
            names.push(name);
        }
    }
    // Nearly all targets.
    if names.len() == scopes.len() {
        return vec![scopes.to_vec()];
    }
    let mut alternatives: Vec<ScopeValues> = vec![Vec::new()];
    for name in names {
        let values: Vec<&ScopeValue> = scopes.iter().filter(|(own, _)| *own == name).collect();
        // Too many to be told apart.
        if alternatives.len() * values.len() > MOST {
            continue;
        }
        let with = |known: ScopeValues| {
            let values = values.clone();
            values
                .into_iter()
                .map(move |value| [&known[..], std::slice::from_ref(value)].concat())
        };
        alternatives = alternatives.into_iter().flat_map(with).collect();
    }
    alternatives
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize) -> Option<ScopeValues> {
        let values = (0..count).map(|value| value.to_string());
        several(vec![("company", "1".to_owned())], "viewer", values)
    }

    #[test]
    fn each_value_is_an_alternative_beside_the_others() {
        let scopes = values(3).expect("some");
        let expected: Vec<ScopeValues> = ["0", "1", "2"]
            .map(|viewer| vec![("company", "1".to_owned()), ("viewer", viewer.to_owned())])
            .into();
        assert_eq!(alternatives(&scopes), expected);
    }

    #[test]
    fn no_values_mean_nothing_and_no_scopes_mean_everything() {
        assert_eq!(values(0), None);
        assert_eq!(alternatives(&[]), [ScopeValues::new()]);
    }

    #[test]
    fn too_many_values_mean_all() {
        let most = alternatives(&values(MOST).expect("some"));
        assert_eq!((most.len(), most[0].len()), (MOST, 2));
        let all = alternatives(&values(MOST + 1).expect("some"));
        assert_eq!(all, [vec![("company", "1".to_owned())]]);
    }

    #[test]
    fn too_many_combinations_mean_all_of_one_scope() {
        let mut scopes: ScopeValues = (0..100).map(|value| ("a", value.to_string())).collect();
        scopes.extend((0..100).map(|value| ("b", value.to_string())));
        let combinations = alternatives(&scopes);
        assert_eq!(combinations.len(), 100);
        assert!(
            combinations
                .iter()
                .all(|scopes| scopes.len() == 1 && scopes[0].0 == "a")
        );
    }
}
