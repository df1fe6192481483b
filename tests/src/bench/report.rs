//! What was measured, against what was promised.

use serde::Serialize;

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The name that selects it on the command line.
    pub line: &'static str,
    /// What it is, for people.
    pub what: String,
    /// What is promised.
    pub target: Target,
    /// What was measured: the median, the largest, or the only value, as `what` says.
    pub value: f64,
    /// The unit of all values.
    pub unit: &'static str,
    /// Every single measurement.
    pub samples: Vec<f64>,
}

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
}

impl Figure {
    /// Whether the promise is kept.
    pub fn is_reached(&self) -> bool {
        match self.target {
            Target::AtLeast(bound) => self.value >= bound,
            Target::AtMost(bound) => self.value <= bound,
        }
    }

    /// The line for people.
    pub fn row(&self) -> String {
        let (relation, bound) = match self.target {
            Target::AtLeast(bound) => (">=", bound),
            Target::AtMost(bound) => ("<=", bound),
        };
        let verdict = if self.is_reached() {
            "reached"
        } else {
            "MISSED"
        };
        format!(
            "{:<64} {relation} {:>8} {:>12} {:<6} {verdict} (n={}, {} to {})",
            self.what,
            number(bound),
            number(self.value),
            self.unit,
            self.samples.len(),
            number(smallest(&self.samples)),
            number(largest(&self.samples)),
        )
    }
}

/// The middle value; the mean of the two middle ones when their number is even; NaN of nothing.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => f64::NAN,
        (Some(&upper), 1) => upper,
        (Some(&upper), _) => (sorted[middle - 1] + upper) / 2.0,
    }
}

/// The largest value; NaN of nothing.
pub fn largest(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::NAN, f64::max)
}

fn smallest(samples: &[f64]) -> f64 {
    samples.iter().copied().fold(f64::NAN, f64::min)
}

/// Three significant digits are enough for anybody who compares.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_odd_and_even_numbers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_figure_says_whether_it_is_reached() {
        let figure = |target, value| Figure {
            line: "tcp",
            what: "one TCP flow".to_owned(),
            target,
            value,
            unit: "",
            samples: vec![value],
        };
        assert!(figure(Target::AtLeast(0.97), 0.98).is_reached());
        assert!(!figure(Target::AtLeast(0.97), 0.96).is_reached());
        assert!(!figure(Target::AtMost(0.0), f64::NAN).is_reached());
        assert!(figure(Target::AtMost(0.0), 1.0).row().contains("MISSED"));
    }
}
