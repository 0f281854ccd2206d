//! Charts of bars, side by side.

use super::svg::{Anchor, Ink, Mark, Svg, WIDTH, tick_label, ticks};
use crate::common::rounded;

/// A chart of groups of bars.
pub struct Bars {
    pub title: String,
    pub subtitle: String,
    /// What the bars of one place are about.
    pub labels: Vec<String>,
    pub value_label: String,
    /// A value that is marked, and what it is.
    pub mark: Option<(f64, String)>,
    pub groups: Vec<Group>,
}

/// The bars of one colour, one for each label or none.
pub struct Group {
    pub name: String,
    pub ink: Ink,
    pub values: Vec<Option<f64>>,
}

/// What part of a place its bars take up.
const FILLED: f64 = 0.76;

impl Bars {
    fn begin(&self, height: f64) -> Svg {
        let mut svg = Svg::new(height, &self.title, &self.subtitle);
        let entry = |group: &Group| (group.name.clone(), group.ink);
        let entries: Vec<_> = self.groups.iter().map(entry).collect();
        let areas = entries.iter().map(|(n, i)| (n.as_str(), *i, Mark::Area));
        let mark = self.mark.as_ref();
        let mark = mark.map(|(_, name)| (name.as_str(), Ink::Text, Mark::Dashes));
        let entries: Vec<_> = areas.chain(mark).collect();
        svg.legend(70.0, &entries);
        svg
    }

    fn ticks(&self) -> Vec<f64> {
        let values = self.groups.iter().flat_map(|group| &group.values);
        ticks(values.flatten().copied().fold(0.0, f64::max), 6.0)
    }

    /// The groups that have a bar at this place.
    fn at(&self, place: usize) -> Vec<(Ink, f64)> {
        let bar = |group: &Group| Some((group.ink, group.values.get(place).copied()??));
        self.groups.iter().filter_map(bar).collect()
    }

    /// Bars that stand, with their labels below.
    pub fn draw_upright(&self) -> String {
        const HEIGHT: f64 = 400.0;
        const LEFT: f64 = 64.0;
        const RIGHT: f64 = WIDTH - 24.0;
        const TOP: f64 = 92.0;
        const BOTTOM: f64 = HEIGHT - 40.0;
        let mut svg = self.begin(HEIGHT);
        let ticks = self.ticks();
        let most = ticks.last().copied().unwrap_or(1.0);
        let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / most;
        for tick in ticks {
            svg.line(&[(LEFT, y(tick)), (RIGHT, y(tick))], Ink::Faint, 0.5, false);
            svg.text((LEFT - 8.0, y(tick) + 4.5), Anchor::End, &tick_label(tick));
        }
        let room = (RIGHT - LEFT) / self.labels.len() as f64;
        for (place, label) in self.labels.iter().enumerate() {
            let start = LEFT + room * place as f64;
            let bars = self.at(place);
            let width = room * FILLED / bars.len().max(1) as f64;
            for (serial, (ink, value)) in bars.into_iter().enumerate() {
                let x = start + room * (1.0 - FILLED) / 2.0 + width * serial as f64;
                svg.rectangle((x, y(value)), (width - 2.0, BOTTOM - y(value)), ink);
                // Not on the line of the mark.
                let mark = self.mark.as_ref().map(|(mark, _)| y(*mark));
                let top = mark.filter(|mark| (0.0..20.0).contains(&(y(value) - mark)));
                let top = top.unwrap_or(y(value));
                let above = (x + width / 2.0 - 1.0, top - 5.0);
                svg.text(above, Anchor::Middle, &format!("{value:.2}"));
            }
            svg.text((start + room / 2.0, BOTTOM + 18.0), Anchor::Middle, label);
        }
        svg.line(&[(LEFT, BOTTOM), (RIGHT, BOTTOM)], Ink::Text, 1.0, false);
        svg.upright_text((20.0, f64::midpoint(TOP, BOTTOM)), &self.value_label);
        if let Some((value, _)) = &self.mark {
            let ends = [(LEFT, y(*value)), (RIGHT, y(*value))];
            svg.line(&ends, Ink::Text, 1.0, true);
        }
        svg.finish()
    }

    /// Bars that lie, with their labels to the left.
    pub fn draw_lying(&self) -> String {
        const LEFT: f64 = 200.0;
        const RIGHT: f64 = WIDTH - 64.0;
        const TOP: f64 = 88.0;
        const ROOM: f64 = 46.0;
        let bottom = TOP + ROOM * self.labels.len() as f64;
        let mut svg = self.begin(bottom + 52.0);
        let ticks = self.ticks();
        let most = ticks.last().copied().unwrap_or(1.0);
        let x = |value: f64| LEFT + (RIGHT - LEFT) * value / most;
        for tick in ticks {
            svg.line(&[(x(tick), TOP), (x(tick), bottom)], Ink::Faint, 0.5, false);
            svg.text((x(tick), bottom + 18.0), Anchor::Middle, &tick_label(tick));
        }
        for (place, label) in self.labels.iter().enumerate() {
            let start = TOP + ROOM * place as f64;
            let bars = self.at(place);
            // As thick as where there are two, so that one alone is no other kind of bar.
            let height = ROOM * FILLED / 2.0;
            let used = height * bars.len() as f64;
            for (serial, (ink, value)) in bars.into_iter().enumerate() {
                let y = start + (ROOM - used) / 2.0 + height * serial as f64;
                svg.rectangle((LEFT, y), (x(value) - LEFT, height - 2.0), ink);
                let beside = (x(value) + 6.0, y + height / 2.0 + 3.5);
                svg.text(beside, Anchor::Start, &rounded(value));
            }
            svg.text((LEFT - 10.0, start + ROOM / 2.0 + 4.5), Anchor::End, label);
        }
        svg.line(&[(LEFT, TOP), (LEFT, bottom)], Ink::Text, 1.0, false);
        let middle = f64::midpoint(LEFT, RIGHT);
        svg.text((middle, bottom + 40.0), Anchor::Middle, &self.value_label);
        svg.finish()
    }
}
