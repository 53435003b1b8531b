//! The parameters of a group: each is given to scopes, and has their type.

use proc_macro2::Ident;

use crate::{
    args::{GroupArgs, WHEN},
    diag::{Errors, did_you_mean, list},
    model::{GroupPart, PartScope, ScopeType},
};

/// Refuses parameters that cannot be; the types of the others are added to `types`.
pub(super) fn check(group: &GroupArgs, parts: &[GroupPart], types: &mut Vec<ScopeType>, errors: &mut Errors) {
    for (i, parameter) in group.parameters.iter().enumerate() {
        if group.parameters[..i].contains(parameter) {
            let text = format!("the parameter `{parameter}` is declared twice\nhelp: keep one of the two");
            errors.at(parameter.span(), text);
        } else if parameter == WHEN {
            errors.at(
                parameter.span(),
                "`when` cannot name a parameter: in `#[invalidates]` it says whether a target is meant\nhelp: choose another \
                 name",
            );
        } else if let Some(ty) = of_scopes(parameter, parts, types, errors) {
            declare(parameter, ty, types, errors);
        } else if !is_given(group, parameter) {
            let text = format!(
                "the parameter `{parameter}` is given to no scope\nhelp: give it to one, `resource({parameter})` or \
                 `resource(scope = {parameter})`, or remove it"
            );
            errors.at(parameter.span(), text);
        }
    }
}

/// Why a member cannot be given `parameter`.
pub(super) fn unknown(group: &GroupArgs, parameter: &Ident) -> String {
    let name = &group.name;
    let declared: Vec<String> = group.parameters.iter().map(ToString::to_string).collect();
    let declared = || declared.iter().map(String::as_str);
    match list(declared()) {
        none if none.is_empty() => {
            format!("the group `{name}` has no parameters\nhelp: declare them: `group {name}({parameter}) = ...`")
        }
        some => {
            let near = did_you_mean(&parameter.to_string(), declared());
            format!("the group `{name}` has no parameter `{parameter}`; it has {some}{near}")
        }
    }
}

/// The type of the scopes that a parameter is given to.
fn of_scopes(parameter: &Ident, parts: &[GroupPart], types: &[ScopeType], errors: &mut Errors) -> Option<ScopeType> {
    let given = |scope: &&PartScope| scope.parameter == *parameter;
    let mut first: Option<(&Ident, &ScopeType)> = None;
    for scope in parts.iter().flat_map(|part| &part.scopes).filter(given) {
        let Some(ty) = types.iter().find(|ty| ty.name == scope.name) else {
            continue;
        };
        match first {
            None => first = Some((&scope.name, ty)),
            Some((_, known)) if known.spelt() == ty.spelt() => {}
            Some((name, known)) => {
                let text = format!(
                    "the parameter `{parameter}` is `{}` for the scope `{name}`, and `{}` for the scope `{}`\nhelp: use two \
                     parameters",
                    known.spelt(),
                    ty.spelt(),
                    scope.name,
                );
                errors.at(scope.parameter.span(), text);
                break;
            }
        }
    }
    first.map(|(_, ty)| ty.clone())
}

/// Attributes look the type up as that of a scope.
fn declare(parameter: &Ident, ty: ScopeType, types: &mut Vec<ScopeType>, errors: &mut Errors) {
    match types.iter().find(|known| known.name == *parameter) {
        None => types.push(ScopeType {
            name: parameter.clone(),
            ..ty
        }),
        Some(known) if known.spelt() == ty.spelt() => {}
        Some(known) => {
            let text = format!(
                "the parameter `{parameter}` is `{}`, and what is called `{parameter}` above is `{}`: a name has one type in a \
                 registry\nhelp: choose another name for the parameter",
                ty.spelt(),
                known.spelt(),
            );
            errors.at(parameter.span(), text);
        }
    }
}

fn is_given(group: &GroupArgs, parameter: &Ident) -> bool {
    let mut scopes = group.members.iter().flat_map(|member| &member.scopes);
    scopes.any(|scope| scope.parameter == *parameter)
}
