//! A figure with its course: what the overview and the page of a resource begin with.

use maud::{Markup, html};

use super::{
    chart::Chart,
    figure::{count, counted, duration, number, rate, share},
};
use crate::dashboard::sampler::{Course, Figures, Lately};

/// The figures of the last minute with the charts of the last ten, of one resource or of all. `totals` are the counts since the start.
pub(in crate::dashboard) fn tiles(figures: &Figures, lately: &Lately, totals: &crate::ResourceStats) -> Markup {
    let counts = &lately.counts;
    let (calls, loads) = (counts.calls(), counts.loads);
    let saved = figures.per_second_of(counts.load_time_saved);
    let hit_rate = (calls > 0).then(|| share(counts.hit_rate()));
    let quantiles = |latency: &crate::Latencies| {
        let quantile = |share| latency.quantile(share).map_or_else(|| "–".to_owned(), duration);
        (quantile(0.5), quantile(0.99))
    };
    let (lookup_p50, lookup_p99) = quantiles(&counts.lookup_latency);
    let (load_p50, load_p99) = quantiles(&counts.load_latency);
    let tiles = [
        Tile {
            id: "hit-rate",
            name: "Hit rate",
            value: hit_rate.unwrap_or_else(|| "–".to_owned()),
            note: match totals.calls() {
                0 => "no calls yet".to_owned(),
                _ => format!("{} since the start", share(totals.hit_rate())),
            },
            course: &|course| course.hit_rate,
            top: 1.0,
            shown: &share,
        },
        Tile {
            id: "calls",
            name: "Calls",
            value: rate(figures.per_second(calls)),
            note: format!(
                "{} loaded · {} in all",
                rate(figures.per_second(loads)),
                count(totals.calls())
            ),
            course: &|course| Some(course.calls),
            top: 1.0,
            shown: &rate,
        },
        Tile {
            id: "saved",
            name: "Database time saved",
            value: format!("{} s/s", number(saved)),
            note: format!("{} since the start", duration(totals.load_time_saved)),
            course: &|course| Some(course.saved),
            top: 0.1,
            shown: &|saved| format!("{} s/s", number(saved)),
        },
        Tile {
            id: "lookup",
            name: "Lookup, p99",
            value: lookup_p99,
            note: format!("p50 {lookup_p50}"),
            course: &|course| course.lookup_p99,
            top: 0.001,
            shown: &seconds,
        },
        Tile {
            id: "load",
            name: "Load, p99",
            value: load_p99,
            note: match counts.failed_loads {
                0 => format!("p50 {load_p50}"),
                failed => format!("p50 {load_p50} · {}", counted(failed, "load failed", "loads failed")),
            },
            course: &|course| course.load_p99,
            top: 0.001,
            shown: &seconds,
        },
    ];
    html! {
        ul.tiles {
            @for tile in &tiles { (tile.markup(&lately.courses, &figures.outages)) }
        }
    }
}

fn seconds(seconds: f64) -> String {
    duration(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

struct Tile<'a> {
    id: &'static str,
    name: &'static str,
    value: String,
    note: String,
    course: &'a dyn Fn(&Course) -> Option<f64>,
    top: f64,
    shown: &'a dyn Fn(f64) -> String,
}

impl Tile<'_> {
    fn markup(&self, courses: &[Course], outages: &[bool]) -> Markup {
        let values: Vec<_> = courses.iter().map(self.course).collect();
        let most = values.iter().flatten().copied().reduce(f64::max);
        let least = values.iter().flatten().copied().reduce(f64::min);
        let sentence = match (least, most) {
            (Some(least), Some(most)) => format!(
                "{} in the last ten minutes: between {} and {}",
                self.name,
                (self.shown)(least),
                (self.shown)(most)
            ),
            _ => format!("{}: nothing yet", self.name),
        };
        let chart = Chart {
            sentence: &sentence,
            values: &values,
            outages,
            top: self.top,
        };
        let top = (self.shown)(most.map_or(self.top, |most| most.max(self.top)));
        html! {
            li.tile {
                h3 { (self.name) }
                p.value id={ "value-" (self.id) } data-live { (self.value) }
                p.note id={ "note-" (self.id) } data-live { (self.note) }
                div.plot id={ "chart-" (self.id) } data-live {
                    (chart.svg())
                    span.top aria-hidden="true" { (top) }
                }
            }
        }
    }
}
