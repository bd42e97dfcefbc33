//! Where values stand along an edge of a picture, and which of them are marked.

/// How values are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Scale {
    /// Equal differences are equally far apart.
    Linear,
    /// Equal ratios are.
    Logarithmic,
}

/// Values from low to high along pixels.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    /// The pixels of the two.
    pixels: (f64, f64),
}

impl Axis {
    /// An axis that holds all of these values; one of them at least must be finite, and above 0 for logarithms. A linear axis begins at 0.
    pub(in super::super) fn of(scale: Scale, values: impl Iterator<Item = f64>, pixels: (f64, f64)) -> Self {
        let usable = values.filter(|value| value.is_finite() && (scale == Scale::Linear || *value > 0.0));
        let (low, high) = usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low <= high { (low, high) } else { (1.0, 1.0) };
        let (low, high) = match scale {
            Scale::Linear => (low.min(0.0), if high > 0.0 { high * 1.05 } else { 1.0 }),
            // Room at both ends, so that nothing stands on the edge.
            Scale::Logarithmic => (low / 1.15, high * 1.15),
        };
        Self { scale, low, high, pixels }
    }

    /// An axis between these values.
    pub(in super::super) fn between(low: f64, high: f64, pixels: (f64, f64)) -> Self {
        Self { scale: Scale::Linear, low, high, pixels }
    }

    /// The pixel of a value.
    pub(in super::super) fn place(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Logarithmic => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// The pixels of its two ends.
    pub(in super::super) fn ends(&self) -> (f64, f64) {
        self.pixels
    }

    /// Round values to be marked, four to a dozen of them.
    pub(in super::super) fn marks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => self.steps(),
            Scale::Logarithmic => self.decades(),
        }
    }

    fn steps(&self) -> Vec<f64> {
        let rough = (self.high - self.low) / 6.0;
        let unit = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * unit).into_iter().find(|step| *step >= rough).unwrap_or(unit);
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step * (1.0 + 1e-9)).floor() as i64);
        (first..=last).map(|count| count as f64 * step).collect()
    }

    fn decades(&self) -> Vec<f64> {
        let (first, last) = (self.low.log10().floor() as i32, self.high.log10().ceil() as i32);
        // Over many decades only some of them are marked.
        let (factors, stride): (&[f64], usize) = match (self.high / self.low).log10() {
            ..=3.3 => (&[1.0, 2.0, 5.0], 1),
            decades => (&[1.0], decades as usize / 8 + 1),
        };
        let marks = (first..=last).step_by(stride).flat_map(|decade| factors.iter().map(move |factor| factor * 10_f64.powi(decade)));
        marks.filter(|mark| (self.low..=self.high).contains(mark)).collect()
    }
}

/// A number for people: thousands parted, and three digits of a small one.
pub(in super::super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size => (2 - size.log10().floor() as i32).clamp(0, 6) as usize,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut parted = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            parted.push(',');
        }
        parted.push(digit);
    }
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{parted}"),
        fraction => format!("{sign}{parted}.{fraction}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_within() {
        assert_eq!(Axis::between(0.0, 1.0, (0.0, 10.0)).marks(), [0.0, 0.2, 0.4, 0.600_000_000_000_000_1, 0.8, 1.0]);
        let axis = Axis::of(Scale::Linear, [1234.0, 50.0].into_iter(), (100.0, 0.0));
        assert_eq!(axis.marks(), [0.0, 250.0, 500.0, 750.0, 1000.0, 1250.0]);
        assert_eq!((axis.place(0.0), axis.place(1234.0 * 1.05)), (100.0, 0.0));
        let axis = Axis::of(Scale::Logarithmic, [0.0, 9.0, 2000.0].into_iter(), (0.0, 1.0));
        assert_eq!(axis.marks(), [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0]);
        let middle = axis.place((9.0_f64 * 2000.0).sqrt());
        assert!((middle - 0.5).abs() < 1e-9, "{middle}");
    }

    #[test]
    fn an_axis_of_one_value_or_of_none_still_has_a_length() {
        for values in [vec![], vec![5.0], vec![f64::NAN, 0.0]] {
            for scale in [Scale::Linear, Scale::Logarithmic] {
                let axis = Axis::of(scale, values.iter().copied(), (0.0, 1.0));
                assert!(axis.place(1.0).is_finite() && axis.marks().len() < 20, "{values:?} {axis:?}");
            }
        }
    }

    #[test]
    fn numbers_are_for_people() {
        let table = [
            (1_234_567.0, "1,234,567"),
            (0.0, "0"),
            (0.5, "0.5"),
            (12.345, "12.3"),
            (999.6, "1,000"),
            (-1234.0, "-1,234"),
            (0.001_234, "0.00123"),
        ];
        table.into_iter().for_each(|(value, text)| assert_eq!(number(value), text));
    }
}
