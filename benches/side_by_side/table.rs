//! What was measured, beside what was to be reached, as a Markdown table.

use std::fmt::{self, Display, Write};

/// Rows, and what went wrong on the way to them.
#[derive(Debug)]
pub struct Table {
    /// Whose figures stand beside chatroom's.
    others: [&'static str; 2],
    /// What is being measured.
    pub case: &'static str,
    rows: Vec<Row>,
    flaws: Vec<String>,
}

/// One figure.
#[derive(Debug)]
pub struct Row {
    what: String,
    others: [Option<f64>; 2],
    ours: Option<f64>,
    goals: Vec<(String, bool, f64)>,
}

impl Table {
    /// An empty one, with figures of these beside chatroom's.
    pub fn beside(others: [&'static str; 2]) -> Table {
        Table { others, case: "", rows: Vec::new(), flaws: Vec::new() }
    }

    /// Adds a row.
    pub fn add(&mut self, row: Row) {
        println!("{row}");
        self.rows.push(row);
    }

    /// Notes that something was not as it should be: messages missing, or a case that failed.
    pub fn flaw(&mut self, flaw: String) {
        let flaw = format!("{}: {flaw}", self.case);
        println!("! {flaw}");
        self.flaws.push(flaw);
    }

    /// How many goals were met, of how many.
    pub fn met(&self) -> (usize, usize) {
        let goals = || self.rows.iter().flat_map(|row| &row.goals);
        (goals().filter(|(_, met, _)| *met).count(), goals().count())
    }
}

impl Row {
    /// A figure of this name, with its unit.
    pub fn new(what: impl Into<String>) -> Row {
        Row { what: what.into(), others: [None; 2], ours: None, goals: Vec::new() }
    }

    /// Those of the others, in the table's order.
    pub fn others(self, others: [f64; 2]) -> Row {
        Row { others: others.map(Some), ..self }
    }

    /// nchan's.
    pub fn nchan(self, value: f64) -> Row {
        Row { others: [Some(value), self.others[1]], ..self }
    }

    /// The floor's: that of whatever does nothing else.
    pub fn floor(self, value: f64) -> Row {
        Row { others: [self.others[0], Some(value)], ..self }
    }

    /// chatroom's.
    pub fn ours(self, value: f64) -> Row {
        Row { ours: Some(value), ..self }
    }

    /// `value` is to be at most `limit`; `of` says what that is.
    pub fn at_most(mut self, limit: f64, of: &str, value: f64) -> Row {
        self.goals.push((format!("≤ {limit}{of}"), value <= limit, value));
        self
    }

    /// `value` is to be at least `limit`.
    pub fn at_least(mut self, limit: f64, of: &str, value: f64) -> Row {
        self.goals.push((format!("≥ {limit}{of}"), value >= limit, value));
        self
    }
}

/// Three digits, and no more than there are.
fn short(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "not measured".to_owned(),
        0.0 => "0".to_owned(),
        size if size >= 1e6 => format!("{:.2} M", value / 1e6),
        size if size >= 1e4 => format!("{:.0} k", value / 1e3),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell = |value: Option<f64>| value.map_or(String::new(), short);
        let verdict = |(_, met, value): &(String, bool, f64)| match met {
            true => format!("met: {}", short(*value)),
            false => format!("**not met**: {}", short(*value)),
        };
        let (goals, verdicts): (Vec<_>, Vec<_>) = self.goals.iter().map(|goal| (goal.0.clone(), verdict(goal))).unzip();
        let Row { what, others, ours, .. } = self;
        let ([first, second], ours) = (others.map(cell), cell(*ours));
        write!(f, "| {what} | {first} | {second} | {ours} | {} | {} |", goals.join("<br>"), verdicts.join("<br>"))
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.others;
        writeln!(f, "| | {first} | {second} | chatroom | goal | |\n|---|---|---|---|---|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        let (met, all) = self.met();
        writeln!(f, "\n{met} of {all} goals met.")?;
        if self.flaws.is_empty() {
            return writeln!(f, "Every stream got every message once, in order.");
        }
        f.write_char('\n')?;
        self.flaws.iter().try_for_each(|flaw| writeln!(f, "- {flaw}"))
    }
}
