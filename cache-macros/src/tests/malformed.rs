use super::tokens;
use crate::entry;

/// Attribute tokens that are wrong in every way a typing hand leaves them in.
const ARGS: &[&str] = &[
    "",
    ",",
    ",,,",
    "=",
    "= 5",
    "resource",
    "resource =",
    "resource = ,",
    "resource = \"\"",
    "resource = \"*\"",
    "resource = \"a-b\"",
    "resource = \"fn\"",
    "resource = \"a::b\"",
    "resource = ::",
    "resource = a::",
    "resource = crate",
    "resource = 'a'",
    "resource(\"a\")",
    "resource = \"a\" \"b\"",
    "resource = \"a\", resource = \"b\"",
    "resource = \"a\", ttl",
    "resource = \"a\", ttl = 99999999999999999999999999",
    "resource = \"a\", ttl = \"99999999999999999999y\"",
    "resource = \"a\", ttl = {",
    "resource = \"a\", skip",
    "resource = \"a\", skip(",
    "resource = \"a\", skip()",
    "resource = \"a\", skip(,)",
    "resource = \"a\", skip(1)",
    "resource = \"a\", skip(a b)",
    "resource = \"a\", key(a =)",
    "resource = \"a\", key(= a)",
    "resource = \"a\", key(a = = b)",
    "resource = \"a\", key(r#type)",
    "resource = \"a\", key(|x| x, async { 1 }, if x { 1 } else { 2 })",
    "resource = \"a\", scope(a.b)",
    "resource = \"a\", scope(self)",
    "resource = \"a\", scope(fn = 1)",
    "resource = \"a\", unless = |",
    "resource = \"a\", version = -1",
    "resource = \"a\", ttl = |",
    "resource = \"a\", ttl = |a, b| c",
    "resource = \"a\", ttl = move",
    "resource = \"a\", stale_while_revalidate",
    "resource = \"a\", stale_while_revalidate = ",
    "resource = \"a\", stale_while_revalidate = \"on\", unless = |a| b + d.c",
    "resource = \"a\", load_timeout, load_timeout()",
    "resource = \"a\", load_timeout(soft)",
    "resource = \"a\", load_timeout(soft = , hard = 1)",
    "resource = \"a\", load_timeout(soft = 1, soft = 2, firm = 3)",
    "resource = \"a\", refresh_ahead, jitter = 1, unless = f(username, self)",
    "resource = \"a\", refresh_ahead = -1, jitter = \"%\"",
    "resource = \"a\", cache_err = 1, negative_ttl",
    "resource = \"a\", version = 99999999999",
    "resource = \"a\", tenant = cache =",
    "resource = \"a\" ; ttl = 5",
    "\"a\"",
    "\"a\"()",
    "\"a\"(",
    "\"a\"(b = result",
    "\"a\"(b = result.c + d), \"a\"(b = result.c + d)",
    "\"a\"(result)",
    "\"*\"(a = result, b = a)",
    "a::b(c), ::d, self::e, crate::f",
    "on",
    "on = ",
    "on = ok",
    "on::x",
    "tenant, cache, on",
    "#[a] b",
    "{ } [ ] ( )",
    "größe = 1",
    "r#fn = 1",
    "'a",
    "..",
];

const ITEMS: &[&str] = &[
    "async fn f(d: u8, username: &str) -> u8 { username }",
    "async fn f(&mut self, (a, b): (u8, u8), result: u8) -> Result<u8, E> { ? . , }",
    "fn f() {}",
    "fn f() -> impl Future<Output = ()> { async {} }",
    "fn f() -> Pin<Box<dyn Future<Output = ()>>> { let x = }",
    "fn f() -> Pin<Box<dyn Future<Output = ()>>> { }",
    "fn f() -> Pin<Box<dyn Future>> { Box::pin(async {}) }",
    "fn f<'async_trait>() -> Pin<Box<dyn Future<Output = ()> + 'async_trait>> { Box::pin(async {}) }",
    "fn f<'async_trait>(__arg0: u8) -> Pin<Box<dyn Future<Output = ()> + 'async_trait>> {
        Box::pin(async move { let _: () = {}; })
    }",
    "async fn f();",
    "async fn f(",
    "async fn",
    "struct S;",
    "",
    "async unsafe extern \"C\" fn f(x: u8, ...) {}",
];

const DECLARATIONS: &[&str] = &[
    "",
    ";",
    "{}",
    "a",
    "a;",
    "a {}",
    "a {};",
    "a { ttl }",
    "a { ttl = }",
    "a { ttl = 1 ttl = 2 }",
    "a { scope }",
    "a { scope() }",
    "a { scope(a) }",
    "a { scope(a:) }",
    "a { scope(a: , b: i64) }",
    "a { scope(r#type: i64, größe: u8) }",
    "a { tenant }",
    "a { tenant = }",
    "a { soft = 1 }",
    "a { load_timeout, refresh_ahead, stale_while_revalidate }",
    "a { load_timeout(soft = 2, hard = 1), jitter = }",
    "a { { } }",
    "r#type {}",
    "struct {}",
    "group",
    "group {}",
    "group;",
    "group a",
    "group a = ",
    "group a = ;",
    "group a = , ;",
    "group a = a;",
    "group a = b, b; group b = a; c {}",
    "group a = \"*\";",
    "group a = \"\";",
    "group a = r#type, fn, 5;",
    "group fn = a;",
    "a {} group a = a;",
    "#[doc = \"x\"]",
    "#[doc(hidden)] a {}",
    "/// x",
    "pub a {}",
    "pub(crate) a {}, b {}",
    "static a: u8 = 1;",
];

/// Tokens that no lexer lets through never reach a macro.
fn each(codes: &[&str], mut test: impl FnMut(&str)) {
    for code in codes {
        if code.parse::<proc_macro2::TokenStream>().is_ok() {
            test(code);
        }
    }
}

#[test]
fn no_attribute_makes_the_macros_panic_and_the_item_is_always_there() {
    each(ITEMS, |item| {
        each(ARGS, |args| {
            for expansion in [
                entry::cached(tokens(args), tokens(item)),
                entry::invalidates(tokens(args), tokens(item)),
            ] {
                let expansion = expansion.to_string();
                assert!(item.is_empty() || !expansion.is_empty(), "#[cached({args})] {item}");
                if item.contains("fn f") {
                    assert!(expansion.contains("fn f"), "#[cached({args})] {item} gives {expansion}");
                }
            }
        });
    });
}

#[test]
fn no_declaration_makes_the_macro_panic_and_the_expansion_is_always_items() {
    each(DECLARATIONS, |code| {
        let expansion = entry::resources(tokens(code));
        assert!(
            syn::parse2::<syn::File>(expansion.clone()).is_ok(),
            "{code} gives {expansion}"
        );
    });
}
