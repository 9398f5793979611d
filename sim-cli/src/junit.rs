//! Results in the form that CI systems show.

use crate::results::Results;

/// One test case for each seed.
pub(crate) fn xml(results: &Results) -> String {
    let suite = match results.scenario.as_str() {
        "" => "drawn",
        scenario => scenario,
    };
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">\n",
        escaped(suite),
        results.seeds.len(),
        results.failures.len()
    );
    for seed in &results.seeds {
        let case = format!(
            "<testcase classname=\"serf-sim.{}\" name=\"seed {seed}\"",
            escaped(suite)
        );
        match results.failures.iter().find(|failed| failed.seed == *seed) {
            None => out.push_str(&format!("{case}/>\n")),
            Some(failed) => out.push_str(&format!(
                "{case}>\n<failure message=\"{}\">{}\nat {:.3} s, trace {}\n{}</failure>\n\
                 </testcase>\n",
                escaped(&failed.wrong.expected),
                escaped(&failed.wrong.found),
                failed.wrong.at,
                failed.trace,
                escaped(&failed.repeat)
            )),
        }
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            // XML has no way to say other control characters.
            c if c.is_control() && c != '\n' => "?".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_means_something_in_xml_is_escaped() {
        assert_eq!(escaped("a<b & \"c\"\u{7}"), "a&lt;b &amp; &quot;c&quot;?");
    }
}
