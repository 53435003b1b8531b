//! The resources that one name or pattern of an attribute stands for.

use super::{Group, GroupPart, Registry, Resource, message};
use crate::key::{ScopeValue, glob};

/// The resources that one name or pattern stands for; resolved and checked at compile time.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Selection {
    /// One resource, by name.
    One(&'static Resource),
    /// The members of a group without parameters.
    Many(&'static [&'static Resource]),
    /// Those of a group with parameters.
    Parts(&'static Group),
    /// Those resources of a registry that a pattern matches: at least one.
    Pattern(&'static Registry, &'static str),
    /// The tags of a kind, of whatever resource.
    Tags(&'static str),
}

impl Selection {
    /// The resources of `registry` that `pattern` matches. Compiles only if there is one.
    #[track_caller]
    pub const fn pattern(registry: &'static Registry, pattern: &'static str) -> Self {
        let selection = Self::Pattern(registry, pattern);
        let mut i = 0;
        while i < registry.resources.len() {
            if selection.takes(registry.resources[i]) {
                return selection;
            }
            i += 1;
        }
        message::nothing_matches(pattern, registry.resources)
    }

    /// The selected resources, each once, in the order of their declaration.
    pub fn resources(self) -> impl Iterator<Item = &'static Resource> {
        let (one, many) = match self {
            Self::One(resource) => (Some(resource), [].as_slice()),
            Self::Many(members) => (None, members),
            Self::Parts(group) => (None, group.members),
            Self::Pattern(registry, _) => (None, registry.resources),
            Self::Tags(_) => (None, [].as_slice()),
        };
        one.into_iter()
            .chain(many.iter().copied())
            .filter(move |resource| self.takes(resource))
    }

    /// The selected resources, each with its scope values, if `given` are those of the selection: for a group with parameters
    /// the values of these.
    pub(crate) fn targets(self, given: &[ScopeValue]) -> Vec<(&'static Resource, Vec<ScopeValue>)> {
        match self {
            Self::Parts(group) => {
                let target = |part: &'static GroupPart| (part.resource, part.scope_values(given));
                group.parts.iter().map(target).collect()
            }
            _ => self.resources().map(|resource| (resource, given.to_vec())).collect(),
        }
    }

    /// Compiles only if every selected resource declares the scope `name`, or the selected group the parameter.
    #[track_caller]
    pub const fn __require_scope(self, name: &str) {
        if let Self::Parts(group) = self {
            if message::contains(group.parameters, name) {
                return;
            }
            message::parameter_not_declared(group, name);
        }
        let candidates = self.candidates();
        let mut i = 0;
        while i < candidates.len() {
            if self.takes(candidates[i]) && !message::contains(candidates[i].scopes, name) {
                message::scope_not_declared(candidates[i], name);
            }
            i += 1;
        }
    }

    /// Compiles only if every selected resource is declared `soft`.
    #[track_caller]
    pub const fn __require_soft(self) {
        if let Self::Tags(kind) = self {
            message::a_soft_tag(kind);
        }
        let candidates = self.candidates();
        let mut i = 0;
        while i < candidates.len() {
            if self.takes(candidates[i]) && !candidates[i].is_soft() {
                message::not_soft(candidates[i]);
            }
            i += 1;
        }
    }

    /// Those that are selected, and with a pattern others, too.
    const fn candidates(&self) -> &[&'static Resource] {
        match self {
            Self::One(resource) => std::slice::from_ref(resource),
            Self::Many(members) => members,
            Self::Parts(group) => group.members,
            Self::Pattern(registry, _) => registry.resources,
            Self::Tags(_) => &[],
        }
    }

    const fn takes(self, candidate: &Resource) -> bool {
        match self {
            Self::One(_) | Self::Many(_) | Self::Parts(_) | Self::Tags(_) => true,
            Self::Pattern(_, pattern) => glob::matches(pattern, candidate.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Registry, Resource, Selection};
    use crate::resource::{Group, Policies, Tenancy};

    static SUMMARY: Resource = Resource::__new("dashboard_summary", None, &["company"], Tenancy::PerTenant)
        .__policies(Policies::new().with_soft());
    static TRENDS: Resource = Resource::__new("dashboard_trends", None, &["company"], Tenancy::PerTenant);
    static RATES: Resource = Resource::__new("exchange_rates", None, &[], Tenancy::Shared);
    static BOTH: Group = Group::__new("both", &[&RATES, &SUMMARY]);
    static REGISTRY: Registry = Registry::__new("test", &[&SUMMARY, &TRENDS, &RATES], &[&BOTH]);

    fn names(selection: Selection) -> Vec<&'static str> {
        selection.resources().map(Resource::name).collect()
    }

    #[test]
    fn a_selection_gives_its_resources_in_the_order_of_their_declaration() {
        assert_eq!(names(RATES.__selection()), ["exchange_rates"]);
        assert_eq!(names(BOTH.__selection()), ["exchange_rates", "dashboard_summary"]);
        assert_eq!(
            names(Selection::pattern(&REGISTRY, "dash*")),
            ["dashboard_summary", "dashboard_trends"]
        );
    }

    #[test]
    #[should_panic(expected = "no resource matches `dashbord_*`\nhelp: the nearest name is `dashboard_summary`")]
    fn a_pattern_without_a_match_is_refused_with_the_nearest_name() {
        let _ = Selection::pattern(&REGISTRY, "dashbord_*");
    }

    #[test]
    #[should_panic(expected = "help: declared are `dashboard_summary`, `dashboard_trends`, `exchange_rates`")]
    fn a_pattern_near_nothing_is_refused_with_what_there_is() {
        let _ = Selection::pattern(&REGISTRY, "zzzzzzzzz");
    }

    #[test]
    fn a_scope_that_every_selected_resource_declares_is_accepted() {
        Selection::pattern(&REGISTRY, "dash*").__require_scope("company");
    }

    #[test]
    #[should_panic(expected = "the resource `exchange_rates` has no scope `company`: it declares none")]
    fn a_scope_that_one_selected_resource_lacks_is_refused() {
        Selection::pattern(&REGISTRY, "*").__require_scope("company");
    }

    #[test]
    #[should_panic(expected = "has no scope `compny`; it declares `company`\nhelp: did you mean `company`?")]
    fn a_misspelt_scope_is_refused_with_a_suggestion() {
        SUMMARY.__require_scope("compny");
    }

    #[test]
    fn a_soft_invalidation_of_what_is_declared_so_is_accepted() {
        SUMMARY.__selection().__require_soft();
        Selection::pattern(&REGISTRY, "*_summary").__require_soft();
    }

    #[test]
    #[should_panic(expected = "the resource `exchange_rates` is not declared `soft`")]
    fn a_soft_invalidation_of_a_group_with_one_that_is_not_declared_so_is_refused() {
        BOTH.__selection().__require_soft();
    }

    #[test]
    #[should_panic(expected = "the resource `dashboard_summary` is scoped by `company`, and no value is given for it")]
    fn a_declared_scope_without_a_value_is_refused() {
        SUMMARY.__require_all_scopes(&[]);
    }
}
