//! The pictures with lines: events, crashes, agreement, traffic.

use serf_sim::chronicle::{Sample, Spread};
use serf_sim::scenario::quantile;

use super::Page;
use super::chart::{Axis, Chart, Line};
use super::scale::TIMES;
use crate::table::number;

/// A share of all, as an axis.
fn share(label: &str) -> Axis<'_> {
    Axis {
        label,
        unit: " %",
        low: 0.0,
        high: 100.0,
        steps: &[25.0],
    }
}

fn seconds(label: &str, high: f64) -> Axis<'_> {
    Axis {
        label,
        unit: " s",
        low: 0.0,
        high: if high > 0.0 { high * 1.02 } else { 1.0 },
        steps: TIMES,
    }
}

pub(super) fn all(page: &Page<'_>) -> String {
    let samples = page.chronicle.samples();
    let bytes = |it: &Sample| (it.bytes, it.most_bytes);
    let datagrams = |it: &Sample| (it.datagrams, it.most_datagrams);
    [
        "<section class=\"pair\">\n".to_owned(),
        agreement(page, samples),
        infection(page),
        detection(page),
        traffic(page, "Bytes sent", "bytes per second", bytes),
        traffic(page, "Datagrams sent", "datagrams per second", datagrams),
        "</section>\n".to_owned(),
    ]
    .concat()
}

fn time_axis<'a>(page: &Page<'_>) -> Axis<'a> {
    let (low, high) = page.span();
    Axis {
        label: match page.scenario.cluster.cold {
            true => "seconds since the start",
            false => "seconds since all had joined",
        },
        unit: " s",
        low,
        high,
        steps: TIMES,
    }
}

/// Such as `1 crash` and `2 crashes`.
fn counted(count: usize, what: &str) -> String {
    let plural = match what.ends_with("sh") {
        true => "es",
        false => "s",
    };
    format!("{count} {what}{}", if count == 1 { "" } else { plural })
}

pub(super) fn shades(page: &Page<'_>) -> Vec<(f64, f64)> {
    let end = page.report.simulated;
    let cuts = page.chronicle.cuts().iter();
    cuts.map(|(from, to)| (page.time(*from), page.time(to.unwrap_or(end))))
        .collect()
}

fn agreement(page: &Page<'_>, samples: &[Sample]) -> String {
    let of_all = |count: usize, all: usize| count as f64 / all.max(1) as f64 * 100.0;
    let nodes = page.report.nodes;
    let line = |label: &str, class, value: &dyn Fn(&Sample) -> f64| Line {
        label: label.to_owned(),
        class,
        points: samples
            .iter()
            .map(|it| (page.time(it.at), value(it)))
            .collect(),
        steps: false,
    };
    let note = match page.report.converged_after {
        Some(after) => format!(
            "Nodes that know the right number of live members. All views were equal {} s after \
             the last fault.",
            number(after)
        ),
        None => "Nodes that know the right number of live members.".to_owned(),
    };
    Chart {
        title: "Agreement",
        note,
        x: time_axis(page),
        y: share("share of nodes, in per cent"),
        lines: vec![
            line("running", "faint solid", &|it| of_all(it.running, nodes)),
            line("agreeing", "a", &|it| of_all(it.agreeing, nodes)),
        ],
        shades: shades(page),
        wide: true,
    }
    .html()
}

fn infection(page: &Page<'_>) -> String {
    let spreads: Vec<&Spread> = page
        .chronicle
        .spreads()
        .iter()
        .filter(|spread| !spread.told.is_empty())
        .collect();
    // Twice what the event in the middle took: a cut makes some wait for its end.
    let lasts = spreads.iter().filter_map(|it| it.told.last());
    let lasts: Vec<f64> = lasts.map(|after| f64::from(*after)).collect();
    let slowest = quantile(&lasts, 1.0).unwrap_or_default();
    let shown = slowest.min(quantile(&lasts, 0.5).unwrap_or_default() * 2.0);
    let curve = |spread: &&Spread| {
        let whole = spread.running.max(spread.told.len()).max(1) as f64;
        let told = spread.told.iter().zip(1_u32..);
        std::iter::once((0.0, 0.0))
            .chain(told.map(|(after, nth)| (f64::from(*after), f64::from(nth) / whole * 100.0)))
            .take_while(|(after, _)| *after <= shown)
            .collect::<Vec<_>>()
    };
    let curves: Vec<Vec<(f64, f64)>> = spreads.iter().map(curve).collect();
    // When a share of all nodes had been told, for the event in the middle.
    let middle = (1..=100).filter_map(|percent| {
        let reached = curves.iter().filter_map(|curve| {
            let mut points = curve.iter();
            points.find(|it| it.1 >= f64::from(percent)).map(|it| it.0)
        });
        let times: Vec<f64> = reached.collect();
        (times.len() * 2 > curves.len())
            .then(|| quantile(&times, 0.5))
            .flatten()
            .map(|at| (at, f64::from(percent)))
    });
    let middle = std::iter::once((0.0, 0.0)).chain(middle).collect();
    let mut lines: Vec<Line> = curves
        .iter()
        .map(|points| Line {
            label: String::new(),
            class: "faint",
            points: points.clone(),
            steps: true,
        })
        .collect();
    if !lines.is_empty() {
        lines.push(Line {
            label: "median".to_owned(),
            class: "a",
            points: middle,
            steps: true,
        });
    }
    let events = counted(spreads.len(), "event");
    let note = match quantile(&page.report.delivered_after, 0.5) {
        Some(median) => format!(
            "{events}, each a thin line. The last node was told after {} s in the median, {} s \
             at most.",
            number(median),
            number(quantile(&page.report.delivered_after, 1.0).unwrap_or(median)),
        ),
        None if lines.is_empty() => "No user event was sent.".to_owned(),
        None => format!("{events}, each a thin line."),
    };
    Chart {
        title: "How events spread",
        note,
        x: seconds("seconds since the event was sent", shown),
        y: share("share of nodes told, in per cent"),
        lines,
        shades: Vec::new(),
        wide: false,
    }
    .html()
}

