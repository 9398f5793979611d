//! Whether a query is meant for this node (wire-protocol reference, section 7.6).
//!
//! Filters come from peers, so their number is bounded, and their expressions are
//! ([`pattern`]).

use crate::member::Name;
use crate::message::{Filter, Filters};
use crate::serf::pattern;
use crate::tags::Tags;

/// Filters that a query may have. More than that, and it is for nobody.
pub(crate) const MAX_FILTERS: usize = 16;

/// True if all filters pass a node of this name with these tags.
///
/// A filter that cannot be read, is of an unknown kind, or has an expression that is invalid or
/// too large passes nobody.
pub(crate) fn passes(filters: Filters<'_>, name: &Name, tags: &Tags) -> bool {
    let mut filters = filters.iter();
    let pass = filters
        .by_ref()
        .take(MAX_FILTERS)
        .all(|filter| match filter {
            Some(Filter::Nodes(mut names)) => names.any(|other| other == *name),
            Some(Filter::Tag { key, pattern }) => {
                let value = tags.get(key).map_or("", |value| value);
                pattern::compile(pattern).is_some_and(|expression| expression.is_match(value))
            }
            None => false,
        });
    pass && filters.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::native::{append_node_filter, append_tag_filter};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn passes_me(filters: &[u8]) -> bool {
        let tags = [("role", "web-eu"), ("dc", "östlich")]
            .map(|(k, v)| (k.into(), v.into()))
            .into();
        passes(
            Filters::Native(filters),
            &Name::new("me").expect("a valid name"),
            &tags,
        )
    }

    fn nodes(names: &[&str]) -> Vec<u8> {
        let mut filters = Vec::new();
        append_node_filter(&mut filters, names.iter().copied());
        filters
    }

    fn tag(key: &str, pattern: &str) -> Vec<u8> {
        let mut filters = Vec::new();
        append_tag_filter(&mut filters, key, pattern);
        filters
    }

    #[test]
    fn without_filters_it_is_for_everybody() {
        assert!(passes_me(&[]));
    }

    #[test]
    fn a_node_filter_passes_the_names_in_it() {
        assert!(passes_me(&nodes(&["other", "me"])));
        assert!(!passes_me(&nodes(&["other", "mee", "Me", ""])));
        assert!(!passes_me(&nodes(&[])));
    }

    #[test]
    fn a_tag_filter_searches_the_value_for_the_expression() {
        for (pattern, expected) in [
            ("web", true),
            ("b-e", true),
            ("^web-eu$", true),
            ("^eu", false),
            ("", true),
        ] {
            assert_eq!(passes_me(&tag("role", pattern)), expected, "{pattern}");
        }
        assert!(passes_me(&tag("dc", "^.stlich$")));
    }

    #[test]
    fn a_missing_tag_is_an_empty_one() {
        assert!(passes_me(&tag("none", "^$")));
        assert!(passes_me(&tag("none", ".*")));
        assert!(!passes_me(&tag("none", ".+")));
    }

    #[test]
    fn all_filters_must_pass() {
        assert!(passes_me(&[nodes(&["me"]), tag("role", "web")].concat()));
        assert!(!passes_me(&[nodes(&["me"]), tag("role", "db")].concat()));
        assert!(!passes_me(&[nodes(&["you"]), tag("role", "web")].concat()));
    }

    #[test]
    fn what_cannot_be_understood_does_not_pass() {
        // Of no length, of an unknown kind, cut short, not UTF-8.
        for filter in [
            &[0][..],
            &[1, 9],
            &[2, 1, 5],
            &[5, 0],
            &[5, 1, 1, b'k', 1, 0xff],
            &[0xff],
        ] {
            assert!(!passes_me(filter), "{filter:?}");
        }
        assert!(!passes_me(&tag("role", "(")));
        assert!(!passes_me(&[tag("role", "web"), [1, 9].to_vec()].concat()));
    }

    #[test]
    fn too_many_filters_are_for_nobody() {
        assert!(passes_me(&tag("role", "web").repeat(MAX_FILTERS)));
        assert!(!passes_me(&tag("role", "web").repeat(MAX_FILTERS + 1)));
    }

    proptest! {
        #[test]
        fn any_bytes_and_any_expression_are_decided(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            pattern in ".{0,40}",
        ) {
            passes_me(&bytes);
            passes_me(&tag("role", &pattern));
        }
    }
}
