//! Charts of one quantity against another.

use super::svg::{Anchor, Ink, Mark, Svg, WIDTH, tick_label, ticks};

const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = HEIGHT - 52.0;

/// A chart of lines and points, both axes from zero.
pub struct Lines {
    pub title: String,
    pub subtitle: String,
    pub x_label: String,
    pub y_label: String,
    pub series: Vec<Series>,
}

/// What belongs together.
pub struct Series {
    name: String,
    ink: Ink,
    mark: Mark,
    points: Vec<(f64, f64)>,
    /// A text at each point; none for a line.
    labels: Vec<String>,
}

impl Series {
    pub fn line(name: &str, ink: Ink, points: Vec<(f64, f64)>) -> Series {
        Series {
            name: name.to_owned(),
            ink,
            mark: Mark::Line,
            points,
            labels: Vec::new(),
        }
    }

    pub fn points(name: &str, ink: Ink, labelled: Vec<((f64, f64), String)>) -> Series {
        let (points, labels) = labelled.into_iter().unzip();
        Series {
            labels,
            mark: Mark::Dot,
            ..Series::line(name, ink, points)
        }
    }

    pub fn dashed(self) -> Series {
        let mark = Mark::Dashes;
        Series { mark, ..self }
    }
}

impl Lines {
    pub fn draw(&self) -> String {
        let mut svg = Svg::new(HEIGHT, &self.title, &self.subtitle);
        let entry = |series: &Series| (series.name.clone(), series.ink, series.mark);
        let entries: Vec<_> = self.series.iter().map(entry).collect();
        let entries: Vec<_> = entries
            .iter()
            .map(|(n, i, m)| (n.as_str(), *i, *m))
            .collect();
        svg.legend(70.0, &entries);

        let all = || self.series.iter().flat_map(|series| &series.points);
        let (xs, ys) = (
            ticks(all().map(|point| point.0).fold(0.0, f64::max), 10.0),
            ticks(all().map(|point| point.1).fold(0.0, f64::max), 5.0),
        );
        let last = |ticks: &[f64]| ticks.last().copied().unwrap_or(1.0);
        let (most_x, most_y) = (last(&xs), last(&ys));
        let x = |value: f64| LEFT + (RIGHT - LEFT) * value / most_x;
        let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / most_y;
        for tick in xs {
            svg.text((x(tick), BOTTOM + 18.0), Anchor::Middle, &tick_label(tick));
        }
        for tick in ys {
            svg.line(&[(LEFT, y(tick)), (RIGHT, y(tick))], Ink::Faint, 0.5, false);
            svg.text((LEFT - 8.0, y(tick) + 4.5), Anchor::End, &tick_label(tick));
        }
        svg.line(&[(LEFT, BOTTOM), (RIGHT, BOTTOM)], Ink::Text, 1.0, false);
        let middle = f64::midpoint(LEFT, RIGHT);
        svg.text((middle, HEIGHT - 12.0), Anchor::Middle, &self.x_label);
        svg.upright_text((22.0, f64::midpoint(TOP, BOTTOM)), &self.y_label);
        for series in &self.series {
            let place = |(at_x, at_y): &(f64, f64)| (x(*at_x), y(*at_y));
            let points: Vec<_> = series.points.iter().map(place).collect();
            draw_series(&mut svg, series, &points);
        }
        svg.finish()
    }
}

fn draw_series(svg: &mut Svg, series: &Series, points: &[(f64, f64)]) {
    if series.mark != Mark::Dot {
        svg.line(points, series.ink, 2.0, series.mark == Mark::Dashes);
    }
    if series.ink != Ink::Faint {
        points.iter().for_each(|point| svg.dot(*point, series.ink));
    }
    for ((x, y), label) in points.iter().zip(&series.labels) {
        // Below and beside the point, where no line goes that rises through it; but not beyond the edge.
        let width = 7.2 * label.chars().count() as f64;
        if x + 10.0 + width < RIGHT {
            svg.text((x + 10.0, y + 17.0), Anchor::Start, label);
        } else {
            svg.text((x - 10.0, y - 8.0), Anchor::End, label);
        }
    }
}
