//! A node that was told the time and drained waits for a later time.

use super::{Check, Observation, Tally, Wants, What};

/// A node that has handled its deadline asks for one in the future: otherwise its adapter would
/// spin without end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deadlines {
    looks: u64,
}

impl Check for Deadlines {
    fn name(&self) -> &'static str {
        "a drained node asks for a future deadline"
    }

    fn wants(&self) -> Wants {
        Wants::WAITS
    }

    fn observe(&mut self, seen: &Observation<'_>) -> Result<(), String> {
        let What::Waits {
            until: Some(until),
            ticked: true,
        } = seen.what
        else {
            return Ok(());
        };
        self.looks += 1;
        if until <= seen.at {
            return Err(format!(
                "node {} was told that it is {:?} and waits for {until:?}",
                seen.node, seen.at
            ));
        }
        Ok(())
    }

    fn tally(&self) -> Tally {
        vec![("looks", self.looks)]
    }
}

#[cfg(test)]
mod tests {
    use serf_core::Instant;

    use super::*;
    use crate::World;

    fn verdict(until: Option<u64>, ticked: bool) -> bool {
        let what = What::Waits {
            until: until.map(Instant::from_nanos),
            ticked,
        };
        let world = &World::builder(0).build();
        let (at, node) = (Instant::from_nanos(10), 0);
        let seen = Observation {
            at,
            node,
            what,
            world,
        };
        Deadlines::default().observe(&seen).is_ok()
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
