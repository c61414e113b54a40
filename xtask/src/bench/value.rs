//! A measured value, and how it is written.

use serde::Serialize;

/// What a value is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Of the processor, in user space.
    Instructions,
    /// Of the kernel.
    Calls,
    /// Of a cache.
    Misses,
    /// Of two values in one unit.
    Ratio,
    /// 1,048,576 bytes.
    Mebibytes,
    /// 1,024 bytes.
    Kibibytes,
    /// Of time.
    Milliseconds,
    /// Of time.
    Seconds,
    /// Of time.
    Microseconds,
    /// Of cargo.
    Packages,
    /// To the gateway.
    Requests,
    /// Of a process.
    Descriptors,
    /// Of a process.
    Threads,
}

impl Unit {
    fn decimals(self) -> usize {
        match self {
            Self::Instructions | Self::Misses | Self::Packages | Self::Requests | Self::Descriptors | Self::Threads => {
                0
            }
            Self::Calls | Self::Ratio => 2,
            _ => 1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mebibytes => " MiB",
            Self::Kibibytes => " KiB",
            Self::Milliseconds => " ms",
            Self::Microseconds => " µs",
            Self::Seconds => " s",
            _ => "",
        }
    }

    /// As precise as it is written: what is written like the budget is not over it.
    #[must_use]
    pub fn round(self, number: f64) -> f64 {
        let scale = [1.0, 10.0, 100.0][self.decimals()];
        (number * scale).round() / scale
    }

    /// With thousands apart: `28,000`, `1.05`, `12.0 MiB`.
    #[must_use]
    pub fn write(self, number: f64) -> String {
        let text = format!("{:.*}", self.decimals(), number.abs());
        let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
        let mut apart = String::new();
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at) % 3 == 0 {
                apart.push(',');
            }
            apart.push(digit);
        }
        // What is written as zero has no sign.
        let sign = if number < 0.0 && text.contains(|digit| matches!(digit, '1'..='9')) { "−" } else { "" };
        format!("{sign}{apart}{rest}{}", self.name())
    }
}

/// The samples of one value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Value {
    /// The lowest.
    pub min: f64,
    /// The one in the middle, or between the two there.
    pub median: f64,
    /// The highest.
    pub max: f64,
    /// How many there are.
    pub samples: usize,
}

impl Value {
    /// `None` without samples.
    #[must_use]
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self { min, median, max, samples: sorted.len() })
    }

    /// The median, and between which values it lies when there are several.
    #[must_use]
    pub fn write(&self, unit: Unit) -> String {
        let median = unit.write(self.median);
        if self.samples == 1 {
            return median;
        }
        format!("{median} ({} to {})", unit.write(self.min), unit.write(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let median = |samples: &[f64]| Value::of(samples.iter().copied()).map(|value| value.median);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn values_are_written_with_their_units() {
        assert_eq!(Unit::Instructions.write(1_228_000.4), "1,228,000");
        assert_eq!(Unit::Instructions.write(999.0), "999");
        assert_eq!(Unit::Instructions.write(-0.2), "0");
        assert_eq!(Unit::Instructions.write(-1200.0), "−1,200");
        assert_eq!(Unit::Mebibytes.write(8.25), "8.2 MiB");
        assert_eq!((Unit::Calls.round(6.004), Unit::Calls.round(6.006)), (6.0, 6.01));
        let value = Value::of([1.0, 1.5, 1.1]).expect("samples");
        assert_eq!(value.write(Unit::Ratio), "1.10 (1.00 to 1.50)");
        assert_eq!(Value::of([7.0]).expect("a sample").write(Unit::Calls), "7.00");
    }
}