/// A distribution, from nothing to all.
fn distribution(label: &str, class: &'static str, values: &[f64]) -> Line {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let points = sorted.iter().zip(1_u32..);
    Line {
        label: label.to_owned(),
        class,
        points: std::iter::once((0.0, 0.0))
            .chain(points.map(|(value, nth)| (*value, f64::from(nth) / count * 100.0)))
            .collect(),
        steps: true,
    }
}

/// One line for each name, in the colours that there are, over and over.
pub(super) fn distributions(title: &str, lines: &[(String, &[f64])]) -> String {
    let most = lines.iter().flat_map(|(_, values)| values.iter());
    let most = most.fold(0.0, |most: f64, one| most.max(*one));
    let drawn = lines
        .iter()
        .zip(["a", "b", "c", "faint solid"].into_iter().cycle());
    Chart {
        title,
        note: "Share of samples that took no longer.".to_owned(),
        x: seconds("simulated seconds", most),
        y: share("share of samples, in per cent"),
        lines: drawn
            .filter(|((_, values), _)| !values.is_empty())
            .map(|((name, values), class)| distribution(name, class, values))
            .collect(),
        shades: Vec::new(),
        wide: true,
    }
    .html()
}

fn detection(page: &Page<'_>) -> String {
    let (first, last) = (&page.report.noticed_first, &page.report.noticed_last);
    let spread: Vec<f64> = std::iter::zip(first, last)
        .map(|(first, last)| last - first)
        .collect();
    let each = page.chronicle.detection();
    let mut lines = Vec::new();
    if !first.is_empty() {
        lines.push(distribution("first node", "b", first));
        lines.push(Line {
            label: "each node".to_owned(),
            class: "faint solid",
            points: std::iter::once((0.0, 0.0))
                .chain(each.iter().map(|(at, share)| (*at, share * 100.0)))
                .collect(),
            steps: true,
        });
        lines.push(distribution("last node", "a", last));
        lines.push(distribution("first to last", "c", &spread));
    }
    let note = match (quantile(first, 0.5), quantile(last, 0.5)) {
        (Some(one), Some(other)) => format!(
            "{}. Noticed by the first node after {} s and by the last after {} s in the \
             median; from the first to the last took {} s.",
            counted(first.len(), "crash"),
            number(one),
            number(other),
            number(quantile(&spread, 0.5).unwrap_or_default()),
        ),
        _ => "No crash was noticed.".to_owned(),
    };
    let most = last.iter().chain(each.last().map(|(at, _)| at));
    Chart {
        title: "How crashes were noticed",
        note,
        x: seconds("seconds", most.fold(0.0, |most: f64, one| most.max(*one))),
        y: share("share of crashes, in per cent"),
        lines,
        shades: Vec::new(),
        wide: false,
    }
    .html()
}

fn traffic(page: &Page<'_>, title: &str, unit: &str, of: impl Fn(&Sample) -> (f64, f64)) -> String {
    let samples = page.chronicle.samples();
    let line = |label: &str, class, value: &dyn Fn(&Sample) -> f64| Line {
        label: label.to_owned(),
        class,
        points: samples
            .iter()
            .map(|it| (page.time(it.at), value(it)))
            .collect(),
        steps: false,
    };
    let most = samples.iter().map(|it| of(it).1).fold(0.0, f64::max);
    let (average, what) = match title {
        "Bytes sent" => (
            page.report.bytes_per_node_per_second,
            "datagrams and streams",
        ),
        _ => (page.report.datagrams_per_node_per_second, "datagrams alone"),
    };
    Chart {
        title,
        note: format!(
            "By a node, in {what}: {} {unit} on average once all had joined.",
            number(average)
        ),
        x: time_axis(page),
        y: Axis {
            label: unit,
            unit: "",
            low: 0.0,
            high: most,
            steps: &[],
        },
        lines: vec![
            line("busiest node", "faint solid", &|it| of(it).1),
            line("average", "a", &|it| of(it).0),
        ],
        shades: shades(page),
        wide: false,
    }
    .html()
}
