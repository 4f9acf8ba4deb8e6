//! Panels on a page: axes with names, series as lines, dots or bars, and a legend beside the data, never over it.

use std::fmt::Display;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::PlotError;

/// Width of a page; heights follow from its panels.
const PAGE_PX: u32 = 1200;
const TITLE_PX: u32 = 46;
/// A panel of the whole width, with room for its legend.
const WIDE_PX: u32 = 400;
const LEGEND_PX: u32 = 260;
/// Panels of a third of the width.
const SMALL_PX: u32 = 270;
const SMALL_IN_ROW: usize = 3;
/// Room for so many bars at least, so that one alone does not fill a panel.
const BARS_MIN: usize = 5;
/// Characters of a name in a legend or title: a longer one would leave the page.
const NAME_CHARS_MAX: usize = 34;
const TITLE_CHARS_MAX: usize = 130;
/// What is beyond is no quality and no parameter, and pixels could not be calculated.
const VALUE_MAX: f64 = 1e18;
/// One that spreads over more than this factor reads better by its logarithm.
const LOG_FROM: f64 = 30.0;

/// After Okabe & Ito: told apart by everyone.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(120, 94, 60),
    RGBColor(90, 90, 90),
];

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Line,
    Dots,
    /// Dots with nothing in them.
    Rings,
    /// From 0 to `x`, one below another, with the series' name in it.
    Bar,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    /// Of the legend; none if empty.
    pub name: String,
    pub colour: usize,
    pub mark: Mark,
    pub points: Vec<(f64, f64)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panel {
    pub title: String,
    /// Names of the axes, with units.
    pub x: String,
    pub y: String,
    /// Takes the whole width and has a legend.
    pub wide: bool,
    pub series: Vec<Series>,
}

impl Panel {
    fn of_bars(&self) -> bool {
        self.series.iter().any(|series| series.mark == Mark::Bar)
    }

    /// Points that can be drawn.
    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.series.iter().flat_map(|series| series.points.iter().copied()).filter(drawable)
    }

    fn is_log(&self) -> bool {
        let (least, most) = bounds(self.points().map(|point| point.0));
        !self.of_bars() && !self.wide && 0.0 < least && LOG_FROM < most / least
    }
}

type Page<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws all panels below the title, small ones side by side.
pub(crate) fn draw(title: &str, panels: &[Panel]) -> Result<String, PlotError> {
    let mut rows: Vec<&[Panel]> = Vec::new();
    for same in panels.chunk_by(|a, b| a.wide == b.wide) {
        rows.extend(same.chunks(if same.iter().any(|panel| panel.wide) { 1 } else { SMALL_IN_ROW }));
    }
    let height = |row: &[Panel]| if row.iter().any(|panel| panel.wide) { WIDE_PX } else { SMALL_PX };
    let high = TITLE_PX + rows.iter().map(|row| height(row)).sum::<u32>();
    let mut svg = String::new();
    {
        let page = SVGBackend::with_string(&mut svg, (PAGE_PX, high)).into_drawing_area();
        page.fill(&WHITE).map_err(failed)?;
        let style = font(20).pos(Pos::new(HPos::Center, VPos::Center));
        let at = (PAGE_PX as i32 / 2, TITLE_PX as i32 / 2);
        page.draw_text(&cut(title, TITLE_CHARS_MAX), &style, at).map_err(failed)?;
        let mut top = TITLE_PX;
        for row in rows {
            let wide = row.iter().any(|panel| panel.wide);
            let each = if wide { PAGE_PX } else { PAGE_PX / SMALL_IN_ROW as u32 };
            for (panel, left) in row.iter().zip((0..).step_by(each as usize)) {
                draw_panel(&page.clone().shrink((left, top), (each, height(row))), panel)?;
            }
            top += height(row);
        }
        page.present().map_err(failed)?;
    }
    Ok(svg)
}

