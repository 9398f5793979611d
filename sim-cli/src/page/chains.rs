//! How it came to each false failure: which probe failed, who accused, who declared, and what was
//! wrong at the time.

use std::fmt::Write;

use serf_sim::chronicle::{Excuse, Incident};

use super::{Page, escaped, grouped};

/// Incidents that are told in full.
const TOLD: usize = 24;

pub(super) fn all(page: &Page<'_>) -> String {
    let incidents = page.chronicle.incidents();
    let counts = page.chronicle.incident_counts();
    let total: u64 = counts.values().sum();
    let mut out =
        String::from("<figure class=\"wide\"><h2>Running nodes that were taken for failed</h2>\n");
    if total == 0 {
        out.push_str("<p class=\"note\">There were none.</p></figure>\n");
        return out;
    }
    let kinds: Vec<String> = counts
        .iter()
        .map(|(excuse, n)| format!("{} {}", grouped(*n), excuse.as_str()))
        .collect();
    let judged: Vec<String> = page
        .report
        .numbers()
        .into_iter()
        .filter(|(name, _)| name.contains("false failures") || name.contains("of those"))
        .map(|(name, n)| format!("{n:.0} {name}"))
        .collect();
    let _ = writeln!(
        out,
        "<p class=\"note\">{} times: {}. Of pairs of nodes that had been well and connected for a \
         minute, the checks count {}.</p>",
        grouped(total),
        kinds.join(", "),
        judged.join(", ")
    );
    // A node that is cut off is rightly missed: one of those is enough of an example.
    let worth: Vec<&&Incident> = incidents
        .iter()
        .filter(|it| it.excuse != Excuse::Cut)
        .chain(
            incidents
                .iter()
                .filter(|it| it.excuse == Excuse::Cut)
                .take(2),
        )
        .take(TOLD)
        .collect();
    out.push_str("<ol class=\"chains\">\n");
    for incident in &worth {
        chain(&mut out, page, incident);
    }
    out.push_str("</ol>\n");
    if total > worth.len() as u64 {
        let _ = writeln!(
            out,
            "<p class=\"note\">{} more are not told here; <code>--trace</code> writes all of \
             them.</p>",
            grouped(total - worth.len() as u64)
        );
    }
    out.push_str("</figure>\n");
    out
}

fn chain(out: &mut String, page: &Page<'_>, it: &Incident) {
    let name = |node: usize| format!("node-{node}");
    let member = escaped(it.member.as_str());
    let _ = writeln!(
        out,
        "<li><h3>{member} <span>{}</span></h3><table>",
        it.excuse.as_str()
    );
    let mut steps: Vec<(f64, String)> = Vec::new();
    let mut step = |at: f64, text: String| steps.push((page.time(at), text));
    for (nth, accusation) in it.accusations.iter().enumerate() {
        let by = name(accusation.by);
        let how = match (accusation.probe, nth) {
            (None, _) => format!("{by} is told so in a state exchange"),
            (Some(probe), 0) => format!(
                "{by} probed it at about {:.2} s, got no answer, directly or through others, and \
                 suspects it",
                page.time(accusation.at - probe)
            ),
            (Some(_), _) => format!("{by} finds the same by a probe of its own"),
        };
        let fault = escaped(&accusation.fault);
        step(accusation.at, format!("{how}: <em>{fault}</em>"));
    }
    let more = it.accusers.saturating_sub(it.accusations.len() as u64);
    let by = name(it.declared_by);
    let mut declared = match it.heard.as_slice() {
        [] => format!("{by} declares it failed"),
        heard => {
            let heard: Vec<String> = heard.iter().map(|name| escaped(name.as_str())).collect();
            let heard = heard.join(", ");
            format!("{by}, which heard no answer to what {heard} said, declares it failed")
        }
    };
    if more > 0 {
        declared.push_str(&format!(", {more} more having accused it"));
    }
    step(it.declared_at, declared);
    if it.believers > 0 {
        let text = format!("{} others take it for failed, too", it.believers);
        step(it.believed_at, text);
    }
    if let Some(at) = it.refuted_at {
        step(at, format!("{member} hears of it and says otherwise"));
    }
    if let Some(at) = it.over_at {
        step(at, "nobody takes it for failed any more".to_owned());
    }
    steps.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (at, text) in steps {
        let _ = writeln!(out, "<tr><td>{at:.2} s</td><td>{text}</td></tr>");
    }
    out.push_str("</table></li>\n");
}
