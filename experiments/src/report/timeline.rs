//! The time line of a run as SVG: the numbers of the probes that arrived against time, the whole
//! run above and a close view of each move below.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::since;
use crate::error::{Doing, LabError};
use crate::measure::flow::{Flow, Unit};
use crate::run::{Moved, Run};

const WIDTH: u32 = 1400;
const TITLE: u32 = 64;
const OVERVIEW: u32 = 380;
const PANEL: u32 = 320;
const COLUMNS: usize = 3;
/// Arrivals this far apart are not joined by a line.
const BREAK_MS: f64 = 30.0;
/// A line has no more points than eyes can tell apart.
const MOST_POINTS: usize = 600;
/// How much is shown before a move, and at least and at most after it.
const BEFORE_MS: f64 = 100.0;
const AFTER_MS: (f64, f64) = (250.0, 3000.0);

const PROBE: RGBColor = RGBColor(40, 40, 40);
const CUT: RGBColor = RGBColor(200, 30, 30);
const USABLE: RGBColor = RGBColor(230, 140, 0);
const UPDATE: RGBColor = RGBColor(30, 90, 200);
const ACKNOWLEDGEMENT: RGBColor = RGBColor(20, 140, 60);
const PUBLISHED: RGBColor = RGBColor(140, 60, 180);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Draws the time line of a run into a file. A run without numbered flows has none.
///
/// # Errors
/// [`LabError::Io`] when the file cannot be written.
pub fn draw(scenario: &str, run: &Run, file: &Path) -> Result<(), LabError> {
    let Some(flow) = traced(run) else {
        return Ok(());
    };
    drawing(scenario, run, flow, file)
        .map_err(|error| std::io::Error::other(error.to_string()))
        .doing(|| format!("draw {}", file.display()))
}

/// The flow that is drawn: packets rather than records, and towards a host that stays rather than
/// one that moves.
fn traced(run: &Run) -> Option<&Flow> {
    let flows = run.sessions.iter().flat_map(|s| &s.observed.flows);
    let moves = |name: &str| run.moves.iter().any(|moved| moved.step.host == name);
    flows
        .filter(|flow| flow.unit != Unit::Octets)
        .max_by_key(|flow| {
            let staying = !moves(&flow.to);
            (staying, flow.unit == Unit::Packets, flow.arrivals.len())
        })
}

fn drawing(scenario: &str, run: &Run, flow: &Flow, file: &Path) -> Drawn {
    let rows = u32::try_from(run.moves.len().div_ceil(COLUMNS))?;
    let size = (WIDTH, TITLE + OVERVIEW + rows * PANEL);
    let root = SVGBackend::new(file, size).into_drawing_area();
    root.fill(&WHITE)?;
    let (title, rest) = root.split_vertically(TITLE);
    draw_title(&title, scenario, run, flow)?;
    let (overview, panels) = rest.split_vertically(OVERVIEW);
    draw_overview(&overview, run, flow)?;
    if rows > 0 {
        let areas = panels.split_evenly((usize::try_from(rows)?, COLUMNS));
        for (index, (moved, area)) in run.moves.iter().zip(&areas).enumerate() {
            draw_move(area, run, flow, index, moved)?;
        }
    }
    root.present()?;
    Ok(())
}

fn draw_title(area: &Area<'_>, scenario: &str, run: &Run, flow: &Flow) -> Drawn {
    let text = format!(
        "{scenario}, over {}: probes from {} as they arrive at {}",
        run.protocol.title(),
        flow.from,
        flow.to
    );
    area.draw_text(&text, &("sans-serif", 20).into_text_style(area), (24, 12))?;
    let mut x = 24;
    for (color, label) in [
        (PROBE, "probe arrives"),
        (CUT, "attachment cut"),
        (USABLE, "new address usable"),
        (UPDATE, "Locator Update sent"),
        (ACKNOWLEDGEMENT, "acknowledgement received"),
        (PUBLISHED, "new Locator at a name server"),
    ] {
        if color == PUBLISHED && run.names.is_empty() {
            continue;
        }
        let line = PathElement::new(vec![(x, 50), (x + 26, 50)], color.stroke_width(3));
        area.draw(&line)?;
        let style = ("sans-serif", 14).into_text_style(area);
        area.draw_text(label, &style, (x + 32, 43))?;
        x += 60 + i32::try_from(label.len() * 8)?;
    }
    Ok(())
}

fn draw_overview(area: &Area<'_>, run: &Run, flow: &Flow) -> Drawn {
    let points: Vec<(f64, f64)> = points(flow, run.start)
        .into_iter()
        .map(|(ms, number)| (ms / 1e3, number))
        .collect();
    let seconds = since(run.start, run.end) / 1e3;
    let highest = points.iter().map(|point| point.1).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .margin_right(32)
        .x_label_area_size(44)
        .y_label_area_size(84)
        .build_cartesian_2d(0.0..seconds, 0.0..highest * 1.05)?;
    chart
        .configure_mesh()
        .x_desc("time since every session was established [s]")
        .y_desc(number_label(flow))
        .x_label_formatter(&whole)
        .y_label_formatter(&whole)
        .light_line_style(WHITE)
        .label_style(("sans-serif", 14))
        .draw()?;
    for moved in &run.moves {
        let at = since(run.start, moved.times.cut) / 1e3;
        let line = PathElement::new(vec![(at, 0.0), (at, highest * 1.05)], CUT.stroke_width(1));
        chart.draw_series([line])?;
        let label = format!("to {}", moved.step.to);
        let style = ("sans-serif", 14).into_font().color(&CUT);
        let place = (at + seconds * 0.005, highest * 1.03);
        chart.draw_series([Text::new(label, place, style)])?;
    }
    for piece in pieces(&points, BREAK_MS / 1e3) {
        chart.draw_series(LineSeries::new(piece, PROBE.stroke_width(2)))?;
    }
    Ok(())
}

