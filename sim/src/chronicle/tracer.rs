//! One line for each change of state, to be read by eye.

use std::fmt;

use serf_core::{Cause, Event, Name};

use crate::check::{Check, Observation, Tally, Wants, What};

/// Hands over a line for each change of state, as it happens: the time in seconds, the node, what
/// happened, to whom, and why, each in a column of its own. It keeps nothing.
pub struct Tracer<W> {
    write: W,
    lines: u64,
}

impl<W> Tracer<W> {
    /// The columns, as a first line.
    pub const HEAD: &str = "    time [s]  node              what          whom              why";

    /// Lines go to `write`, without an end of line.
    pub fn new(write: W) -> Self {
        Self { write, lines: 0 }
    }
}

impl<W: FnMut(&str) + Send + 'static> Check for Tracer<W> {
    fn name(&self) -> &'static str {
        "changes are traced"
    }

    fn wants(&self) -> Wants {
        Wants::EVENTS | Wants::SENT | Wants::DEEDS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let world = seen.world;
        let (what, whom, why) = match seen.what {
            What::Event(event) => told(event),
            What::Sent { ltime, name, .. } => {
                ("sends".to_owned(), name.to_owned(), time(ltime.get()))
            }
            What::Done(deed) => (format!("* {deed:?}"), String::new(), String::new()),
            What::Network(deed) => (format!("* {deed:?}"), String::new(), String::new()),
            _ => return Ok(()),
        };
        let node: &dyn fmt::Display = match seen.node < world.len() {
            true => world.name(seen.node),
            false => &"-",
        };
        let at = super::seconds(seen.at);
        let line = format!(
            "{at:>12.6}  {:<16}  {what:<12}  {whom:<16}  {why}",
            node.to_string()
        );
        (self.write)(line.trim_end());
        self.lines += 1;
        Ok(())
    }

    fn tally(&self) -> Tally {
        vec![("lines", self.lines)]
    }
}

fn time(ltime: u64) -> String {
    format!("at its time {ltime}")
}

/// What an event says, about whom, and why.
fn told(event: &Event) -> (String, String, String) {
    let line =
        |what: &str, whom: &dyn fmt::Display, why: String| (what.to_owned(), whom.to_string(), why);
    match event {
        Event::Member(change) => line(
            change.kind.as_str().trim_start_matches("member-"),
            change.member.name(),
            format!(
                "{}; incarnation {}",
                cause(&change.cause),
                change.member.incarnation()
            ),
        ),
        Event::User(event) => line("hears", &event.name, time(event.ltime.get())),
        Event::Query(query) => line("is asked", &query.name, time(query.key.ltime.get())),
        Event::EventsMissed { from, until } => line(
            "missed",
            &"",
            format!("events of times {} to {}", from.get(), until.get()),
        ),
        Event::Suspected { member, by } => line(
            "suspects",
            member.name(),
            format!("accused by {by}; incarnation {}", member.incarnation()),
        ),
        Event::Refuted {
            accuser,
            incarnation,
        } => {
            let accuser = accuser.as_ref().map_or("-", Name::as_str);
            line(
                "refutes",
                &accuser,
                format!("now at incarnation {incarnation}"),
            )
        }
        Event::NameConflict { holder, claimant } => {
            line("conflict", holder.name(), format!("claimed by {claimant}"))
        }
        Event::NameVote {
            rival,
            for_me,
            for_rival,
            lost,
        } => line(
            if *lost { "vote lost" } else { "vote" },
            rival,
            format!("{for_me} for it, {for_rival} for the rival"),
        ),
        Event::Undecryptable { from, all } => {
            let why = if *all { "and nothing else either" } else { "" };
            line("deaf to", from, why.to_owned())
        }
        Event::Declined { peer, reason } => line("declined by", peer, reason.clone()),
        Event::DatagramsLost { member } => line(
            "no datagrams",
            member.name(),
            "it answers over streams".to_owned(),
        ),
        Event::HealthChanged { score } => line("health", &"", format!("score {score}")),
        other => line("", &"", format!("{other:?}")),
    }
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::SuspicionExpired { accusers } => {
            let names: Vec<&str> = accusers.iter().map(Name::as_str).collect();
            format!("not refuted, accused by {}", names.join(", "))
        }
        Cause::Declared { by } => format!("declared by {by}"),
        Cause::ForceLeft { by } => format!("forced by {by}"),
        Cause::Announced => "announced".to_owned(),
        Cause::Departed => "departed".to_owned(),
        Cause::LeaveWithdrawn => "its leave was withdrawn".to_owned(),
        Cause::Expired => "expired".to_owned(),
        Cause::Evicted => "evicted".to_owned(),
        other => format!("{other:?}"),
    }
}
