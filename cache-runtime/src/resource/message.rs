//! What the compiler prints when a name in an attribute does not fit the registry. Written as `const fn`, because the
//! attribute cannot see the declaration: the check is a constant in the expansion, evaluated where both are known.

use super::{Group, Resource, nearest::nearest};

/// Ends the compilation: `scope` is declared by `resource`, and the attribute does not give it.
#[track_caller]
pub(super) const fn scope_not_given(resource: &str, scope: &str) -> ! {
    let text = Text::new("the resource `")
        .push(resource)
        .push("` is scoped by `")
        .push(scope)
        .push("`, and no value is given for it\nhelp: add `scope(")
        .push(scope)
        .push(")` if an argument has that name, else `scope(")
        .push(scope)
        .push(" = ...)`");
    panic!("{}", text.as_str())
}

/// Ends the compilation: `resource` does not declare `scope`.
#[track_caller]
pub(super) const fn scope_not_declared(resource: &Resource, scope: &str) -> ! {
    let mut text = Text::new("the resource `")
        .push(resource.name)
        .push("` has no scope `")
        .push(scope)
        .push("`");
    if resource.scopes.is_empty() {
        text = text
            .push(": it declares none\nhelp: leave it out, or declare it with the resource: `scope(")
            .push(scope)
            .push(": ...)`");
    } else {
        text = text.push("; it declares ").push_list(resource.scopes);
        if let Some(near) = nearest(scope, resource.scopes) {
            text = text.push("\nhelp: did you mean `").push(near).push("`?");
        }
    }
    panic!("{}", text.as_str())
}

/// Ends the compilation: `resource` is invalidated softly, and not declared so.
#[track_caller]
pub(super) const fn not_soft(resource: &Resource) -> ! {
    let text = Text::new("the resource `")
        .push(resource.name)
        .push("` is not declared `soft`: its entries could not be told from those that nothing may be done with\nhelp: add `soft` \
               where it is declared, or leave `soft` out here");
    panic!("{}", text.as_str())
}

/// Ends the compilation: a tag is invalidated softly.
#[track_caller]
pub(super) const fn a_soft_tag(kind: &str) -> ! {
    let text = Text::new("the tag `")
        .push(kind)
        .push("` is invalidated strictly: there are no soft stamps of tags\nhelp: leave `soft` out, or invalidate the tag in a function of its own");
    panic!("{}", text.as_str())
}

/// Ends the compilation: `resource` declares `options`, for the sake of which a load goes on when its caller is gone, and the attribute
/// of a function does not name them.
#[track_caller]
pub(super) const fn options_not_named(resource: &str, options: &[&str]) -> ! {
    let mut text = Text::new("the resource `")
        .push(resource)
        .push("` declares ")
        .push_list(options)
        .push(", so loads of this function may go on when their callers are gone: it has to own its arguments\nhelp: say so and add ")
        .push_list(options)
        .push(" to this attribute, or keep its loads with their callers: ");
    let mut i = 0;
    while i < options.len() {
        text = text
            .push(if i > 0 { ", `" } else { "`" })
            .push(options[i])
            .push(" = \"off\"`");
        i += 1;
    }
    panic!("{}", text.as_str())
}

/// Ends the compilation: `resource` declares a hard timeout, and the attribute of a function does not name it.
#[track_caller]
pub(super) const fn timeout_not_named(resource: &str) -> ! {
    let text = Text::new("the resource `")
        .push(resource)
        .push("` declares `load_timeout(hard = ...)`, so calls of this function may end with an error that is made of `LoadTimeout`\nhelp: \
               say so and add `load_timeout` to this attribute, or wait as long as it takes: `load_timeout = \"off\"`");
    panic!("{}", text.as_str())
}

/// Ends the compilation: an attribute names `option` alone, and `resource` does not declare it.
#[track_caller]
pub(super) const fn option_without_value(resource: &str, option: &str, example: &str) -> ! {
    let text = Text::new("`")
        .push(option)
        .push("` alone means what the resource declares, and `")
        .push(resource)
        .push("` declares none\nhelp: give a value here or there: `")
        .push(example)
        .push("`");
    panic!("{}", text.as_str())
}

