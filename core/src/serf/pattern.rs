//! Regular expressions as the reference system understands them (RE2, as Go has it).
//!
//! The `regex` crate is close to that, with four differences that ordinary expressions run into:
//! it takes `\d`, `\s`, `\w` and `\b` for Unicode, which RE2 does not, and which makes them large;
//! it has no `\Q...\E`; a brace that is no repetition is an error to it; and it has operators on
//! character classes. So expressions are rewritten in these points.
//!
//! Expressions come from peers, and one of a few bytes can stand for a very large machine. So
//! their length and the size of what they are compiled to are bounded. The time that it takes to
//! match is at most the product of that size and the length of the text, whatever the expression.

use alloc::string::String;

use regex::{Regex, RegexBuilder};

/// Bytes that an expression may have. A query has room for about one such.
pub(crate) const MAX_LEN: usize = 512;

/// Bytes that a compiled expression may take: room for six of the largest character classes.
const MAX_COMPILED: usize = 1 << 17;

/// How deep groups and classes may be nested.
const MAX_NESTING: u32 = 32;

/// Compiles an expression. `None` if it is invalid, or larger than the bounds.
pub(crate) fn compile(pattern: &str) -> Option<Regex> {
    if pattern.len() > MAX_LEN {
        return None;
    }
    RegexBuilder::new(&rewrite(pattern))
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .nest_limit(MAX_NESTING)
        .build()
        .ok()
}

fn rewrite(pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '\\' => rewrite_escape(rest, &mut out),
            '[' => rewrite_class(rest, &mut out),
            '{' if !begins_repetition(rest) => {
                out.push_str(r"\{");
                &rest[1..]
            }
            c => {
                out.push(c);
                &rest[c.len_utf8()..]
            }
        };
    }
    out
}

/// Rewrites what begins with a backslash, outside of a class, and returns what follows it.
fn rewrite_escape<'p>(escape: &'p str, out: &mut String) -> &'p str {
    if let Some(quoted) = escape.strip_prefix(r"\Q") {
        let (literal, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
        out.push_str(&regex::escape(literal));
        return rest;
    }
    for (boundary, ascii) in [(r"\b", r"(?-u:\b)"), (r"\B", r"(?-u:\B)")] {
        if let Some(rest) = escape.strip_prefix(boundary) {
            out.push_str(ascii);
            return rest;
        }
    }
    rewrite_set(escape, out)
}

/// Rewrites what begins with a backslash, in a class or outside, and returns what follows it.
fn rewrite_set<'p>(escape: &'p str, out: &mut String) -> &'p str {
    let len = match escape.chars().nth(1) {
        // The braces belong to it, as in `\p{Greek}` and `\x{3b1}`.
        Some('p' | 'P' | 'x') if escape[2..].starts_with('{') => {
            escape.find('}').map_or(2, |end| end + 1)
        }
        Some(c) => 1 + c.len_utf8(),
        None => 1,
    };
    let (escaped, rest) = escape.split_at(len);
    out.push_str(match escaped {
        r"\d" => "[0-9]",
        r"\D" => "[^0-9]",
        r"\s" => r"[\t\n\f\r ]",
        r"\S" => r"[^\t\n\f\r ]",
        r"\w" => "[0-9A-Za-z_]",
        r"\W" => "[^0-9A-Za-z_]",
        other => other,
    });
    rest
}

/// Rewrites what begins with a bracket and returns what follows the class.
fn rewrite_class<'p>(class: &'p str, out: &mut String) -> &'p str {
    // A closing bracket right after the opening one is a member of the class.
    let start = ["[^]", "[]", "[^", "["]
        .into_iter()
        .find(|start| class.starts_with(start));
    let (start, mut rest) = class.split_at(start.map_or(0, str::len));
    out.push_str(start);
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '\\' => {
                rest = rewrite_set(rest, out);
                continue;
            }
            // A named class, such as `[:alpha:]`.
            '[' if rest.starts_with("[:") => rest.find(":]").map_or(1, |end| end + 2),
            '[' | '&' | '~' => {
                out.push('\\');
                1
            }
            c => c.len_utf8(),
        };
        let (member, after) = rest.split_at(len);
        out.push_str(member);
        rest = after;
        if c == ']' {
            break;
        }
    }
    rest
}

