//! Axes: from values to places, and where the marks go.

/// A range of values along a side of a picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Where these two are.
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Scale {
    pub(crate) fn place(self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low).max(1e-12);
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Round values within, about as many as wanted.
    pub(crate) fn marks(self, wanted: usize, steps: &[f64]) -> Vec<f64> {
        let rough = (self.high - self.low) / wanted.max(1) as f64;
        let step = steps.iter().copied().find(|step| *step >= rough * 0.9);
        let step = step.unwrap_or_else(|| nice(rough));
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|nth| nth as f64 * step).collect()
    }
}

/// Steps of a time in seconds.
pub(crate) const TIMES: &[f64] = &[
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0,
];

/// The next of 1, 2, 5, 10 and so on that is not smaller.
pub(crate) fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let fits = factors.into_iter().find(|f| f * power >= value * 0.999_999);
    fits.unwrap_or(10.0) * power
}

/// A value at an axis.
pub(crate) fn label(value: f64) -> String {
    if value.abs() >= 1_000_000.0 {
        return format!("{}M", trimmed(value / 1_000_000.0));
    }
    if value.abs() >= 10_000.0 {
        return format!("{}k", trimmed(value / 1_000.0));
    }
    trimmed(value)
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".to_owned(),
        text => text.replace('-', "\u{2212}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_within() {
        let scale = Scale {
            low: -3.0,
            high: 480.0,
            from: 50.0,
            to: 500.0,
        };
        assert_eq!(
            scale.marks(8, TIMES),
            [0.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 420.0, 480.0]
        );
        assert_eq!(scale.place(480.0), 500.0);
        assert_eq!(scale.place(1e9), 500.0);
        assert_eq!([nice(0.3), nice(2.0), nice(21.0)], [0.5, 2.0, 50.0]);
        assert_eq!(
            [label(12_500.0), label(0.5), label(-1.0)],
            ["12.5k", "0.5", "\u{2212}1"]
        );
    }
}
