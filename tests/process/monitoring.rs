//! What the repository says of the metrics: docs/metrics.md, the alerts and the dashboard name those that there are, and all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use ::metrics::set_default_local_recorder;
use cache_runtime::Cache;
use serde_json::Value;

/// The metrics that a recorder is told of, each with its kind.
fn described() -> BTreeMap<String, &'static str> {
    let described = Described::default();
    let _local = set_default_local_recorder(&described);
    Cache::disabled().publish_metrics();
    described.0.lock().expect("no panic holds it").clone()
}

/// Takes note of what it is told the metrics mean.
#[derive(Default)]
struct Described(std::sync::Mutex<BTreeMap<String, &'static str>>);

impl Described {
    fn note(&self, name: &::metrics::KeyName, kind: &'static str, unit: Option<::metrics::Unit>, help: &str) {
        assert!(unit.is_some() && help.ends_with('.'), "{name:?}: {unit:?}, {help}");
        let twice = self
            .0
            .lock()
            .expect("no panic holds it")
            .insert(name.as_str().to_owned(), kind);
        assert_eq!(twice, None, "{name:?}");
    }
}

impl ::metrics::Recorder for Described {
    fn describe_counter(&self, name: ::metrics::KeyName, unit: Option<::metrics::Unit>, help: ::metrics::SharedString) {
        assert!(name.as_str().ends_with("_total"), "{name:?}");
        self.note(&name, "counter", unit, &help);
    }

    fn describe_gauge(&self, name: ::metrics::KeyName, unit: Option<::metrics::Unit>, help: ::metrics::SharedString) {
        self.note(&name, "gauge", unit, &help);
    }

    fn describe_histogram(
        &self,
        name: ::metrics::KeyName,
        unit: Option<::metrics::Unit>,
        help: ::metrics::SharedString,
    ) {
        assert!(name.as_str().ends_with("_seconds"), "{name:?}");
        self.note(&name, "histogram", unit, &help);
    }

    fn register_counter(&self, _key: &::metrics::Key, _of: &::metrics::Metadata<'_>) -> ::metrics::Counter {
        ::metrics::Counter::noop()
    }

    fn register_gauge(&self, _key: &::metrics::Key, _of: &::metrics::Metadata<'_>) -> ::metrics::Gauge {
        ::metrics::Gauge::noop()
    }

    fn register_histogram(&self, _key: &::metrics::Key, _of: &::metrics::Metadata<'_>) -> ::metrics::Histogram {
        ::metrics::Histogram::noop()
    }
}

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The metrics that an expression names: those of a histogram by what they are parts of.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text
        .split(|c: char| !is_part(c))
        .filter(|word| word.starts_with("cache_"));
    let whole = |word: &str| {
        let part = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| word.strip_suffix(part));
        part.unwrap_or(word).to_owned()
    };
    words.map(whole).collect()
}

/// Every expression in a dashboard: of panels, and of the lists to choose from.
fn expressions(of: &Value) -> Vec<&str> {
    match of {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(text) if name == "expr" || name == "definition" => vec![&**text],
                value => expressions(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_metric_is_documented_with_its_kind_and_every_documented_one_is_there() {
    let page = file("metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `cache_"));
    let documented: BTreeMap<String, String> = rows
        .map(|row| {
            let cells: Vec<_> = row.split(" | ").collect();
            (
                format!("cache_{}", cells[0].trim_matches('`')),
                cells[1].trim().to_owned(),
            )
        })
        .collect();
    let described: BTreeMap<_, _> = described()
        .into_iter()
        .map(|(name, kind)| (name, kind.to_owned()))
        .collect();
    assert_eq!(documented, described);
}

#[test]
fn the_alerts_name_metrics_that_there_are() {
    let (alerts, described) = (file("monitoring/alerts.yml"), described());
    let expressions = alerts
        .lines()
        .filter(|line| !line.trim_start().starts_with("description:") && !line.starts_with('#'));
    let named = named(&expressions.collect::<Vec<_>>().join("\n"));
    assert!(named.len() > 10, "{named:?}");
    let unknown: Vec<_> = named.iter().filter(|name| !described.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_dashboard_names_metrics_that_there_are_and_shows_every_one() {
    let dashboard: Value = serde_json::from_str(&file("monitoring/grafana.json")).expect("it is JSON");
    let named = named(&expressions(&dashboard).join("\n"));
    assert_eq!(named, described().into_keys().collect());
}

#[test]
fn every_alert_is_tried_by_a_test() {
    let (alerts, tests) = (file("monitoring/alerts.yml"), file("monitoring/alerts_test.yml"));
    let names = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let untried: Vec<_> = names.filter(|name| !tests.contains(name)).collect();
    assert!(untried.is_empty(), "{untried:?}");
}
