//! The parts of Lifeguard do in a cluster what its paper says of them.

use std::time::Duration;

use serf_sim::Failure;
use serf_sim::lifeguard::{Anomaly, Experiment, Variant};

/// False failures, in all and at healthy members, over a few seeds: 8 of 64 members are anomalous
/// for 16 seconds and well for one, again and again.
fn false_failures(variant: Variant, anomaly: Anomaly) -> Result<(u64, u64), Failure> {
    let experiment = Experiment {
        nodes: 64,
        variant,
        anomaly,
        concurrent: 8,
        stops: Duration::from_secs(16),
        runs: Some(Duration::from_secs(1)),
    };
    let (mut all, mut at_healthy) = (0, 0);
    for seed in 0..2 {
        let outcome = experiment.run(seed)?;
        all += outcome.false_failures;
        at_healthy += outcome.at_healthy;
    }
    Ok((all, at_healthy))
}

#[test]
fn lifeguard_spares_healthy_members_what_blocked_ones_believe() -> Result<(), Failure> {
    let blocked = |variant| false_failures(variant, Anomaly::Blocked);
    let (swim, swim_at_healthy) = blocked(Variant::Swim)?;
    let (all, at_healthy) = blocked(Variant::Lifeguard)?;
    assert!(swim_at_healthy > 10_000, "{swim_at_healthy} are too few");
    assert!(100 * at_healthy <= swim_at_healthy, "{at_healthy}");
    assert!(100 * all <= swim, "{all}");
    // Each of these parts is worth something by itself.
    for part in [Variant::Probe, Variant::Suspicion] {
        let (all, _) = blocked(part)?;
        assert!(5 * all <= swim, "{part:?}: {all}");
    }
    Ok(())
}

#[test]
fn nodes_that_stand_still_take_nobody_for_failed_even_without_lifeguard() -> Result<(), Failure> {
    assert_eq!(false_failures(Variant::Swim, Anomaly::Paused)?, (0, 0));
    assert_eq!(false_failures(Variant::Lifeguard, Anomaly::Paused)?, (0, 0));
    Ok(())
}
