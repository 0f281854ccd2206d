//! SVG, as far as a chart needs it.

use std::fmt::Write as _;

/// The width of every chart, in the units of its own that all other lengths are in.
pub const WIDTH: f64 = 760.0;

/// A colour that can be seen on light and on dark ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// That of the text around the chart.
    Text,
    Faint,
    Grey,
    Blue,
    Orange,
}

impl Ink {
    /// The values of the attributes for a colour and its opacity.
    fn attributes(self, what: &str) -> String {
        let (colour, opacity) = match self {
            Ink::Text => ("currentColor", 1.0),
            Ink::Faint => ("currentColor", 0.35),
            Ink::Grey => ("#8a8f98", 1.0),
            Ink::Blue => ("#3d85e0", 1.0),
            Ink::Orange => ("#e0730f", 1.0),
        };
        format!(r#"{what}="{colour}" {what}-opacity="{opacity}""#)
    }
}

/// Where a text is, seen from its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing in the making.
pub struct Svg {
    height: f64,
    title: String,
    body: String,
}

impl Svg {
    /// An empty drawing with a title and a line below it.
    pub fn new(height: f64, title: &str, subtitle: &str) -> Svg {
        let mut svg = Svg {
            height,
            title: title.to_owned(),
            body: String::new(),
        };
        svg.bold(16.0, 24.0, title);
        svg.text((16.0, 44.0), Anchor::Start, subtitle);
        svg
    }

    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let ink = Ink::Text.attributes("fill");
        self.add(&format!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" {ink}>{}</text>"#,
            escaped(text)
        ));
    }

    fn bold(&mut self, x: f64, y: f64, text: &str) {
        let ink = Ink::Text.attributes("fill");
        self.add(&format!(
            r#"<text x="{x:.1}" y="{y:.1}" font-size="16" font-weight="bold" {ink}>{}</text>"#,
            escaped(text)
        ));
    }

    /// A text that is read from below, with its middle here.
    pub fn upright_text(&mut self, (x, y): (f64, f64), text: &str) {
        let ink = Ink::Text.attributes("fill");
        let place = format!(r#"transform="translate({x:.1} {y:.1}) rotate(-90)""#);
        self.add(&format!(
            r#"<text {place} text-anchor="middle" {ink}>{}</text>"#,
            escaped(text)
        ));
    }

    pub fn line(&mut self, points: &[(f64, f64)], ink: Ink, width: f64, is_dashed: bool) {
        let points: Vec<_> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let dash = if is_dashed {
            r#" stroke-dasharray="6 4""#
        } else {
            ""
        };
        self.add(&format!(
            r#"<polyline points="{}" fill="none" {} stroke-width="{width}"{dash}/>"#,
            points.join(" "),
            ink.attributes("stroke")
        ));
    }

    pub fn dot(&mut self, (x, y): (f64, f64), ink: Ink) {
        let ink = ink.attributes("fill");
        self.add(&format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" {ink}/>"#));
    }

    pub fn rectangle(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), ink: Ink) {
        let ink = ink.attributes("fill");
        let size = format!(r#"width="{width:.1}" height="{height:.1}""#);
        self.add(&format!(r#"<rect x="{x:.1}" y="{y:.1}" {size} {ink}/>"#));
    }

    /// The names of what is drawn, in a row.
    pub fn legend(&mut self, y: f64, entries: &[(&str, Ink, Mark)]) {
        let mut x = 16.0;
        for (name, ink, mark) in entries {
            let middle = y - 4.5;
            match mark {
                Mark::Area => self.rectangle((x, middle - 5.0), (22.0, 10.0), *ink),
                Mark::Dot => self.dot((x + 11.0, middle), *ink),
                Mark::Line | Mark::Dashes => {
                    let ends = [(x, middle), (x + 22.0, middle)];
                    self.line(&ends, *ink, 2.0, *mark == Mark::Dashes);
                }
            }
            self.text((x + 28.0, y), Anchor::Start, name);
            x += 28.0 + 7.2 * name.chars().count() as f64 + 18.0;
        }
    }

    fn add(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// The drawing. It has no empty line, with which the HTML of a page in Markdown would end.
    pub fn finish(self) -> String {
        let (height, title) = (self.height, escaped(&self.title));
        let mut text = String::new();
        // A string can be written to without end.
        let _ = write!(
            text,
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" "#,
                r#"role="img" aria-label="{title}" font-family="sans-serif" font-size="13" style="max-width:100%;min-width:600px;height:auto">"#,
                "\n<title>{title}</title>\n",
                // Where it is a part of a page, the root is the page's, and so is the colour.
                "<style>svg:root{{color:#24292f}}@media(prefers-color-scheme:dark){{svg:root{{color:#d0d7de}}}}</style>\n",
                "{body}</svg>\n",
            ),
            width = WIDTH,
            height = height,
            title = title,
            body = self.body,
        );
        text
    }
}

/// How something is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Area,
    Dot,
    Line,
    Dashes,
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// Round numbers from zero to beyond `most`, about so many.
pub fn ticks(most: f64, about: f64) -> Vec<f64> {
    let rough = most.max(1e-9) / about;
    let unit = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * unit);
    let step = steps.into_iter().find(|step| *step >= rough);
    let step = step.unwrap_or(unit);
    let count = (most / step).ceil().max(1.0);
    let mut all = vec![0.0];
    while all.len() as f64 <= count {
        all.push(all.len() as f64 * step);
    }
    all
}

/// A number on an axis.
pub fn tick_label(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
