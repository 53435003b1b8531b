//! What was measured, and what it had to reach.

use std::fmt;

use serde::{Deserialize, Serialize};

/// This project's name among the contenders.
pub(crate) const OURS: &str = "cache-runtime";

/// One row of a table: what this project needs for something, beside what somebody else needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// The table that it belongs to: the name of the measurement, as `--only` takes it.
    pub(crate) table: String,
    /// What tells it apart in the table: "5 rows, 2 workers".
    pub(crate) name: String,
    /// The place of the figure along the axis of a plot: (`callers`, 64).
    pub(crate) at: Option<(String, f64)>,
    pub(crate) unit: Unit,
    pub(crate) ours: Series,
    pub(crate) against: Option<Series>,
    pub(crate) must: Option<Must>,
}

/// The samples of one side, one for each round; rounds of the two sides belong together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) samples: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Nanoseconds,
    PerSecond,
    Bytes,
    Count,
    /// Of 1; shown as a percentage.
    Share,
}

/// A bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Must {
    /// On the median of the rounds' ratios.
    RatioAtMost(f64),
    RatioAtLeast(f64),
    /// On the median of our own samples.
    AtMost(f64),
    AtLeast(f64),
    /// On every one of our own samples.
    EachAtMost(f64),
}

/// The middle of some samples, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Figure {
    pub(crate) fn new(table: &str, name: impl Into<String>, unit: Unit, ours: Series) -> Self {
        Self {
            table: table.to_owned(),
            name: name.into(),
            at: None,
            unit,
            ours,
            against: None,
            must: None,
        }
    }

    #[must_use]
    pub(crate) fn at(mut self, axis: &str, place: f64) -> Self {
        self.at = Some((axis.to_owned(), place));
        self
    }

    #[must_use]
    pub(crate) fn against(mut self, peer: Series) -> Self {
        self.against = Some(peer);
        self
    }

    #[must_use]
    pub(crate) fn must(mut self, must: Must) -> Self {
        self.must = Some(must);
        self
    }

    /// Ours by theirs, round by round.
    pub(crate) fn ratios(&self) -> Option<Spread> {
        let against = self.against.as_ref()?;
        let pairs = self.ours.samples.iter().zip(&against.samples);
        Spread::of(pairs.map(|(ours, theirs)| ours / theirs))
    }

    /// Whether what must be reached was; a figure without samples has reached nothing.
    pub(crate) fn is_met(&self) -> bool {
        let reached = |spread: Option<Spread>| spread.map_or(f64::NAN, |spread| spread.median);
        match self.must {
            None => true,
            Some(Must::RatioAtMost(bound)) => reached(self.ratios()) <= bound,
            Some(Must::RatioAtLeast(bound)) => reached(self.ratios()) >= bound,
            Some(Must::AtMost(bound)) => reached(self.ours.spread()) <= bound,
            Some(Must::AtLeast(bound)) => reached(self.ours.spread()) >= bound,
            Some(Must::EachAtMost(bound)) => self.ours.spread().is_some_and(|spread| spread.max <= bound),
        }
    }

    /// The name and the place.
    pub(crate) fn label(&self) -> String {
        match &self.at {
            None => self.name.clone(),
            Some((axis, place)) if self.name.is_empty() => format!("{place} {axis}"),
            Some((axis, place)) => format!("{}, {place} {axis}", self.name),
        }
    }
}

/// In a line, with what was reached and what must be.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.label())?;
        if let (Some(peer), Some(ratios)) = (&self.against, self.ratios()) {
            write!(f, ", {ratios} of {}", peer.name)?;
        }
        match self.must {
            None => Ok(()),
            Some(must) => write!(f, ", must be {}", must.show(self.unit)),
        }
    }
}

impl Series {
    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(self.samples.iter().copied())
    }
}

impl Spread {
    /// `None` without samples.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self { median, min, max })
    }
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Nanoseconds if value.abs() < 1e3 => format!("{value:.0} ns"),
            Self::Nanoseconds if value.abs() < 1e6 => format!("{:.1} µs", value / 1e3),
            Self::Nanoseconds => format!("{:.1} ms", value / 1e6),
            Self::PerSecond if value < 1e4 => format!("{value:.0}/s"),
            Self::PerSecond => format!("{:.1} k/s", value / 1e3),
            Self::Bytes if value.abs() < 1e4 => format!("{value:.0} B"),
            Self::Bytes if value.abs() < 1e7 => format!("{:.1} kB", value / 1e3),
            Self::Bytes => format!("{:.1} MB", value / 1e6),
            Self::Count => format!("{value}"),
            Self::Share => format!("{:.1} %", value * 100.0),
        }
    }
}

impl Must {
    pub(crate) fn show(self, unit: Unit) -> String {
        match self {
            Self::RatioAtMost(bound) => format!("× ≤ {bound:.2}"),
            Self::RatioAtLeast(bound) => format!("× ≥ {bound:.2}"),
            Self::AtMost(bound) | Self::EachAtMost(bound) => format!("≤ {}", unit.show(bound)),
            Self::AtLeast(bound) => format!("≥ {}", unit.show(bound)),
        }
    }
}

/// As a ratio: two digits after the point for the median, and from where to where.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, min, max } = self;
        write!(f, "{median:.2} ({min:.2}..{max:.2})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(samples: &[f64]) -> Series {
        Series {
            name: String::new(),
            samples: samples.into(),
        }
    }

    fn figure(ours: &[f64], theirs: &[f64], must: Must) -> Figure {
        Figure::new("table", "name", Unit::Count, series(ours))
            .against(series(theirs))
            .must(must)
    }

    #[test]
    fn a_ratio_is_taken_in_each_round() {
        let ratios = figure(&[1.0, 30.0, 2.0], &[1.0, 10.0, 1.0], Must::AtMost(0.0)).ratios();
        let expected = Spread {
            median: 2.0,
            min: 1.0,
            max: 3.0,
        };
        assert_eq!(ratios, Some(expected));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(
            series(&[4.0, 1.0, 3.0, 2.0]).spread().map(|spread| spread.median),
            Some(2.5)
        );
    }

    #[test]
    fn a_bound_on_the_ratio_looks_at_its_median() {
        assert!(figure(&[1.0, 1.1, 9.0], &[1.0, 1.0, 1.0], Must::RatioAtMost(1.1)).is_met());
        assert!(!figure(&[1.0, 1.2, 1.2], &[1.0, 1.0, 1.0], Must::RatioAtMost(1.1)).is_met());
    }

    #[test]
    fn a_figure_without_samples_has_met_nothing() {
        for must in [
            Must::AtMost(1.0),
            Must::AtLeast(1.0),
            Must::RatioAtMost(1.0),
            Must::RatioAtLeast(1.0),
        ] {
            assert!(!figure(&[], &[], must).is_met());
        }
    }
}
