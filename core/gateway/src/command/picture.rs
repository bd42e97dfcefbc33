//! Pictures of figures, as SVG that stands alone: no script, no fonts of its own, a background that it brings along, and a hint on each
//! thing that is drawn, which viewers show under the pointer.
//!
//! Written here and not by `plotters` (0.3.7): that puts every point on a whole pixel, draws no dashed line, and gives shapes no `<title>`;
//! without it a picture is half a dozen elements.

mod axis;
mod panel;

pub(super) use axis::{Axis, Scale, number};
pub(super) use panel::{Legend, Panel};

use std::fmt::Write as _;

/// Text and lines that matter.
pub(super) const DARK: &str = "#26292e";
/// Text and lines that matter less.
pub(super) const MUTED: &str = "#666b73";
/// Lines that help the eye.
pub(super) const FAINT: &str = "#e2e4e8";
const BACKGROUND: &str = "#fcfcfa";

/// Pixels from the left and from the top.
pub(super) type Place = (f64, f64);

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ink {
    pub(super) color: &'static str,
    /// In pixels.
    pub(super) width: f64,
    pub(super) dashed: bool,
}

impl Ink {
    pub(super) const fn solid(color: &'static str, width: f64) -> Self {
        Self { color, width, dashed: false }
    }

    pub(super) const fn dashed(color: &'static str, width: f64) -> Self {
        Self { color, width, dashed: true }
    }
}

/// Where a text stands relative to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lettering {
    /// In pixels.
    pub(super) size: f64,
    pub(super) color: &'static str,
    pub(super) anchor: Anchor,
    pub(super) bold: bool,
    /// Whether it is read from below.
    pub(super) upright: bool,
}

impl Lettering {
    pub(super) const fn new(size: f64, color: &'static str, anchor: Anchor) -> Self {
        Self { size, color, anchor, bold: false, upright: false }
    }
}

/// A picture in the making.
#[derive(Debug)]
pub(super) struct Picture {
    text: String,
}

impl Picture {
    /// An empty picture of this size in pixels. Readers that cannot see it get its title and its description.
    pub(super) fn new(width: f64, height: f64, title: &str, description: &str) -> Self {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
             font-family=\"Inter, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif\">\n<title>{}</title>\n<desc>{}</desc>",
            escaped(title),
            escaped(description)
        );
        let (width, height) = (width - 1.0, height - 1.0);
        let _ = writeln!(
            text,
            "<rect x=\"0.5\" y=\"0.5\" width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{BACKGROUND}\" stroke=\"{FAINT}\"/>"
        );
        Self { text }
    }

    /// A line between two places.
    pub(super) fn line(&mut self, from: Place, to: Place, ink: Ink) {
        self.curve(&[from, to], ink, "");
    }

    /// A line through places.
    pub(super) fn curve(&mut self, places: &[Place], ink: Ink, hint: &str) {
        let points: Vec<String> = places.iter().map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
        let dashes = if ink.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let Ink { color, width, .. } = ink;
        let start = format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\"{dashes} stroke-linejoin=\"round\"",
            points.join(" ")
        );
        self.element(&start, "polyline", hint);
    }

    /// A filled rectangle between two opposite corners.
    pub(super) fn bar(&mut self, one: Place, other: Place, color: &str, hint: &str) {
        let (x, y) = (one.0.min(other.0), one.1.min(other.1));
        let (width, height) = ((one.0 - other.0).abs(), (one.1 - other.1).abs());
        let start = format!("<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{color}\"");
        self.element(&start, "rect", hint);
    }

    /// A dot with a rim that parts it from what lies below it.
    pub(super) fn dot(&mut self, (x, y): Place, radius: f64, color: &str, hint: &str) {
        let start = format!("<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" fill=\"{color}\" stroke=\"{BACKGROUND}\"");
        self.element(&start, "circle", hint);
    }

    /// A line of text.
    pub(super) fn text(&mut self, (x, y): Place, words: &str, lettering: Lettering) {
        let anchor = match lettering.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if lettering.bold { " font-weight=\"600\"" } else { "" };
        let turned = if lettering.upright { format!(" transform=\"rotate(-90 {x:.2} {y:.2})\"") } else { String::new() };
        let Lettering { size, color, .. } = lettering;
        // The rim keeps a text readable on a curve.
        let _ = writeln!(
            self.text,
            "<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{size}\" fill=\"{color}\" text-anchor=\"{anchor}\"{weight}{turned} \
             stroke=\"{BACKGROUND}\" stroke-width=\"3\" paint-order=\"stroke\">{}</text>",
            escaped(words)
        );
    }

    /// The picture as a file's text.
    pub(super) fn finish(mut self) -> String {
        self.text += "</svg>\n";
        self.text
    }

    fn element(&mut self, start: &str, name: &str, hint: &str) {
        let _ = match hint {
            "" => writeln!(self.text, "{start}/>"),
            hint => writeln!(self.text, "{start}><title>{}</title></{name}>", escaped(hint)),
        };
    }
}

/// A text without the characters that mean something in XML, and without those that it cannot hold.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_stay_text() {
        let mut picture = Picture::new(10.0, 10.0, "a<b>&\"c\"\u{7}.csv", "");
        picture.dot((1.0, 2.0), 3.0, DARK, "</circle>");
        picture.text((1.0, 2.0), "<script>", Lettering::new(12.0, DARK, Anchor::Middle));
        let text = picture.finish();
        assert!(
            text.contains("<title>a&lt;b&gt;&amp;&quot;c&quot; .csv</title>") && text.contains("<title>&lt;/circle&gt;</title>"),
            "{text}"
        );
        assert!(!text.contains("<script") && text.ends_with("</svg>\n"), "{text}");
    }
}
