//! A node that was told the time and drained waits for a later time.

use super::{Check, Observation, What};

/// A node that has handled its deadline asks for one in the future: otherwise its adapter would
/// spin without end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deadlines;

impl Check for Deadlines {
    fn name(&self) -> &'static str {
        "a drained node asks for a future deadline"
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        match seen.what {
            What::Waits {
                until: Some(until),
                ticked: true,
            } if until <= seen.at => Err(format!(
                "node {} was told that it is {:?} and waits for {until:?}",
                seen.node, seen.at
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serf_core::Instant;

    use super::*;

    fn verdict(until: Option<u64>, ticked: bool) -> bool {
        let what = What::Waits {
            until: until.map(Instant::from_nanos),
            ticked,
        };
        let at = Instant::from_nanos(10);
        Deadlines
            .observe(&Observation { at, node: 0, what })
            .is_ok()
    }

    #[test]
    fn only_a_ticked_node_with_a_due_deadline_is_wrong() {
        assert!(!verdict(Some(10), true));
        assert!(!verdict(Some(9), true));
        assert!(verdict(Some(11), true));
        assert!(verdict(None, true));
        assert!(verdict(Some(10), false));
    }
}
