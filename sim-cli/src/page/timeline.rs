//! What was done to the cluster, and when.

use std::fmt::Write;

use super::chart::{LEFT, RIGHT, WIDE};
use super::scale::{Scale, TIMES, label};
use super::{Page, escaped};

/// Faults that have a row of their own; a drawn scenario has up to 16.
const ROWS: usize = 24;
const ROW: f64 = 22.0;

/// One row for each fault and each kind of work.
pub(super) fn faults(page: &Page<'_>) -> String {
    let (low, high) = page.span();
    let mut rows: Vec<(f64, f64, String, &str)> = Vec::new();
    for fault in &page.scenario.faults {
        let from = fault.at.0.as_secs_f64();
        let to = fault
            .lasts
            .map_or(high, |lasts| from + lasts.0.as_secs_f64());
        let to = if fault.is_momentary() { from } else { to };
        rows.push((from, to, fault.label(), "fault"));
    }
    for work in &page.scenario.work {
        let from = work.from.0.as_secs_f64();
        let to = work.end(page.scenario.lasts.0).as_secs_f64();
        let what = format!("{} every {}", work.kind().replace('_', " "), work.every);
        rows.push((from, to, what, "work"));
    }
    if rows.is_empty() {
        return String::new();
    }
    rows.truncate(ROWS);
    let height = rows.len() as f64 * ROW + 26.0;
    let x = Scale {
        low,
        high,
        from: LEFT,
        to: WIDE - RIGHT,
    };
    let mut out = format!(
        "<figure class=\"wide\"><h2>What was done to it</h2>\n\
         <svg viewBox=\"0 0 {WIDE} {height}\" role=\"img\" aria-label=\"What was done to it\">\n"
    );
    for (nth, (from, to, what, class)) in rows.iter().enumerate() {
        let top = nth as f64 * ROW;
        let (left, right) = (x.place(*from), x.place(*to));
        // Beside the bar, on the side where there is room.
        let (at, anchor) = match right < (x.from + x.to) * 0.6 {
            true => (right.max(left + 4.0) + 8.0, "start"),
            false => (left - 8.0, "end"),
        };
        let (at, anchor) = match at < x.from + 90.0 && anchor == "end" {
            true => (left + 8.0, "start"),
            false => (at, anchor),
        };
        let inside = if at > left && at < right {
            " inside"
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <rect class=\"{class}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\" \
             rx=\"2\"/><text class=\"bar{inside}\" x=\"{at:.1}\" y=\"{:.1}\" \
             text-anchor=\"{anchor}\">{}</text>",
            x.from,
            x.to,
            top + 11.0,
            top + 11.0,
            top + 4.0,
            (right - left).max(4.0),
            top + 15.0,
            escaped(what)
        );
    }
    for value in x.marks(12, TIMES) {
        let _ = writeln!(
            out,
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x.place(value),
            height - 6.0,
            label(value)
        );
    }
    out.push_str("</svg></figure>\n");
    out
}
