//! Which members a request wants.

use std::collections::BTreeMap;

use regex::Regex;

use crate::rpc::protocol::{Member, MembersFilteredRequest};

/// The longest pattern that is compiled, in bytes.
const MAX_PATTERN: usize = 4096;

/// The compiled patterns of a request.
#[derive(Debug)]
pub(super) struct MemberFilter {
    name: Option<Regex>,
    status: Option<Regex>,
    tags: BTreeMap<String, Regex>,
}

impl MemberFilter {
    /// Compiles the patterns. An empty one for the name or the status means any.
    pub(super) fn new(request: &MembersFilteredRequest) -> Result<Self, String> {
        let optional = |pattern: &str| (!pattern.is_empty()).then(|| anchored(pattern)).transpose();
        Ok(Self {
            name: optional(&request.name)?,
            status: optional(&request.status)?,
            tags: request
                .tags
                .iter()
                .map(|(key, pattern)| Ok((key.clone(), anchored(pattern)?)))
                .collect::<Result<_, String>>()?,
        })
    }

    pub(super) fn passes(&self, member: &Member) -> bool {
        let matches = |pattern: &Option<Regex>, text: &str| {
            pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(text))
        };
        matches(&self.name, &member.name)
            && matches(&self.status, &member.status)
            && self.tags.iter().all(|(key, pattern)| {
                let value = member.tags.get(key).map_or("", String::as_str);
                pattern.is_match(value)
            })
    }
}

/// Anchored by putting `^` and `$` around it and no more: `a|b` means "begins with a or ends
/// with b", and scripts may know it.
fn anchored(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!(
            "Failed to compile regex: it has {} bytes, at most {MAX_PATTERN} are accepted",
            pattern.len()
        ));
    }
    Regex::new(&format!("^{pattern}$")).map_err(|error| {
        // The error draws a picture of the pattern; its last line says what is wrong.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        format!("Failed to compile regex `^{pattern}$`: {reason}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(request: &MembersFilteredRequest) -> bool {
        let member = Member {
            name: "web-1".to_owned(),
            status: "alive".to_owned(),
            tags: BTreeMap::from([("role".to_owned(), "web".to_owned())]),
            ..Member::default()
        };
        MemberFilter::new(request).unwrap().passes(&member)
    }

    fn named(pattern: &str) -> MembersFilteredRequest {
        MembersFilteredRequest {
            name: pattern.to_owned(),
            ..MembersFilteredRequest::default()
        }
    }

    fn tagged(key: &str, pattern: &str) -> MembersFilteredRequest {
        MembersFilteredRequest {
            tags: BTreeMap::from([(key.to_owned(), pattern.to_owned())]),
            ..MembersFilteredRequest::default()
        }
    }

    #[test]
    fn patterns_match_whole_values() {
        assert!(passes(&named("")));
        assert!(passes(&named("web-.")));
        assert!(!passes(&named("web")));
        assert!(passes(&tagged("role", "w.b")));
        assert!(!passes(&tagged("role", "w")));
    }

    #[test]
    fn an_alternative_is_anchored_at_one_end_only() {
        assert!(passes(&named("web|x")));
        assert!(passes(&named("x|1")));
        assert!(!passes(&named("x|web")));
    }

    #[test]
    fn a_missing_tag_counts_as_empty() {
        assert!(passes(&tagged("dc", "")));
        assert!(passes(&tagged("dc", ".*")));
        assert!(!passes(&tagged("dc", ".+")));
    }

    #[test]
    fn an_invalid_pattern_is_an_error() {
        assert!(MemberFilter::new(&named("(")).is_err());
        assert!(MemberFilter::new(&named(&"a".repeat(MAX_PATTERN + 1))).is_err());
        // Small to write, large to compile.
        assert!(MemberFilter::new(&named("((a{99}){99}){99}")).is_err());
    }
}
