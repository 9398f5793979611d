//! `run --report`: one HTML file that shows what happened. It needs nothing but itself: pictures
//! are SVG within it, and it follows the colour scheme of whoever looks at it.

mod chains;
mod chart;
mod heat;
mod panels;
mod scale;
mod timeline;

use serf_sim::chronicle::Chronicle;
use serf_sim::scenario::{Report, Scenario};

use crate::table::number;

/// What a page is made from.
pub(crate) struct Page<'a> {
    /// The scenario's name, or that of its file.
    pub(crate) name: &'a str,
    pub(crate) scenario: &'a Scenario,
    pub(crate) report: &'a Report,
    pub(crate) chronicle: &'a Chronicle,
    /// The command that repeats the run.
    pub(crate) repeat: &'a str,
}

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("hover.js");

impl Page<'_> {
    pub(crate) fn html(&self) -> String {
        let body = [
            self.head(),
            self.numbers(),
            timeline::faults(self),
            panels::all(self),
            heat::maps(self),
            chains::all(self),
            self.counts(),
            self.source(),
        ]
        .concat();
        shell(&format!("{}, seed {}", self.name, self.report.seed), &body)
    }

    /// Seconds on the clock of the scenario.
    fn time(&self, at: f64) -> f64 {
        at - self.report.began_at
    }

    /// From when to when there is something to show.
    fn span(&self) -> (f64, f64) {
        let end = self.time(self.report.simulated);
        (self.time(0.0), end.max(1.0))
    }

    fn head(&self) -> String {
        let report = self.report;
        let (class, verdict) = match (&report.failure, report.stopped) {
            (Some(_), _) => ("failed", "failed"),
            (None, true) => ("stopped", "stopped early"),
            (None, false) => ("held", "held"),
        };
        let wrong = report.failure.as_ref().map_or_else(String::new, |wrong| {
            format!(
                "<p class=\"wrong\"><b>{}</b> did not hold at {:.3} s: {}</p>\n",
                escaped(&wrong.expected),
                self.time(wrong.at),
                escaped(&wrong.found)
            )
        });
        format!(
            "<header>\n<h1>{} <span class=\"verdict {class}\">{verdict}</span></h1>\n\
             <p class=\"about\">{}</p>\n{wrong}\
             <p class=\"fine\">{} nodes · seed {} · {} simulated seconds · trace {}</p>\n\
             <p class=\"fine\"><code>{}</code></p>\n</header>\n",
            escaped(self.name),
            escaped(&report.about),
            report.nodes,
            report.seed,
            number(report.simulated.round()),
            escaped(&report.trace),
            escaped(self.repeat),
        )
    }

    /// What the terminal shows, too.
    fn numbers(&self) -> String {
        let fault = |name: &String| self.report.faults.contains_key(name);
        let numbers = self.report.numbers();
        let shown = numbers.iter().filter(|(name, _)| !fault(name));
        let tiles: String = shown
            .map(|(name, value)| {
                let (name, unit) = match name.split_once(" [s]") {
                    Some((name, rest)) => (format!("{name}{rest}"), " s"),
                    None => (name.clone(), ""),
                };
                format!(
                    "<div><dt>{}</dt><dd>{}<small>{unit}</small></dd></div>\n",
                    escaped(&name),
                    number(*value)
                )
            })
            .collect();
        format!("<dl class=\"tiles\">\n{tiles}</dl>\n")
    }

    /// How often faults happened, and how often checks looked.
    fn counts(&self) -> String {
        let row = |name: &str, value: String| {
            format!("<tr><td>{}</td><td>{value}</td></tr>\n", escaped(name))
        };
        let faults: String = match self.report.faults.is_empty() {
            true => row("none", String::new()),
            false => {
                let faults = self.report.faults.iter();
                faults
                    .map(|(name, n)| row(&name.replace('_', " "), grouped(*n)))
                    .collect()
            }
        };
        let checks: String = self
            .report
            .checks
            .iter()
            .map(|(check, tally)| {
                let tally: Vec<String> = tally
                    .iter()
                    .map(|(what, n)| format!("{} {}", grouped(*n), escaped(what)))
                    .collect();
                row(check, tally.join("<br>"))
            })
            .collect();
        format!(
            "<section class=\"pair\">\n<figure class=\"half\"><h2>Faults that really happened</h2>\n\
             <table>\n{faults}</table></figure>\n\
             <figure class=\"half\"><h2>What checks had to judge</h2>\n<table>\n{checks}</table>\
             </figure>\n</section>\n"
        )
    }

    fn source(&self) -> String {
        format!(
            "<details><summary>The scenario</summary>\n<pre>{}</pre></details>\n",
            escaped(&self.scenario.to_toml())
        )
    }
}

/// A whole page around what it shows.
fn shell(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{} – serf-sim</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n<div id=\"tip\" hidden></div>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        escaped(title)
    )
}

/// Samples by name.
pub(crate) type Samples<'a> = Vec<(String, &'a [f64])>;

/// A page with a distribution of seconds for each of these: a title, and lines by name.
pub(crate) fn distributions(title: &str, charts: &[(&str, Samples<'_>)]) -> String {
    let charts: String = charts
        .iter()
        .map(|(title, lines)| panels::distributions(title, lines))
        .collect();
    let body = format!("<header><h1>{}</h1></header>\n{charts}", escaped(title));
    shell(title, &body)
}

/// Text as it may stand in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A whole number with thin gaps between thousands.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_and_markup_is_escaped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(escaped("<a b=\"c\">&"), "&lt;a b=&quot;c&quot;&gt;&amp;");
    }
}