/// True if this is `{n}`, `{n,}` or `{n,m}`, and what may come after that.
fn begins_repetition(brace: &str) -> bool {
    let Some((counts, _)) = brace[1..].split_once('}') else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match counts.split_once(',') {
        None => is_number(counts),
        Some((min, max)) => is_number(min) && (max.is_empty() || is_number(max)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `None` if the expression is invalid.
    fn matches(pattern: &str, text: &str) -> Option<bool> {
        compile(pattern).map(|expression| expression.is_match(text))
    }

    #[test]
    fn ordinary_expressions_are_searched_for() {
        for (pattern, text, expected) in [
            ("web", "my-web-1", true),
            ("^web", "my-web-1", false),
            ("^(web|db)-[a-z]{2}$", "web-eu", true),
            ("", "anything", true),
            ("^$", "", true),
            ("(?i)WEB", "web", true),
            ("^.$", "ö", true),
            (r"^\pL+-\p{Latin}+$", "öst-lich", true),
            (r"^\x41\x{42}\.\[\\$", r"AB.[\", true),
            (r"[[:digit:]a]x", "ax", true),
            (r"[^[:digit:]]", "7", false),
            ("[]a]+", "]", true),
            ("[^]a]", "a]", false),
            ("a{2,}b{1}c{0,3}", "aab", true),
        ] {
            assert_eq!(matches(pattern, text), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn classes_and_boundaries_are_ascii() {
        for (pattern, text, expected) in [
            (r"^\d\w\s$", "7_ ", true),
            (r"\d", "\u{663}", false),
            (r"\w", "ö", false),
            (r"^\W$", "ö", true),
            (r"^[\w-]+$", "a-b", true),
            (r"^[^\d\s]$", "a", true),
            (r"\bweb\b", "my web", true),
            (r"\bweb\b", "öweb", true),
            (r"\Beb\B", "webs", true),
            (r"^\D\S$", "ab", true),
        ] {
            assert_eq!(matches(pattern, text), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn what_other_dialects_give_a_meaning_is_literal() {
        for (pattern, text, expected) in [
            (r"^\Qa.b*\E+$", "a.b**", true),
            (r"^\Qa.b", "a.b", true),
            (r"\Q.\E", "x", false),
            ("a{,2}", "a{,2}", true),
            ("^{x}{$", "{x}{", true),
            ("^[a&&b]+$", "a&b", true),
            ("^[a~~b]+$", "a~b", true),
            ("^[[a]+$", "[a", true),
        ] {
            assert_eq!(matches(pattern, text), Some(expected), "{pattern}");
        }
    }

    #[test]
    fn invalid_expressions_are_refused() {
        for pattern in [
            "(", ")", "[", "[a", "[]", "*", r"\8", r"\", r"[\", "(?=a)", r"(a)\1", "a{3,2}",
            "[b-a]",
        ] {
            assert_eq!(matches(pattern, "a"), None, "{pattern}");
        }
    }

    #[test]
    fn expressions_are_bounded_in_length_size_and_depth() {
        assert_eq!(matches(&"a?".repeat(MAX_LEN / 2), ""), Some(true));
        assert_eq!(matches(&"a?".repeat(MAX_LEN / 2 + 1), ""), None);
        assert_eq!(
            matches(r"^[\w-]{1,63}(\.[\w-]{1,63}){0,3}$", "a.b.c"),
            Some(true)
        );
        assert_eq!(matches(r"^\pL{1,6}$", "öäüß"), Some(true));
        assert_eq!(matches("(((a{0,99}){0,99}){0,99}){0,99}", ""), None);
        assert_eq!(matches(r"(\pL{0,99}){0,99}", ""), None);
        let nested = |depth| alloc::format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(matches(&nested(20), "a"), Some(true));
        assert_eq!(matches(&nested(200), "a"), None);
    }

    proptest! {
        #[test]
        fn any_expression_is_decided(
            pattern in r"([\[\]{}()\\^:QEbdwa&~,0-9-]|.){0,40}",
            text in ".{0,20}",
        ) {
            matches(&pattern, &text);
        }

        #[test]
        fn escaped_and_quoted_texts_match_themselves(text in r"([^E]|[^\\E]E){0,40}") {
            let escaped = alloc::format!("^{}$", regex::escape(&text));
            prop_assert_eq!(matches(&escaped, &text), Some(true));
            let quoted = alloc::format!(r"^\Q{text}\E$");
            prop_assert_eq!(matches(&quoted, &text), Some(true));
        }
    }
}
