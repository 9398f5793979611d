//! What a handler is told: environment variables and standard input.

use serf_core::Tags;
use serf_tokio::Member;

use crate::event::AgentEvent;

/// The variables that a handler gets besides the agent's own.
pub(super) fn variables(name: &str, tags: &Tags, event: &AgentEvent) -> Vec<(String, String)> {
    let role = tags.get("role").map_or("", String::as_str);
    // The tags come first: should one be named like another variable, that one counts.
    let mut variables: Vec<(String, String)> = tags
        .iter()
        .map(|(key, value)| (format!("SERF_TAG_{}", variable_name(key)), value.clone()))
        .collect();
    let mut set = |key: &str, value: &str| variables.push((key.to_owned(), value.to_owned()));
    set("SERF_EVENT", event.kind());
    set("SERF_SELF_NAME", name);
    set("SERF_SELF_ROLE", role);
    match event {
        AgentEvent::Member { .. } => {}
        AgentEvent::User(event) => {
            set("SERF_USER_EVENT", &event.name);
            set("SERF_USER_LTIME", &event.ltime.to_string());
        }
        AgentEvent::Query(query) => {
            set("SERF_QUERY_NAME", &query.name);
            set("SERF_QUERY_LTIME", &query.key.ltime.to_string());
        }
    }
    variables
}

/// The part of a variable's name that stands for a tag.
fn variable_name(key: &str) -> String {
    key.chars()
        .map(|c| match c.to_ascii_uppercase() {
            c @ ('A'..='Z' | '0'..='9') => c,
            _ => '_',
        })
        .collect()
}

/// What a handler reads from its standard input: a line for each member, or the payload.
pub(super) fn input(event: &AgentEvent) -> Vec<u8> {
    match event {
        AgentEvent::Member { members, .. } => {
            members.iter().map(line).collect::<String>().into_bytes()
        }
        AgentEvent::User(event) => terminated(&event.payload),
        AgentEvent::Query(query) => terminated(&query.payload),
    }
}

/// The payload, as a line if it is not empty.
fn terminated(payload: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    if payload.last().is_some_and(|last| *last != b'\n') {
        payload.push(b'\n');
    }
    payload
}

fn line(member: &Member) -> String {
    let tags = member.tags();
    let role = tags.get("role").map_or("", String::as_str);
    let tags: Vec<String> = tags
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    format!(
        "{}\t{}\t{}\t{}\n",
        escaped(member.name()),
        member.addr().ip(),
        escaped(role),
        escaped(&tags.join(","))
    )
}

/// Keeps a value from looking like the end of a field or of a line.
fn escaped(text: &str) -> String {
    text.replace('\t', "\\t").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::fixture::{member, member_event, query, user_event};
    use serf_core::MemberEventKind::Join;

    #[test]
    fn variables_tell_of_the_node_and_the_event() {
        let tags = [("role", "web"), ("dc-1.é", "x\ty")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let told = |event| {
            let mut told = variables("a", &tags.clone().into(), &event);
            told.sort();
            let show = |(key, value): &(String, String)| format!("{key}={value}");
            told.iter().map(show).collect::<Vec<_>>()
        };
        let node = [
            "SERF_SELF_NAME=a",
            "SERF_SELF_ROLE=web",
            "SERF_TAG_DC_1__=x\ty",
            "SERF_TAG_ROLE=web",
        ];
        let joined = told(member_event(Join, Vec::new()));
        assert_eq!(joined[0], "SERF_EVENT=member-join");
        assert_eq!(joined[1..], node);
        let deployed = told(user_event("deploy", "v1"));
        assert_eq!(deployed[0], "SERF_EVENT=user");
        assert_eq!(deployed[1..5], node);
        let event = ["SERF_USER_EVENT=deploy", "SERF_USER_LTIME=7"];
        assert_eq!(deployed[5..], event);
        let asked = told(query("load", ""));
        assert_eq!(
            asked[..3],
            [
                "SERF_EVENT=query",
                "SERF_QUERY_LTIME=9",
                "SERF_QUERY_NAME=load"
            ]
        );
        assert_eq!(asked[3..], node);
    }

    #[tokio::test]
    async fn members_come_a_line_each_and_values_cannot_break_out() {
        let members = vec![
            member("a", &[("role", "x\ty"), ("b", "1\n2")]).await,
            member("b", &[]).await,
        ];
        let text = input(&member_event(Join, members));
        let text = String::from_utf8(text).unwrap();
        let expected = "a\t127.0.0.1\tx\\ty\tb=1\\n2,role=x\\ty\nb\t127.0.0.1\t\t\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_payload_ends_with_a_newline_unless_it_is_empty() {
        assert_eq!(input(&user_event("x", "v1")), b"v1\n");
        assert_eq!(input(&user_event("x", "v1\n")), b"v1\n");
        assert_eq!(input(&user_event("x", "")), b"");
        assert_eq!(input(&query("x", "v1")), b"v1\n");
    }
}
