//! What invalidates what, as a picture: mutations and tables on the left, resources in the middle, cached functions on the right.

use maud::{Markup, html};

use super::text::{cut, function_name, visible};
use crate::{
    catalogue::{Catalogue, ResourceEntry},
    dashboard::links::Links,
};

/// The distance of two lines of text, in units of the picture.
const LINE: usize = 22;
/// Above the first: the names of the columns.
const TOP: usize = 34;
/// Where the columns are. The outer ones are read towards the middle.
const WIDTH: usize = 1000;
const CAUSES_END: usize = 300;
const RESOURCE_AT: usize = 400;
const RESOURCE_END: usize = 590;
const FUNCTIONS_AT: usize = 700;
/// The longest name that there is room for, in characters.
const LONGEST: usize = 44;

/// The picture. It says nothing that the list below it does not, so a screen reader is told no more than that.
pub(in crate::dashboard) fn graph(catalogue: &Catalogue, links: &Links) -> Markup {
    let resources = catalogue.resources();
    let causes: Vec<Cause> = mutations(catalogue)
        .chain(tables(catalogue))
        .filter(|cause| !cause.of.is_empty())
        .collect();
    let functions = functions(catalogue);
    let rows = resources.len().max(causes.len()).max(functions.len());
    let height = TOP + rows * LINE;
    let column = |count: usize| Column { count, rows };
    let (left, middle, right) = (column(causes.len()), column(resources.len()), column(functions.len()));
    html! {
        svg.graph viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label="What invalidates what; the list below says the same" {
            text.column x=(CAUSES_END) y="14" text-anchor="end" { "invalidated by" }
            text.column x=(RESOURCE_AT) y="14" { "resource" }
            text.column x=(FUNCTIONS_AT) y="14" { "cached by" }
            @for (i, cause) in causes.iter().enumerate() {
                g {
                    @for of in &cause.of { path d=(curve(CAUSES_END + 8, left.y(i), RESOURCE_AT - 8, middle.y(*of))) {} }
                    text x=(CAUSES_END) y=(left.y(i) + 4) text-anchor="end" { title { (visible(&cause.title)) } (short(&cause.name)) }
                }
            }
            @for (i, (of, name, title)) in functions.iter().enumerate() {
                g {
                    path d=(curve(RESOURCE_END, middle.y(*of), FUNCTIONS_AT - 8, right.y(i))) {}
                    text x=(FUNCTIONS_AT) y=(right.y(i) + 4) { title { (visible(title)) } (short(name)) }
                }
            }
            @for (i, entry) in resources.iter().enumerate() {
                a href=(links.page_with("resource", &[("name", entry.name)])) {
                    text x=(RESOURCE_AT) y=(middle.y(i) + 4) { (short(entry.name)) }
                }
            }
        }
    }
}

/// What invalidates resources, by their places.
struct Cause {
    name: String,
    title: String,
    of: Vec<usize>,
}

fn places<'a>(resources: &'a [ResourceEntry], is_one: impl Fn(&ResourceEntry) -> bool + 'a) -> Vec<usize> {
    let places = resources.iter().enumerate().filter(move |(_, entry)| is_one(entry));
    places.map(|(place, _)| place).collect()
}

fn mutations(catalogue: &Catalogue) -> impl Iterator<Item = Cause> {
    catalogue.mutations().iter().map(|mutation| Cause {
        name: function_name(&mutation.place.path),
        title: format!(
            "{} {}:{}",
            mutation.place.path, mutation.place.file, mutation.place.line
        ),
        of: places(catalogue.resources(), |entry| {
            catalogue
                .mutations_of(entry.resource)
                .any(|of| std::ptr::eq(of, mutation))
        }),
    })
}

fn tables(catalogue: &Catalogue) -> impl Iterator<Item = Cause> {
    catalogue.tables().iter().map(|table| Cause {
        name: format!("table {}", table.name),
        title: format!("changes of the table {}", table.name),
        of: places(catalogue.resources(), |entry| {
            catalogue.tables_of(entry.resource).any(|of| std::ptr::eq(of, table))
        }),
    })
}

/// Each function with the place of its resource, in the order of these: their lines cross as little as can be.
fn functions(catalogue: &Catalogue) -> Vec<(usize, String, String)> {
    let of = |(place, entry): (usize, &ResourceEntry)| {
        let functions = catalogue.functions_of(entry.resource);
        let named = functions.map(|function| {
            let at = &function.place;
            (
                place,
                function_name(&at.path),
                format!("{} {}:{}", at.path, at.file, at.line),
            )
        });
        named.collect::<Vec<_>>()
    };
    catalogue.resources().iter().enumerate().flat_map(of).collect()
}

fn short(name: &str) -> String {
    let shown = visible(name);
    let cut = cut(&shown, LONGEST);
    if cut.len() < shown.len() {
        format!("{cut}…")
    } else {
        shown.into_owned()
    }
}

/// A column of a picture that has as many rows as the longest: spread over its height.
struct Column {
    count: usize,
    rows: usize,
}

impl Column {
    fn y(&self, i: usize) -> usize {
        TOP + (2 * i + 1) * self.rows * LINE / (2 * self.count.max(1))
    }
}

fn curve(from: usize, from_y: usize, to: usize, to_y: usize) -> String {
    let middle = usize::midpoint(from, to);
    format!("M{from} {from_y}C{middle} {from_y} {middle} {to_y} {to} {to_y}")
}
