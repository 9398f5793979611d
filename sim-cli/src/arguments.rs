//! Values of arguments, and what is said about wrong ones.

use std::ops::Range;

/// A count of one or more.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "accepted is a whole number from 1 up".to_owned())
}

/// A seed.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    let seed = text.parse().ok();
    seed.ok_or_else(|| format!("accepted is a whole number from 0 to {}", u64::MAX))
}

/// A range of seeds.
pub(crate) fn seeds(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(from, to)| {
        let range = from.trim().parse().ok()?..to.trim().parse().ok()?;
        (range.start < range.end).then_some(range)
    });
    range.ok_or_else(|| "accepted is A..B with A less than B, such as 0..1000".to_owned())
}

/// One of several parts, such as `0/4`.
pub(crate) fn shard(text: &str) -> Result<(u64, u64), String> {
    let shard = text.split_once('/').and_then(|(nth, of)| {
        let (nth, of) = (nth.trim().parse().ok()?, of.trim().parse().ok()?);
        (nth < of).then_some((nth, of))
    });
    shard.ok_or_else(|| "accepted is I/N with I less than N, such as 0/4".to_owned())
}

/// A length of time.
pub(crate) fn time(text: &str) -> Result<std::time::Duration, String> {
    let time = humantime::parse_duration(text);
    time.map_err(|_| "accepted is a time with its unit, such as 90s or 10m".to_owned())
}

/// A key and its value.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=');
    let pair = pair.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    pair.filter(|(key, _)| !key.is_empty())
        .ok_or_else(|| "accepted is KEY=VALUE, such as network.loss=0.1".to_owned())
}
