//! Small charts, drawn by the server.

use std::fmt::Write as _;

use maud::{Markup, html};

/// The width of a chart in its own units: one for each value.
const WIDTH: usize = 100;
const HEIGHT: f64 = 32.0;

/// How something has changed in the last minutes.
#[derive(Debug)]
pub(in crate::dashboard) struct Chart<'a> {
    /// What it shows, in a sentence: for those who do not see it.
    pub(in crate::dashboard) sentence: &'a str,
    /// The newest last; `None` where nothing is known. At most [`Chart::WIDTH`] are drawn.
    pub(in crate::dashboard) values: &'a [Option<f64>],
    /// For each value, whether the store was out of reach.
    pub(in crate::dashboard) outages: &'a [bool],
    /// What the upper edge stands for; below that of the largest value it is that.
    pub(in crate::dashboard) top: f64,
}

impl Chart<'_> {
    /// So many values are drawn.
    pub(in crate::dashboard) const WIDTH: usize = WIDTH;

    pub(in crate::dashboard) fn svg(&self) -> Markup {
        let top = self.values.iter().flatten().copied().fold(self.top, f64::max);
        let (line, area) = self.paths(if top > 0.0 { top } else { 1.0 });
        html! {
            svg.chart role="img" aria-label=(self.sentence) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" {
                @for (from, width) in self.bands() {
                    rect.outage x=(from) y="0" width=(width) height=(HEIGHT) {}
                }
                @if !area.is_empty() {
                    path.area d=(area) {}
                    path.line d=(line) {}
                }
                line.base x1="0" x2=(WIDTH) y1=(HEIGHT) y2=(HEIGHT) {}
            }
        }
    }

    /// The line, and the area below it, with a gap where nothing is known.
    fn paths(&self, top: f64) -> (String, String) {
        let (mut line, mut area) = (String::new(), String::new());
        for run in self.runs() {
            let points: Vec<_> = run.iter().map(|&(x, value)| (x, height(value, top))).collect();
            let [(first, _), .., (last, height)] = points[..] else {
                // A lone value is a dash.
                let (x, y) = points[0];
                let _ = write!(line, "M{x} {y:.1}h0.8");
                let _ = write!(area, "M{x} {HEIGHT}V{y:.1}h0.8V{HEIGHT}z");
                continue;
            };
            for (i, (x, y)) in points.iter().enumerate() {
                let _ = write!(line, "{}{x} {y:.1}", if i == 0 { 'M' } else { 'L' });
            }
            let _ = write!(area, "M{first} {HEIGHT}");
            for (x, y) in &points {
                let _ = write!(area, "L{x} {y:.1}");
            }
            // To the right edge, where now is.
            if last + 1 == WIDTH {
                let _ = write!(line, "H{WIDTH}");
                let _ = write!(area, "L{WIDTH} {height:.1}");
                let _ = write!(area, "V{HEIGHT}z");
            } else {
                let _ = write!(area, "V{HEIGHT}z");
            }
        }
        (line, area)
    }

    /// Values with nothing unknown between them, each with its place.
    fn runs(&self) -> Vec<Vec<(usize, f64)>> {
        let mut runs = Vec::new();
        let mut run = Vec::new();
        for (x, value) in placed(self.values) {
            match value {
                Some(value) => run.push((x, *value)),
                None if run.is_empty() => {}
                None => runs.push(std::mem::take(&mut run)),
            }
        }
        if !run.is_empty() {
            runs.push(run);
        }
        runs
    }

    /// Where the store was out of reach: from where, and how wide.
    fn bands(&self) -> Vec<(usize, usize)> {
        let mut bands: Vec<(usize, usize)> = Vec::new();
        for (x, _) in placed(self.outages).filter(|(_, is_out)| **is_out) {
            match bands.last_mut() {
                Some((from, width)) if *from + *width == x => *width += 1,
                _ => bands.push((x, 1)),
            }
        }
        bands
    }
}

/// The newest at the right edge.
fn placed<T>(values: &[T]) -> impl Iterator<Item = (usize, &T)> {
    let shown = &values[values.len().saturating_sub(WIDTH)..];
    let first = WIDTH - shown.len();
    shown.iter().enumerate().map(move |(i, value)| (first + i, value))
}

/// The line stays within the picture, whatever its width.
fn height(value: f64, top: f64) -> f64 {
    1.0 + (HEIGHT - 2.0) * (1.0 - (value / top).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(values: &[Option<f64>], outages: &[bool]) -> String {
        let chart = Chart {
            sentence: "Hits \"<now>\"",
            values,
            outages,
            top: 1.0,
        };
        chart.svg().into_string()
    }

    #[test]
    fn a_chart_ends_now_and_has_a_gap_where_nothing_is_known() {
        let svg = svg(&[Some(0.0), Some(1.0), None, Some(0.5), Some(0.5)], &[false; 5]);
        assert!(svg.contains("d=\"M95 31.0L96 1.0M98 16.0L99 16.0H100\""), "{svg}");
    }

    #[test]
    fn an_outage_is_a_band_behind_it() {
        let svg = svg(&[None; 4], &[false, true, true, false]);
        assert!(svg.contains(r#"<rect class="outage" x="97" y="0" width="2""#), "{svg}");
    }

    #[test]
    fn nothing_and_too_much_are_drawn() {
        assert!(!svg(&[], &[]).contains("<path"));
        let all = vec![Some(2.0); 500];
        assert!(svg(&all, &vec![true; 500]).contains("M0 1.0"));
    }

    #[test]
    fn what_it_shows_is_said_and_escaped() {
        assert!(svg(&[], &[]).contains("aria-label=\"Hits &quot;&lt;now&gt;&quot;\""));
    }
}
