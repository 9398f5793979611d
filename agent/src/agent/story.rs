//! What happened to members and why, for `serf why`.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use serf_core::{Cause, Event, Name};

use crate::rpc::protocol::StoryEntry;

/// Entries kept of all members together.
const KEPT: usize = 1024;

/// Entries kept of one member, so that one that comes and goes does not displace all others.
const KEPT_OF_ONE: usize = 16;

/// The latest entries of the stories of all members.
#[derive(Debug, Default)]
pub(crate) struct Stories(Mutex<VecDeque<(Name, StoryEntry)>>);

impl Stories {
    /// Takes note of an event, if it is about a member.
    pub(crate) fn note(&self, local: &Name, event: &Event) {
        let Some((name, what, cause)) = tell(local, event) else {
            return;
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
        let entry = StoryEntry {
            time,
            event: what.to_owned(),
            cause,
        };
        let mut entries = self.0.lock().expect("nothing panics with this lock");
        let of_it = |(of, _): &(Name, StoryEntry)| *of == name;
        if entries.iter().filter(|entry| of_it(entry)).count() >= KEPT_OF_ONE {
            let oldest = entries.iter().position(of_it);
            entries.remove(oldest.unwrap_or_default());
        } else if entries.len() >= KEPT {
            entries.pop_front();
        }
        entries.push_back((name, entry));
    }

    /// The story of the member of this name, oldest entry first.
    pub(crate) fn of(&self, name: &str) -> Vec<StoryEntry> {
        let entries = self.0.lock().expect("nothing panics with this lock");
        let of_it = entries.iter().filter(|(of, _)| of.as_str() == name);
        of_it.map(|(_, entry)| entry.clone()).collect()
    }
}

/// Whom an event is about, what it is, and why it happened.
fn tell(local: &Name, event: &Event) -> Option<(Name, &'static str, String)> {
    Some(match event {
        Event::Member(event) => (
            event.member.name().clone(),
            event.kind.as_str(),
            because(&event.cause, event.member.name()),
        ),
        Event::Suspected { member, by } if by == local => {
            let cause = "it answered neither this node's probe nor its helpers'".to_owned();
            (member.name().clone(), "suspected", cause)
        }
        Event::Suspected { member, by } => (
            member.name().clone(),
            "suspected",
            format!("accused by {by}"),
        ),
        Event::Refuted {
            accuser,
            incarnation,
        } => {
            let accuser = accuser.as_deref().unwrap_or("a member that was not named");
            let cause = format!("accused by {accuser}; answered with incarnation {incarnation}");
            (local.clone(), "refuted", cause)
        }
        Event::NameConflict { holder, claimant } => {
            let cause = format!(
                "{claimant} claims the name, too; {} holds it",
                holder.addr()
            );
            (holder.name().clone(), "name-conflict", cause)
        }
        Event::NameVote {
            rival,
            for_me,
            for_rival,
            lost,
        } => {
            let end = if *lost {
                "this node gives way"
            } else {
                "it stays"
            };
            let cause = format!(
                "{for_me} members know it by its address, {for_rival} know {rival} by its name: {end}"
            );
            (local.clone(), "name-vote", cause)
        }
        Event::Undecryptable { from, all: true } => {
            let cause = format!("no key decrypts what {from} and others send");
            (local.clone(), "cannot-decrypt", cause)
        }
        Event::Decrypting => {
            let cause = "something could be decrypted again".to_owned();
            (local.clone(), "decrypting", cause)
        }
        Event::KeyringChanged => {
            let cause = "a key operation changed the keys of this node".to_owned();
            (local.clone(), "keyring-changed", cause)
        }
        Event::DatagramsLost { member } => {
            let cause = "it answered over a stream, not to datagrams: they may be filtered";
            (member.name().clone(), "datagrams-lost", cause.to_owned())
        }
        _ => return None,
    })
}

fn because(cause: &Cause, subject: &Name) -> String {
    match cause {
        Cause::Announced => "it announced itself".to_owned(),
        Cause::Departed => "it, or an operator for it, said that it leaves".to_owned(),
        Cause::LeaveWithdrawn => "it had joined again since it was said to leave".to_owned(),
        Cause::SuspicionExpired { accusers } => {
            let accusers: Vec<&str> = accusers.iter().map(Name::as_str).collect();
            let accusers = accusers.join(", ");
            format!("it did not refute in time what it was accused of by {accusers}")
        }
        Cause::Declared { by } if by == subject => "it said so itself".to_owned(),
        Cause::Declared { by } => format!("{by} waited out its suspicion and declared it failed"),
        Cause::ForceLeft { by } => format!("an operator at {by} forced it to leave"),
        Cause::Expired => "it was gone for longer than it is remembered".to_owned(),
        Cause::Evicted => "the member table was full, and it was gone the longest".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuted(incarnation: u32) -> Event {
        Event::Refuted {
            accuser: None,
            incarnation,
        }
    }

    #[test]
    fn only_the_latest_of_a_member_and_of_all_is_kept() {
        let stories = Stories::default();
        let busy = Name::new("busy").unwrap();
        for n in 0..20 {
            stories.note(&busy, &refuted(n));
        }
        let story = stories.of("busy");
        assert_eq!(story.len(), KEPT_OF_ONE);
        assert!(story[0].cause.ends_with("incarnation 4"), "{story:?}");
        assert_eq!(stories.of("other"), []);

        for n in 0..KEPT {
            stories.note(&Name::new(&format!("n{n}")).unwrap(), &refuted(0));
        }
        assert_eq!(stories.of("busy"), []);
        assert_eq!(stories.of("n0").len(), 1);
    }

    #[test]
    fn every_cause_has_words_that_name_who_is_behind_it() {
        let (a, b) = (Name::new("a").unwrap(), Name::new("b").unwrap());
        let accusers = vec![a.clone(), b.clone()];
        let text = because(&Cause::SuspicionExpired { accusers }, &b);
        assert!(text.ends_with("by a, b"), "{text}");
        let text = because(&Cause::Declared { by: a.clone() }, &b);
        assert!(text.starts_with("a waited"), "{text}");
        let text = because(&Cause::ForceLeft { by: a }, &b);
        assert!(text.contains("operator at a"), "{text}");
    }
}
