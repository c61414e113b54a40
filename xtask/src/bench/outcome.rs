//! What was measured: beside the budgets, and whether it may pass.

use std::collections::BTreeMap;

use serde::Serialize;

use super::budgets::{BUDGETS, Budget, Kind, Row};
use super::value::{Unit, Value};

/// All that was measured.
#[derive(Debug, Default)]
pub struct Outcome {
    rows: BTreeMap<Row, Value>,
    /// For orientation: whoever stands in the same place, or the same at other times.
    pub figures: Vec<Figure>,
    /// What is to be known of the values.
    pub notes: Vec<String>,
}

/// A value without a budget.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Of whom.
    pub name: &'static str,
    /// Of what.
    pub what: &'static str,
    /// Of the value.
    pub unit: Unit,
    /// The samples.
    pub value: Value,
}

/// A row of the table.
#[derive(Debug, Serialize)]
pub struct Line {
    /// What is allowed.
    #[serde(flatten)]
    pub budget: Budget,
    /// What there is.
    pub measured: Value,
    /// Over the budget, by the median.
    pub over: bool,
    /// So much over the budget, and so repeatable, that `--check` fails.
    pub fails: bool,
}

impl Outcome {
    /// Adds a value; one without samples is not there.
    pub fn put(&mut self, row: Row, value: Option<Value>) {
        if let Some(value) = value {
            self.rows.insert(row, value);
        }
    }

    /// Adds a value that is no sample.
    pub fn put_one(&mut self, row: Row, number: f64) {
        self.put(row, Value::of([number]));
    }

    /// What was measured, in the order of the budgets.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let line = |budget: &Budget| {
            let measured = self.rows.get(&budget.row)?.clone();
            let median = budget.unit.round(measured.median);
            let over = median > budget.limit;
            let fails = matches!(budget.kind, Kind::Count { margin } if median > budget.limit + margin);
            Some(Line { budget: *budget, measured, over, fails })
        };
        BUDGETS.iter().filter_map(line).collect()
    }

    /// The table for people.
    #[must_use]
    pub fn table(&self) -> Vec<String> {
        let mut cells = vec![["what", "budget", "measured", ""].map(str::to_owned)];
        cells.extend(self.lines().iter().map(|line| {
            let (unit, budget) = (line.budget.unit, &line.budget);
            let verdict = match (line.over, line.fails) {
                (_, true) => "OVER",
                (true, false) => "over",
                _ => "",
            };
            [
                budget.what.to_owned(),
                format!("≤ {}", unit.write(budget.limit)),
                line.measured.write(unit),
                verdict.to_owned(),
            ]
        }));
        let mut table = aligned(&cells);
        if !self.figures.is_empty() {
            let mut cells = vec![["for orientation", "", "measured", ""].map(str::to_owned)];
            let cell = |figure: &Figure| {
                [figure.name.to_owned(), figure.what.to_owned(), figure.value.write(figure.unit), String::new()]
            };
            cells.extend(self.figures.iter().map(cell));
            table.push(String::new());
            table.extend(aligned(&cells));
        }
        table.extend(self.notes.iter().map(|note| format!("note: {note}")));
        table
    }
}

fn aligned(rows: &[[String; 4]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 4] = std::array::from_fn(width);
    let line = |row: &[String; 4]| {
        let [what, budget, measured, verdict] = row;
        let [first, second, third, _] = widths;
        format!("{what:first$}  {budget:>second$}  {measured:<third$}  {verdict}").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(values: &[(Row, f64)]) -> Vec<(bool, bool)> {
        let mut outcome = Outcome::default();
        values.iter().for_each(|(row, value)| outcome.put_one(*row, *value));
        outcome.lines().iter().map(|line| (line.over, line.fails)).collect()
    }

    #[test]
    fn a_count_fails_beyond_budget_and_margin() {
        assert_eq!(verdicts(&[(Row::HeaderPlugin, 600.0)]), [(false, false)]);
        assert_eq!(verdicts(&[(Row::HeaderPlugin, 620.0)]), [(true, false)]);
        assert_eq!(verdicts(&[(Row::HeaderPlugin, 621.0)]), [(true, true)]);
        assert_eq!(verdicts(&[(Row::SystemCalls, 6.0004)]), [(false, false)]);
        assert_eq!(verdicts(&[(Row::ReloadFailed, 1.0)]), [(true, true)]);
    }

    #[test]
    fn a_time_is_told_and_fails_nothing() {
        assert_eq!(verdicts(&[(Row::Start, 5000.0), (Row::CpuNginx, 9.0)]), [(true, false), (true, false)]);
    }

    #[test]
    fn the_table_has_the_rows_that_were_measured() {
        let mut outcome = Outcome::default();
        outcome.put_one(Row::Start, 21.0);
        outcome.put_one(Row::SystemCalls, 6.0);
        assert_eq!(
            outcome.table(),
            [
                "what                              budget  measured",
                "keyless request: system calls     ≤ 6.00  6.00",
                "start to first 200             ≤ 20.0 ms  21.0 ms   over",
            ]
        );
    }
}
