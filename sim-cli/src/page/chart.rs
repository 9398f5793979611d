//! Lines over an axis.

use std::fmt::Write;

use super::escaped;
use super::scale::{Scale, label, nice};

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// What stands at its end; nothing for one of many.
    pub(crate) label: String,
    /// Its look: `a`, `b` or `c`, or `faint`.
    pub(crate) class: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether it goes up in steps, as counts do.
    pub(crate) steps: bool,
}

/// What an axis says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis<'a> {
    pub(crate) label: &'a str,
    /// What follows a value, such as ` s`.
    pub(crate) unit: &'a str,
    pub(crate) low: f64,
    /// Rounded up for the axis of values.
    pub(crate) high: f64,
    pub(crate) steps: &'static [f64],
}

/// A picture with lines.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    /// A sentence below the title.
    pub(crate) note: String,
    pub(crate) x: Axis<'a>,
    pub(crate) y: Axis<'a>,
    pub(crate) lines: Vec<Line>,
    /// Stretches that are shaded, such as a cut.
    pub(crate) shades: Vec<(f64, f64)>,
    pub(crate) wide: bool,
}

pub(crate) const WIDE: f64 = 1_080.0;
const HALF: f64 = 530.0;
const HEIGHT: f64 = 250.0;
pub(crate) const LEFT: f64 = 56.0;
pub(crate) const RIGHT: f64 = 104.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 40.0;

impl Chart<'_> {
    pub(crate) fn html(&self) -> String {
        let width = if self.wide { WIDE } else { HALF };
        let class = if self.wide { "wide" } else { "half" };
        // An empty frame shows nothing that the sentence does not say.
        let picture = match self.lines.is_empty() {
            true => String::new(),
            false => self.svg(width, HEIGHT),
        };
        format!(
            "<figure class=\"{class}\"><h2>{}</h2>\n<p class=\"note\">{}</p>\n{}</figure>\n",
            escaped(self.title),
            escaped(&self.note),
            picture
        )
    }

    pub(crate) fn svg(&self, width: f64, height: f64) -> String {
        let x = Scale {
            low: self.x.low,
            high: self.x.high,
            from: LEFT,
            to: width - RIGHT,
        };
        let top = match self.y.high {
            high if high <= self.y.low => self.y.low + 1.0,
            high if self.y.steps.is_empty() => nice(high / 4.0) * (high / nice(high / 4.0)).ceil(),
            high => high,
        };
        let y = Scale {
            low: self.y.low,
            high: top,
            from: height - BOTTOM,
            to: TOP,
        };
        let mut out = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{}\" data-left=\"{LEFT}\" data-right=\"{}\" data-low=\"{}\" \
             data-high=\"{}\" data-unit=\"{}\" data-lines=\"{}\">\n",
            escaped(self.title),
            x.to,
            x.low,
            x.high,
            escaped(self.x.unit),
            escaped(&self.data()),
        );
        self.shade(&mut out, x, y);
        self.axes(&mut out, x, y);
        for line in &self.lines {
            let path = path(line, x, y);
            let _ = writeln!(out, "<path class=\"line {}\" d=\"{path}\"/>", line.class);
        }
        self.labels(&mut out, x, y);
        let _ = writeln!(
            out,
            "<line class=\"cross\" y1=\"{}\" y2=\"{}\"/>\n</svg>",
            y.to, y.from
        );
        out
    }

    fn shade(&self, out: &mut String, x: Scale, y: Scale) {
        for (nth, &(from, to)) in self.shades.iter().enumerate() {
            let (left, right) = (x.place(from), x.place(to));
            let _ = writeln!(
                out,
                "<rect class=\"shade\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" \
                 height=\"{:.1}\"/>",
                y.to,
                (right - left).max(1.0),
                y.from - y.to
            );
            if nth == 0 {
                let _ = writeln!(
                    out,
                    "<text class=\"shaded\" x=\"{:.1}\" y=\"{:.1}\">cut</text>",
                    left + 5.0,
                    y.to + 13.0
                );
            }
        }
    }

    fn axes(&self, out: &mut String, x: Scale, y: Scale) {
        for value in y.marks(4, self.y.steps) {
            let at = y.place(value);
            let _ = writeln!(
                out,
                "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                x.from,
                x.to,
                x.from - 8.0,
                at + 4.0,
                label(value)
            );
        }
        let wanted = ((x.to - x.from) / 70.0) as usize;
        for value in x.marks(wanted, self.x.steps) {
            let at = x.place(value);
            let _ = writeln!(
                out,
                "<line class=\"mark\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{}\" y2=\"{}\"/>\
                 <text class=\"tick\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                y.from,
                y.from + 4.0,
                y.from + 17.0,
                label(value)
            );
        }
        let _ = writeln!(
            out,
            "<line class=\"axis\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>\n\
             <text class=\"name\" x=\"0\" y=\"11\">{}</text>\n\
             <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x.from,
            x.to,
            y.from,
            y.from,
            escaped(self.y.label),
            (x.from + x.to) / 2.0,
            y.from + 35.0,
            escaped(self.x.label),
        );
    }

    /// What lines are stands at their ends, moved apart where ends meet.
    fn labels(&self, out: &mut String, x: Scale, y: Scale) {
        const APART: f64 = 14.0;
        let named = self.lines.iter().filter(|line| !line.label.is_empty());
        let mut ends: Vec<(f64, &Line)> = named
            .filter_map(|line| Some((y.place(line.points.last()?.1), line)))
            .collect();
        ends.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut free = f64::MIN;
        for (at, _) in &mut ends {
            *at = at.max(free);
            free = *at + APART;
        }
        let over = free - APART - y.from;
        for (at, line) in ends {
            let at = if over > 0.0 { at - over } else { at };
            let _ = writeln!(
                out,
                "<text class=\"end {}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                line.class,
                x.to + 8.0,
                at + 4.0,
                escaped(&line.label)
            );
        }
    }

    /// What the script needs to say what is under the pointer.
    fn data(&self) -> String {
        let named = self.lines.iter().filter(|line| !line.label.is_empty());
        let lines: Vec<serde_json::Value> = named
            .map(|line| {
                let points: Vec<[f64; 2]> = thinned(&line.points)
                    .map(|(x, y)| [round(x), round(y)])
                    .collect();
                serde_json::json!([line.label, self.y.unit, line.steps, points])
            })
            .collect();
        serde_json::Value::from(lines).to_string()
    }
}

fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// No more points than there is room for.
fn thinned(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> + '_ {
    let every = points.len().div_ceil(500).max(1);
    let last = points.len().saturating_sub(1);
    let some = points.iter().enumerate();
    some.filter(move |(nth, _)| nth.is_multiple_of(every) || *nth == last)
        .map(|(_, point)| *point)
}

fn path(line: &Line, x: Scale, y: Scale) -> String {
    let mut out = String::new();
    for (nth, (at, value)) in thinned(&line.points).enumerate() {
        let (at, value) = (x.place(at), y.place(value));
        let _ = match (nth, line.steps) {
            (0, _) => write!(out, "M{at:.1} {value:.1}"),
            (_, true) => write!(out, "H{at:.1}V{value:.1}"),
            (_, false) => write!(out, "L{at:.1} {value:.1}"),
        };
    }
    out
}
