//! What the configuration says about handlers: `[FILTERS=]COMMAND`.

use crate::event::AgentEvent;

use super::{EventFilter, UnknownFilter};

/// A command and the events that it is run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventScript {
    pub(super) filter: EventFilter,
    pub(super) command: String,
}

/// A handler with a filter that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Invalid event script: Event '{filter}' invoking '{command}' (accepted are *, member-join, \
     member-leave, member-failed, member-update, member-reap, user, user:NAME, query, query:NAME)"
)]
pub struct InvalidScript {
    /// The filter.
    pub filter: String,
    /// The command.
    pub command: String,
}

impl EventScript {
    /// Reads `[FILTERS=]COMMAND`: a comma-separated list of filters and a command for the shell,
    /// which may hold further equals signs. Without filters the command gets every event. There
    /// is a script for each filter, so that a command with two that match runs twice.
    ///
    /// # Errors
    /// A filter that is not known.
    pub fn parse(text: &str) -> Result<Vec<Self>, InvalidScript> {
        let (filters, command) = text.split_once('=').unwrap_or(("", text));
        let filters =
            EventFilter::parse_list(filters).map_err(|UnknownFilter(filter)| InvalidScript {
                filter,
                command: command.to_owned(),
            })?;
        let script = |filter| Self {
            filter,
            command: command.to_owned(),
        };
        Ok(filters.into_iter().map(script).collect())
    }

    pub(super) fn wants(&self, event: &AgentEvent) -> bool {
        self.filter.passes(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<String> {
        let show = |script: &EventScript| format!("{} -> {}", script.filter, script.command);
        let scripts = EventScript::parse(text).unwrap();
        scripts.iter().map(show).collect()
    }

    #[test]
    fn a_command_alone_gets_every_event() {
        assert_eq!(parsed("x.sh a b"), ["*: -> x.sh a b"]);
        assert_eq!(parsed("=x.sh"), ["*: -> x.sh"]);
    }

    #[test]
    fn each_filter_makes_a_script_and_the_first_equals_sign_ends_them() {
        assert_eq!(parsed("user:deploy=a=b x"), ["user:deploy -> a=b x"]);
        let both = ["member-join: -> x", "user: -> x"];
        assert_eq!(parsed("member-join,user=x"), both);
    }

    #[test]
    fn a_filter_that_is_not_known_is_named_with_its_command() {
        let error = EventScript::parse("user,bogus=x.sh")
            .unwrap_err()
            .to_string();
        let start = "Invalid event script: Event 'bogus' invoking 'x.sh'";
        assert!(error.starts_with(start), "{error}");
    }
}