fn draw_panel(area: &Page<'_>, panel: &Panel) -> Result<(), PlotError> {
    let log = panel.is_log();
    let to_x = |x: f64| if log { x.log10() } else { x };
    let (x_from, x_to) = if panel.of_bars() {
        let (least, most) = bounds(panel.points().map(|point| point.0));
        let most = if 0.0 < most { most } else { 1.0 };
        (least.min(0.0), most * 1.05)
    } else {
        padded(panel.points().map(|point| to_x(point.0)))
    };
    let (y_from, y_to) = if panel.of_bars() {
        (0.8 - panel.series.len().max(BARS_MIN) as f64, 1.0)
    } else {
        padded(panel.points().map(|point| point.1))
    };
    let (plot, legend) = if panel.wide {
        let (plot, legend) = area.split_horizontally(PAGE_PX - LEGEND_PX);
        (plot, Some(legend))
    } else {
        (area.clone(), None)
    };
    let mut builder = ChartBuilder::on(&plot);
    builder.caption(cut(&panel.title, TITLE_CHARS_MAX), font(15)).margin(8).x_label_area_size(42);
    builder.y_label_area_size(if panel.of_bars() { 24 } else { 62 });
    let mut chart = builder.build_cartesian_2d(x_from..x_to, y_from..y_to).map_err(failed)?;
    let name = |x: &f64| short(if log { 10f64.powf(*x) } else { *x });
    let mut mesh = chart.configure_mesh();
    mesh.label_style(font(12)).axis_desc_style(font(13)).light_line_style(TRANSPARENT);
    let x = if log { format!("{}, logarithmic", panel.x) } else { panel.x.clone() };
    mesh.bold_line_style(RGBColor(225, 225, 225)).x_desc(x).y_desc(panel.y.clone());
    mesh.x_labels(if panel.wide { 10 } else { 5 }).x_label_formatter(&name).y_label_formatter(&short_of);
    if panel.of_bars() {
        mesh.y_labels(0).disable_y_mesh();
    } else {
        mesh.y_labels(if panel.wide { 8 } else { 5 });
    }
    mesh.draw().map_err(failed)?;
    for series in &panel.series {
        let points: Vec<(f64, f64)> =
            series.points.iter().copied().filter(drawable).map(|(x, y)| (to_x(x), y)).collect();
        draw_series(&mut chart, series, points)?;
    }
    legend.map_or(Ok(()), |legend| draw_legend(&legend, panel))
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn draw_series(chart: &mut Chart<'_, '_>, series: &Series, points: Vec<(f64, f64)>) -> Result<(), PlotError> {
    let colour = colour(series.colour);
    match series.mark {
        Mark::Line => {
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2))).map_err(failed)?;
        }
        Mark::Dots => {
            let dots = points.into_iter().map(|at| Circle::new(at, 3, colour.filled()));
            chart.draw_series(dots).map_err(failed)?;
        }
        Mark::Rings => {
            let rings = points.into_iter().map(|at| Circle::new(at, 3, colour.mix(0.6)));
            chart.draw_series(rings).map_err(failed)?;
        }
        Mark::Bar => {
            for (x, y) in points {
                let bar = Rectangle::new([(0.0, y), (x, y + 0.8)], colour.mix(0.35).filled());
                let style = font(13).pos(Pos::new(HPos::Left, VPos::Center));
                let said = format!(" {} {}", cut(&series.name, NAME_CHARS_MAX), short(x));
                chart.draw_series([bar]).map_err(failed)?;
                chart.draw_series([Text::new(said, (0.0, y + 0.4), style)]).map_err(failed)?;
            }
        }
    }
    Ok(())
}

fn draw_legend(legend: &Page<'_>, panel: &Panel) -> Result<(), PlotError> {
    let named = panel.series.iter().filter(|series| !series.name.is_empty() && series.mark != Mark::Bar);
    for (series, top) in named.zip((44..WIDE_PX as i32 - 20).step_by(20)) {
        let colour = colour(series.colour);
        match series.mark {
            Mark::Line | Mark::Bar => {
                let line = PathElement::new([(4, top), (26, top)], colour.stroke_width(2));
                legend.draw(&line).map_err(failed)?;
            }
            Mark::Dots => legend.draw(&Circle::new((15, top), 3, colour.filled())).map_err(failed)?,
            Mark::Rings => legend.draw(&Circle::new((15, top), 3, colour.mix(0.6))).map_err(failed)?,
        }
        let style = font(13).pos(Pos::new(HPos::Left, VPos::Center));
        legend.draw_text(&cut(&series.name, NAME_CHARS_MAX), &style, (34, top)).map_err(failed)?;
    }
    Ok(())
}