/// Ends the compilation: a soft timeout, and no value that is past its TTL may be returned to a caller who waits for a load.
#[track_caller]
pub(super) const fn nothing_stale(resource: &str) -> ! {
    let text = Text::new(
        "a soft timeout answers a caller who waits for a load with something old, and here no old result of `",
    )
    .push(resource)
    .push(
        "` is kept for that: `stale_while_revalidate` alone returns it at once\nhelp: add `stale_if_error = \"10m\"`",
    );
    panic!("{}", text.as_str())
}

/// Ends the compilation: `cache_err`, and nothing says for how long.
#[track_caller]
pub(super) const fn errors_not_kept(resource: &str) -> ! {
    let text = Text::new(
        "the errors that `cache_err` chooses are kept for `negative_ttl`, which neither this attribute nor `",
    )
    .push(resource)
    .push("` sets\nhelp: add `negative_ttl = \"10s\"`");
    panic!("{}", text.as_str())
}

/// Ends the compilation: `group` has no parameter `name`.
#[track_caller]
pub(super) const fn parameter_not_declared(group: &Group, name: &str) -> ! {
    let mut text = Text::new("the group `")
        .push(group.name)
        .push("` has no parameter `")
        .push(name)
        .push("`; it has ")
        .push_list(group.parameters);
    if let Some(near) = nearest(name, group.parameters) {
        text = text.push("\nhelp: did you mean `").push(near).push("`?");
    }
    panic!("{}", text.as_str())
}

/// Ends the compilation: a result is of one resource, and this is a group of these.
#[track_caller]
pub(super) const fn a_group(name: &str, members: &[&Resource]) -> ! {
    let mut text = Text::new("`")
        .push(name)
        .push("` is a group, and a result is of one resource\nhelp: name one of ");
    let mut names = [""; MOST_NAMES];
    let mut count = 0;
    while count < members.len() && count < MOST_NAMES {
        names[count] = members[count].name;
        count += 1;
    }
    text = text.push_list(names.split_at(count).0);
    panic!("{}", text.as_str())
}

/// Ends the compilation: `pattern` matches none of `resources`.
#[track_caller]
pub(super) const fn nothing_matches(pattern: &str, resources: &[&Resource]) -> ! {
    let mut text = Text::new("no resource matches `").push(pattern).push("`");
    let mut names = [""; MOST_NAMES];
    let mut count = 0;
    while count < resources.len() && count < MOST_NAMES {
        names[count] = resources[count].name;
        count += 1;
    }
    let names = names.split_at(count).0;
    text = match nearest(pattern, names) {
        Some(near) => text.push("\nhelp: the nearest name is `").push(near).push("`"),
        None if count == 0 => text.push(": the registry is empty"),
        None => text.push("\nhelp: declared are ").push_list(names),
    };
    panic!("{}", text.as_str())
}

/// Whether `names` holds `name`.
pub(super) const fn contains(names: &[&str], name: &str) -> bool {
    let mut i = 0;
    while i < names.len() {
        if equal(names[i], name) {
            return true;
        }
        i += 1;
    }
    false
}

/// How many names a registry is searched for a suggestion; more are checked all the same, only not suggested.
const MOST_NAMES: usize = 256;

/// A text put together in a constant. What does not fit is left out: the end of a message is its least part.
struct Text {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl Text {
    const CAPACITY: usize = 1024;

    const fn new(start: &str) -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            len: 0,
        }
        .push(start)
    }

    const fn push(mut self, part: &str) -> Self {
        let part = part.as_bytes();
        let mut i = 0;
        while i < part.len() && self.len < Self::CAPACITY {
            self.bytes[self.len] = part[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    const fn push_list(mut self, names: &[&str]) -> Self {
        let mut i = 0;
        while i < names.len() {
            if i > 0 {
                self = self.push(", ");
            }
            self = self.push("`").push(names[i]).push("`");
            i += 1;
        }
        self
    }

    const fn as_str(&self) -> &str {
        // Names are ASCII identifiers, so only a foreign text that was cut can fail to be UTF-8.
        match str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "a name in this attribute is not declared",
        }
    }
}

const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
