use std::borrow::Cow;

use cache_runtime::cached;
use serde::Serialize;

use crate::{Db, Filter, count};

struct Point {
    x: i32,
    y: i32,
}

#[derive(Serialize)]
struct Meters(f64);

#[cached(resource = "companies_list")]
async fn none() -> u32 {
    1
}

#[cached(resource = "companies_list")]
async fn borrowed(name: &str, filter: &Filter, ids: &[i64], maybe: Option<&str>) -> String {
    format!("{name} {} {} {maybe:?}", filter.page, ids.len())
}

#[cached(resource = "companies_list")]
async fn owned(name: String, ids: Vec<i64>, cow: Cow<'_, str>) -> String {
    let all = ids;
    name + &cow + &all.len().to_string()
}

#[cached(resource = "companies_list")]
async fn tuple_pattern((a, b): (i32, i32), [first, .., last]: [i32; 3], Meters(m): Meters) -> f64 {
    f64::from(a + b + first + last) + m
}

#[cached(resource = "companies_list")]
async fn struct_pattern(Point { x, y: renamed }: Point, &z: &i32) -> i32 {
    x + renamed + z
}

#[cached(resource = "companies_list")]
async fn wildcard(_: Db, _unused: i32, kept: i32) -> i32 {
    kept
}

#[cached(resource = "companies_list")]
async fn mutable(mut total: i64, mut names: Vec<String>) -> i64 {
    total += 1;
    names.push("one more".to_owned());
    total + count(names.len())
}

#[cached(resource = "companies_list")]
async fn raw(r#type: i32) -> i32 {
    r#type
}

#[cached(resource = "companies_list")]
async fn under_cfg(#[cfg(not(windows))] a: i32, #[cfg(windows)] a: u8, #[cfg(any())] _absent: Db) -> i64 {
    i64::from(a)
}

#[cached(resource = "companies_list", skip(db, each, log))]
async fn skipped(db: &Db, each: impl Fn(i32) -> i32 + Send, log: &mut Vec<i32>, n: i32) -> String {
    log.push(n);
    format!("{db:?} {}", each(n))
}

#[cached(resource = "companies_list")]
async fn users_that_nobody_looks_at(company: i64, username: &str, current_user: Db) -> i64 {
    company
}

#[cached(resource = "companies_list", key(username))]
async fn user_in_the_key(username: &str) -> String {
    format!("for {username}")
}

#[cached(resource = "companies_list", skip(username))]
async fn user_skipped(username: &str) -> usize {
    username.len()
}

#[cached(resource = "companies_list")]
async fn other_things_called_username(rows: &[Filter], username: &str) -> usize {
    struct Row<'a> {
        username: &'a str,
    }
    let row = Row { username: "literal" };
    row.username.len() + rows.len()
}

#[tokio::test]
async fn every_kind_of_argument_reaches_the_body() {
    let filter = Filter::default();
    assert_eq!(none().await, 1);
    assert_eq!(borrowed("n", &filter, &[1, 2], Some("x")).await, "n 0 2 Some(\"x\")");
    assert_eq!(owned("n".into(), vec![1], "c".into()).await, "nc1");
    assert!((tuple_pattern((1, 2), [3, 0, 4], Meters(0.5)).await - 10.5).abs() < f64::EPSILON);
    assert_eq!(struct_pattern(Point { x: 1, y: 2 }, &3).await, 6);
    assert_eq!(wildcard(Db, 1, 2).await, 2);
    assert_eq!(mutable(1, Vec::new()).await, 3);
    assert_eq!(raw(5).await, 5);
    assert_eq!(under_cfg(6).await, 6);
    assert_eq!(other_things_called_username(&[filter], "root").await, 8);
}

#[tokio::test]
async fn what_is_skipped_needs_not_be_serialisable() {
    let mut log = Vec::new();
    assert_eq!(skipped(&Db, |n| n * 2, &mut log, 4).await, "Db 8");
    assert_eq!(log, [4]);
}

#[tokio::test]
async fn user_arguments_are_left_out_kept_or_skipped() {
    assert_eq!(users_that_nobody_looks_at(7, "anna", Db).await, 7);
    assert_eq!(user_in_the_key("anna").await, "for anna");
    assert_eq!(user_skipped("anna").await, 4);
}
