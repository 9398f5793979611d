//! What commands print: lines, tables, JSON.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

/// Prints a line. A reader that went away is no reason to fail.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a line for a person at a terminal who mistyped.
pub(crate) fn complain(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Says why something failed: on standard output, where scripts of old look for it, and on
/// standard error, where others expect it; once if both are the same.
pub(crate) fn fail(text: impl Display) {
    say(&text);
    if !outputs_are_one() {
        complain(text);
    }
}

#[cfg(unix)]
fn outputs_are_one() -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.dev(), file.ino()))
    };
    identity("/dev/stdout") == identity("/dev/stderr")
}

#[cfg(not(unix))]
fn outputs_are_one() -> bool {
    false
}

/// How structured output is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

impl Format {
    /// Reads the value of a `-format` flag.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("Encoding error: Invalid output format \"{text}\"")),
        }
    }
}

/// JSON as scripts know it: two spaces, and no characters that mean something in HTML.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value)
        .expect("plain data has a JSON form")
        // Outside strings JSON has none of these.
        .replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// Aligned columns, two spaces apart. A `|` in a cell begins a new one: scripts of old rely on
/// that, and so does the width of what follows.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<&str>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .flat_map(|cell| cell.split('|').map(str::trim))
                .collect()
        })
        .collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let last = row.len().saturating_sub(1);
            row.iter()
                .enumerate()
                .map(|(column, cell)| match column {
                    column if column == last => (*cell).to_owned(),
                    column => format!("{cell:width$}  ", width = width(column)),
                })
                .collect()
        })
        .collect();
    // Only the end of the whole table is trimmed: this is how scripts know it.
    lines.join("\n").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_in_characters() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = table(&[row(["ä", "b", ""]), row(["abc", " x|y", "z"])]);
        assert_eq!(text, "ä    b  \nabc  x  y  z");
        let text = table(&[row(["abc", "x", "z"]), row(["a", "b", ""])]);
        assert_eq!(text, "abc  x  z\na    b");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn json_is_safe_in_html() {
        assert_eq!(json(&"a<b>&c"), r#""a\u003cb\u003e\u0026c""#);
    }
}
