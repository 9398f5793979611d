//! Who takes whom for failed: nodes by time.

use std::fmt::Write;

use serf_sim::chronicle::Sample;

use super::chart::{LEFT, RIGHT, WIDE};
use super::panels::shades;
use super::scale::{Scale, TIMES, label};
use super::{Page, escaped};

const TOP: f64 = 8.0;
const BOTTOM: f64 = 40.0;

/// So wide is a cell at least, in units of the picture.
const NARROWEST: f64 = 4.0;

/// Shares up to these are drawn alike.
const LEVELS: [f32; 6] = [0.02, 0.1, 0.25, 0.5, 0.75, 1.0];

pub(super) fn maps(page: &Page<'_>) -> String {
    let samples = page.chronicle.samples();
    let members = map(
        page,
        "Who is taken for failed",
        "Each row is a node, or neighbours together. The stronger the colour, the more of the running nodes \
         take it for failed.",
        "of running nodes take it for failed",
        &|sample, row| {
            sample
                .members
                .get(row)
                .map_or((0.0, 0.0), |it| (it.rightly, it.wrongly))
        },
    );
    let observers = map(
        page,
        "Who takes others for failed",
        "The same rows. The stronger the colour, the more of all members it takes for failed.",
        "of all members it takes for failed",
        &|sample, row| (sample.observers.get(row).copied().unwrap_or(0.0), 0.0),
    );
    match samples.is_empty() {
        true => String::new(),
        false => format!("<section class=\"pair\">\n{members}{observers}</section>\n"),
    }
}

fn level(share: f32) -> usize {
    match share {
        none if none <= 0.0 => 0,
        some => {
            1 + LEVELS
                .iter()
                .position(|most| some <= *most)
                .unwrap_or(LEVELS.len() - 1)
        }
    }
}

fn map(
    page: &Page<'_>,
    title: &str,
    note: &str,
    what: &str,
    value: &dyn Fn(&Sample, usize) -> (f32, f32),
) -> String {
    let samples = page.chronicle.samples();
    let rows = samples.first().map_or(0, |it| it.members.len());
    let blank = |row| samples.iter().all(|it| value(it, row) == (0.0, 0.0));
    if (0..rows).all(blank) {
        return format!(
            "<figure class=\"wide\"><h2>{}</h2>\n<p class=\"note\">Nobody at any time.</p></figure>\n",
            escaped(title)
        );
    }
    let height = TOP + BOTTOM + (rows as f64 * 14.0).clamp(112.0, 320.0);
    let (low, high) = page.span();
    let x = Scale {
        low,
        high,
        from: LEFT,
        to: WIDE - RIGHT,
    };
    let y = Scale {
        low: 0.0,
        high: rows as f64,
        from: TOP,
        to: height - BOTTOM,
    };
    // Cells of one level are one path: there may be many thousands.
    let mut paths = vec![String::new(); 2 * (LEVELS.len() + 1)];
    let mut cells = String::new();
    for row in 0..rows {
        let (top, bottom) = (y.place(row as f64), y.place(row as f64 + 1.0));
        let kinds: Vec<usize> = samples
            .iter()
            .map(|sample| {
                let (rightly, wrongly) = value(sample, row);
                match wrongly > rightly {
                    true => LEVELS.len() + 1 + level(wrongly),
                    false => level(rightly),
                }
            })
            .collect();
        let mut start = 0;
        while start < kinds.len() {
            let run = kinds[start..]
                .iter()
                .take_while(|it| **it == kinds[start])
                .count();
            if !matches!(kinds[start], 0) {
                let begin = match start {
                    0 => low,
                    _ => page.time(samples[start - 1].at),
                };
                let left = x.place(begin);
                let right = x.place(page.time(samples[start + run - 1].at));
                let right = right.max(left + NARROWEST);
                let _ = write!(
                    paths[kinds[start]],
                    "M{left:.1} {top:.1}H{right:.1}V{bottom:.1}H{left:.1}z"
                );
            }
            start += run;
        }
        cells.extend(kinds.iter().map(|kind| (b'a' + *kind as u8) as char));
        cells.push(' ');
    }
    let mut out = format!(
        "<figure class=\"wide\"><h2>{}</h2>\n<p class=\"note\">{}{}</p>\n\
         <svg class=\"heat\" viewBox=\"0 0 {WIDE} {height}\" role=\"img\" aria-label=\"{}\" \
         data-left=\"{LEFT}\" data-right=\"{}\" data-top=\"{TOP}\" data-bottom=\"{}\" \
         data-low=\"{low}\" data-high=\"{high}\" data-nodes=\"{}\" data-what=\"{}\" \
         data-times=\"{}\" data-cells=\"{}\">\n<rect class=\"field\" x=\"{LEFT}\" y=\"{TOP}\" \
         width=\"{:.1}\" height=\"{:.1}\"/>\n",
        escaped(title),
        escaped(note),
        legend(title),
        escaped(title),
        x.to,
        y.to,
        page.report.nodes,
        escaped(what),
        samples
            .iter()
            .map(|it| label(page.time(it.at)))
            .collect::<Vec<_>>()
            .join(" ")
            .replace('\u{2212}', "-"),
        cells.trim_end(),
        x.to - x.from,
        y.to - y.from,
    );
    for (kind, path) in paths
        .iter()
        .enumerate()
        .filter(|(_, path)| !path.is_empty())
    {
        let (class, level) = match kind > LEVELS.len() {
            true => ("wrongly", kind - LEVELS.len() - 1),
            false => ("rightly", kind),
        };
        // One node that errs about one other for a second is what many a page is about.
        let opacities = match class {
            "wrongly" => [0.0, 0.5, 0.58, 0.66, 0.76, 0.88, 1.0],
            _ => [0.0, 0.3, 0.4, 0.52, 0.66, 0.82, 1.0],
        };
        let opacity = opacities[level.min(6)];
        let _ = writeln!(
            out,
            "<path class=\"{class}\" fill-opacity=\"{opacity}\" d=\"{path}\"/>"
        );
    }
    frame(&mut out, page, x, y);
    out.push_str("<line class=\"cross\"/>\n</svg></figure>\n");
    out
}