fn colour(at: usize) -> RGBColor {
    COLOURS.get(at % COLOURS.len()).copied().unwrap_or(BLACK)
}

fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&RGBColor(40, 40, 40))
}

fn failed(error: impl Display) -> PlotError {
    PlotError(error.to_string())
}

fn drawable((x, y): &(f64, f64)) -> bool {
    x.abs() <= VALUE_MAX && y.abs() <= VALUE_MAX
}

/// Least and most; 0 and 1 without any.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
    if least <= most { (least, most) } else { (0.0, 1.0) }
}

/// Bounds with air around them, also where all values are the same.
fn padded(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = bounds(values);
    let spread = most - least;
    let air = if 0.0 < spread { spread * 0.05 } else { (most.abs() * 0.1).max(1e-3) };
    (least - air, most + air)
}

/// Three digits that say something: `0.0123`, `12.3`, `4500`.
fn short(x: f64) -> String {
    let digits = if x == 0.0 { 0 } else { 2 - x.abs().log10().floor().clamp(-3.0, 8.0) as i32 };
    let text = format!("{x:.*}", usize::try_from(digits).unwrap_or(0));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text.chars().all(|c| matches!(c, '-' | '0' | '.')) { "0".to_owned() } else { text.to_owned() }
}

fn short_of(x: &f64) -> String {
    short(*x)
}

fn cut(text: &str, chars_max: usize) -> String {
    let mut cut: String = text.chars().take(chars_max).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: Vec<(f64, f64)>, mark: Mark) -> Series {
        Series { name: "one & two".to_owned(), colour: 9, mark, points }
    }

    fn panel(wide: bool, series: Vec<Series>) -> Panel {
        Panel { title: "a < b".to_owned(), x: "x, days".to_owned(), y: "y".to_owned(), wide, series }
    }

    #[test]
    fn odd_points_are_left_out_and_every_page_is_well_formed() {
        let odd = vec![(f64::NAN, 1.0), (f64::INFINITY, 2.0), (1.0, f64::NAN)];
        let huge = vec![(1e-300, -1e300), (1e300, 1e300), (1e-300, 1e18), (-1e18, 0.0)];
        for points in [vec![], odd, huge, vec![(0.0, 0.0)], vec![(5.0, 2.0), (5.0, 2.0)]] {
            for mark in [Mark::Line, Mark::Dots, Mark::Rings, Mark::Bar] {
                for wide in [true, false] {
                    let mut points = points.clone();
                    if mark == Mark::Bar {
                        points.iter_mut().for_each(|point| point.1 = 0.0);
                    }
                    let svg = draw("t", &[panel(wide, vec![series(points.clone(), mark)])]).unwrap();
                    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{svg}");
                    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{mark:?} {points:?}: {svg}");
                }
            }
        }
        assert!(draw("nothing", &[]).unwrap().contains("nothing"));
    }

    #[test]
    fn text_is_text_and_is_escaped() {
        let svg = draw("title", &[panel(true, vec![series(vec![(1.0, 2.0), (2.0, 3.0)], Mark::Line)])]);
        let svg = svg.unwrap();
        for said in ["title", "a &lt; b", "x, days", "one &amp; two"] {
            assert!(svg.contains(said), "{said}: {svg}");
        }
        assert!(svg.contains("<text") && !svg.contains("<image"));
    }

    #[test]
    fn numbers_are_short() {
        let cases = [(0.0, "0"), (-0.0, "0"), (0.012_345, "0.0123"), (12.34, "12.3"), (4500.0, "4500")];
        for (x, text) in cases {
            assert_eq!(short(x), text);
        }
        assert_eq!(
            (short(1e-12), short(-0.5), short(123_456.7)),
            ("0".into(), "-0.5".into(), "123457".into())
        );
    }

    #[test]
    fn wide_ranges_are_read_by_their_logarithm() {
        let of = |points| panel(false, vec![series(points, Mark::Dots)]).is_log();
        assert!(of(vec![(0.01, 1.0), (10.0, 1.0)]));
        assert!(!of(vec![(1.0, 1.0), (10.0, 1.0)]) && !of(vec![(0.0, 1.0), (10.0, 1.0)]) && !of(vec![]));
    }
}
