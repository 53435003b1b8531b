use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};
use plotters::prelude::*;

use crate::figure::{Figure, Series, Spread};

const SIZE: (u32, u32) = (720, 420);

/// Above the highest point, for the legend.
const ROOM: f64 = 3.0;

/// Points, by the name of who was measured.
type Curves<'a> = BTreeMap<&'a str, Vec<(f64, Spread)>>;

/// One plot for each group of figures that differ in their place on the axis alone: `redis-throughput-5-rows-2-workers.svg`.
pub(super) fn draw(figures: &[Figure], folder: &Path) -> Result<()> {
    let mut plots: BTreeMap<(&str, &str), Vec<&Figure>> = BTreeMap::new();
    for figure in figures.iter().filter(|figure| figure.at.is_some()) {
        plots.entry((&figure.table, &figure.name)).or_default().push(figure);
    }
    for ((table, name), figures) in plots {
        let file = folder.join(format!("{}.svg", slug(&format!("{table} {name}"))));
        plot(&file, name, &figures).with_context(|| format!("{} cannot be drawn", file.display()))?;
    }
    Ok(())
}

fn slug(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    words.join("-")
}

fn plot(file: &Path, title: &str, figures: &[&Figure]) -> Result<()> {
    let Some(first) = figures.first() else { return Ok(()) };
    let curves = curves(figures);
    // One measured thing, or one place on the axis, is no plot.
    if curves.len() < 2 || curves.values().all(|points| points.len() < 2) {
        return Ok(());
    }
    let points = || curves.values().flatten();
    let xs = Spread::of(points().map(|(x, _)| *x)).context("there are no points")?;
    let ys = Spread::of(points().flat_map(|(_, y)| [y.min, y.max])).context("there are no points")?;

    let canvas = SVGBackend::new(file, SIZE).into_drawing_area();
    canvas.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&canvas)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(
            (xs.min * 0.9..xs.max * 1.1).log_scale(),
            (ys.min * 0.8..ys.max * ROOM).log_scale(),
        )?;
    let unit = first.unit;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(first.at.as_ref().map(|(axis, _)| axis.clone()).unwrap_or_default())
        .x_label_formatter(&|place| format!("{place:.0}"))
        .y_labels(6)
        .y_label_formatter(&|value| unit.show(*value))
        .draw()?;
    for (number, (name, points)) in curves.iter().enumerate() {
        let color = Palette99::pick(number).to_rgba();
        let line = points.iter().map(|(x, y)| (*x, y.median));
        chart
            .draw_series(LineSeries::new(line, color.stroke_width(2)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
        // From the slowest round to the fastest.
        chart.draw_series(
            points
                .iter()
                .map(|(x, y)| PathElement::new([(*x, y.min), (*x, y.max)], color.stroke_width(1))),
        )?;
        chart.draw_series(
            points
                .iter()
                .map(|(x, y)| Circle::new((*x, y.median), 3, color.filled())),
        )?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    canvas.present()?;
    Ok(())
}

fn curves<'a>(figures: &[&'a Figure]) -> Curves<'a> {
    let mut curves = Curves::new();
    let mut add = |place: f64, series: &'a Series| {
        let curve = curves.entry(series.name.as_str()).or_default();
        // Ours stands in one figure for each peer.
        if let Some(spread) = series.spread()
            && curve.last().is_none_or(|(last, _)| *last < place)
        {
            curve.push((place, spread));
        }
    };
    for figure in figures {
        if let Some((_, place)) = figure.at {
            add(place, &figure.ours);
            if let Some(peer) = &figure.against {
                add(place, peer);
            }
        }
    }
    curves
}
