//! A part of a picture with axes of its own.

use super::{Anchor, Axis, DARK, FAINT, Ink, Lettering, MUTED, Picture, Place, number};

const HEADING: Lettering = Lettering { bold: true, ..Lettering::new(14.0, DARK, Anchor::Start) };
const SMALL: f64 = 12.0;
/// About the width of a letter of small text.
const LETTER: f64 = 6.6;

/// What a color or a line stands for.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Legend<'a> {
    pub(in super::super) name: &'a str,
    pub(in super::super) ink: Ink,
}

/// Two axes and what is written beside them.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Panel<'a> {
    pub(in super::super) heading: &'a str,
    /// What is counted from left to right, and in which unit; no marks are set if empty.
    pub(in super::super) across: (&'a str, Axis),
    /// What is counted upwards, and in which unit.
    pub(in super::super) up: (&'a str, Axis),
}

impl Panel<'_> {
    /// The place of two values.
    pub(in super::super) fn place(&self, across: f64, up: f64) -> Place {
        (self.across.1.place(across), self.up.1.place(up))
    }

    /// Draws all but the figures: grid, marks, headings, legend. `shown` is how the values upwards are written.
    pub(in super::super) fn frame(&self, picture: &mut Picture, legend: &[Legend<'_>], shown: impl Fn(f64) -> String) {
        let ((left, right), (bottom, top)) = (self.across.1.ends(), self.up.1.ends());
        for mark in self.up.1.marks() {
            let y = self.up.1.place(mark);
            picture.line((left, y), (right, y), Ink::solid(FAINT, 1.0));
            picture.text((left - 8.0, y + 4.0), &shown(mark), Lettering::new(SMALL, MUTED, Anchor::End));
        }
        if !self.across.0.is_empty() {
            self.mark_across(picture, bottom, top);
        }
        picture.line((left, bottom), (right, bottom), Ink::solid(MUTED, 1.0));
        picture.text((left, top - 28.0), self.heading, HEADING);
        let upright = Lettering { upright: true, ..Lettering::new(SMALL, MUTED, Anchor::Middle) };
        picture.text((left - 68.0, (top + bottom) / 2.0), self.up.0, upright);
        explain(picture, (right, top - 28.0), legend);
    }

    fn mark_across(&self, picture: &mut Picture, bottom: f64, top: f64) {
        let (left, right) = self.across.1.ends();
        for mark in self.across.1.marks() {
            let x = self.across.1.place(mark);
            picture.line((x, bottom), (x, top), Ink::solid(FAINT, 1.0));
            picture.text((x, bottom + 17.0), &number(mark), Lettering::new(SMALL, MUTED, Anchor::Middle));
        }
        picture.text(((left + right) / 2.0, bottom + 35.0), self.across.0, Lettering::new(SMALL, MUTED, Anchor::Middle));
    }
}

/// Draws a legend that ends at this place.
fn explain(picture: &mut Picture, (right, y): Place, legend: &[Legend<'_>]) {
    let width = |one: &Legend<'_>| 26.0 + one.name.chars().count() as f64 * LETTER + 14.0;
    let mut x = right - legend.iter().map(width).sum::<f64>() + 14.0;
    for one in legend {
        picture.line((x, y - 4.0), (x + 20.0, y - 4.0), one.ink);
        picture.text((x + 26.0, y), one.name, Lettering::new(SMALL, DARK, Anchor::Start));
        x += width(one);
    }
}