fn legend(title: &str) -> &'static str {
    match title {
        "Who is taken for failed" => {
            " <span class=\"key rightly\"></span> it is down or stands still \
             <span class=\"key wrongly\"></span> it runs, though perhaps cut off"
        }
        _ => "",
    }
}

fn frame(out: &mut String, page: &Page<'_>, x: Scale, y: Scale) {
    for (from, to) in shades(page) {
        for at in [x.place(from), x.place(to)] {
            let _ = writeln!(
                out,
                "<line class=\"edge\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{}\" y2=\"{}\"/>",
                y.from, y.to
            );
        }
    }
    for value in x.marks(12, TIMES) {
        let at = x.place(value);
        let _ = writeln!(
            out,
            "<text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y.to + 17.0,
            label(value)
        );
    }
    let nodes = page.report.nodes;
    let nodes_scale = Scale {
        low: 0.0,
        high: nodes as f64,
        ..y
    };
    let wanted = if nodes <= 20 { nodes } else { 5 };
    for value in nodes_scale.marks(wanted, &[1.0]) {
        let node = value as usize;
        if node >= nodes {
            continue;
        }
        let at = nodes_scale.place(value + if nodes <= 128 { 0.5 } else { 0.0 });
        let _ = writeln!(
            out,
            "<text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{node}</text>",
            x.from - 8.0,
            at + 4.0
        );
    }
    let _ = writeln!(
        out,
        "<text class=\"name\" transform=\"translate(11 {:.1}) rotate(-90)\" \
         text-anchor=\"middle\">node</text>\n\
         <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        (y.from + y.to) / 2.0,
        (x.from + x.to) / 2.0,
        y.to + 35.0,
        match page.scenario.cluster.cold {
            true => "seconds since the start",
            false => "seconds since all had joined",
        }
    );
}