fn draw_move(area: &Area<'_>, run: &Run, flow: &Flow, index: usize, moved: &Moved) -> Drawn {
    let begin = moved.times.begin();
    let window = window(flow, moved, run);
    let shown: Vec<(f64, f64)> = points(flow, begin)
        .into_iter()
        .filter(|point| window.contains(&point.0))
        .collect();
    let numbers = bounds(&shown);
    let caption = format!(
        "move {}: {} to {}",
        index + 1,
        moved.step.host,
        moved.step.to
    );
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .margin_right(32)
        .caption(caption, ("sans-serif", 16))
        .x_label_area_size(40)
        .y_label_area_size(76)
        .build_cartesian_2d(window.clone(), numbers.clone())?;
    chart
        .configure_mesh()
        .x_desc("time since the move began [ms]")
        .y_desc(number_label(flow))
        .x_labels(6)
        .x_label_formatter(&whole)
        .y_label_formatter(&whole)
        .light_line_style(WHITE)
        .label_style(("sans-serif", 13))
        .draw()?;
    for mark in marks(run, moved) {
        let x = since(begin, mark.at);
        if window.contains(&x) {
            let top = numbers.start + (numbers.end - numbers.start) * mark.height;
            let line = vec![(x, numbers.start), (x, top)];
            chart.draw_series([PathElement::new(line, mark.color.stroke_width(2))])?;
        }
    }
    let dots = shown
        .iter()
        .map(|&point| Circle::new(point, 1, PROBE.filled()));
    chart.draw_series(dots)?;
    Ok(())
}

/// A moment that is marked by a line.
struct Mark {
    at: Duration,
    color: RGBColor,
    /// How high the line reaches; lines of different kinds do not hide each other.
    height: f64,
}

/// What happened because of a move.
fn marks(run: &Run, moved: &Moved) -> Vec<Mark> {
    let mark = |at, color, height| Mark { at, color, height };
    let mut marks = vec![mark(moved.times.cut, CUT, 1.0)];
    marks.extend(moved.usable.map(|at| mark(at, USABLE, 0.95)));
    let published = moved.published.iter().filter_map(|(_, at)| *at);
    marks.extend(published.map(|at| mark(at, PUBLISHED, 0.65)));
    for update in &run.updates {
        marks.push(if update.acknowledgement {
            mark(update.at, ACKNOWLEDGEMENT, 0.75)
        } else {
            mark(update.at, UPDATE, 0.85)
        });
    }
    marks
}

/// What is shown around a move: at least until the flow goes on, in milliseconds.
fn window(flow: &Flow, moved: &Moved, run: &Run) -> Range<f64> {
    let begin = moved.times.begin();
    let gap = flow.longest_gap(moved.window(), run.end);
    let resumed = gap.map_or(AFTER_MS.1, |gap| since(begin, gap.to) + BEFORE_MS);
    let cut = since(begin, moved.times.cut) + BEFORE_MS;
    -BEFORE_MS..resumed.max(cut).clamp(AFTER_MS.0, AFTER_MS.1.max(cut))
}

/// The range of the numbers shown, with a margin; never empty.
fn bounds(points: &[(f64, f64)]) -> Range<f64> {
    let lowest = points.iter().map(|point| point.1).fold(f64::MAX, f64::min);
    let highest = points.iter().map(|point| point.1).fold(0.0, f64::max);
    let margin = ((highest - lowest) * 0.05).max(1.0);
    if lowest > highest {
        0.0..1.0
    } else {
        lowest - margin..highest + margin
    }
}

/// Arrivals as milliseconds since `start` and numbers.
fn points(flow: &Flow, start: Duration) -> Vec<(f64, f64)> {
    let point = |number: u64, at| (since(start, at), number as f64);
    let arrivals = flow.arrivals.iter();
    arrivals
        .map(|arrival| point(arrival.number, arrival.at))
        .collect()
}

/// The points in pieces that have no break of more than `longest` in them, thinned out.
fn pieces(points: &[(f64, f64)], longest: f64) -> Vec<Vec<(f64, f64)>> {
    let step = (points.len() / MOST_POINTS).max(1);
    points
        .chunk_by(|earlier, later| later.0 - earlier.0 <= longest)
        .map(|piece| {
            let last = piece.last().copied();
            piece.iter().step_by(step).copied().chain(last).collect()
        })
        .collect()
}

fn whole(value: &f64) -> String {
    format!("{value:.0}")
}

fn number_label(flow: &Flow) -> &'static str {
    match flow.unit {
        Unit::Packets => "packet number",
        Unit::Records => "record number",
        Unit::Octets => "octets",
    }
}
