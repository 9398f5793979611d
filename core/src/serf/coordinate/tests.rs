//! Coordinates against the reference's numbers (`algorithms-coordinates.json`), and what must hold
//! for any input.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::client::{CoordinateClient, Rejected};
use super::peers::Peers;
use super::*;
use crate::rng::{Purpose, Rng};

fn c(vec: [f64; 8], error: f64, adjustment: f64, height: f64) -> Coordinate {
    Coordinate {
        vec,
        error,
        adjustment,
        height,
    }
}

fn no_draw() -> u64 {
    panic!("no randomness is needed")
}

#[test]
fn distances_are_those_of_the_reference() {
    let a = c([-0.5, 1.3, 2.4, 0.0, 0.0, 0.0, 0.0, 0.0], 1.5, 0.0, 1e-5);
    let b = c([1.2, -2.3, 3.4, 0.0, 0.0, 0.0, 0.0, 0.0], 1.5, 0.0, 1e-5);
    let negative = Coordinate {
        adjustment: -1_000_000.0,
        ..b
    };
    let positive = Coordinate {
        adjustment: 0.1,
        height: 0.01,
        ..b
    };
    for (a, b, nanos) in [
        (a, a, 20_000),
        (a, b, 4_104_895_150),
        (a, negative, 4_104_895_150),
        (a, positive, 4_214_885_150),
        (positive, positive, 220_000_000),
    ] {
        assert_eq!(a.distance_to(&b), Duration::from_nanos(nanos));
    }
}

/// To the last bit, as both sides do the same operations in the same order.
#[test]
fn updates_move_the_coordinate_as_in_the_reference() {
    let start = c([0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1.5, 0.0, 1e-5);
    let other = c(
        [0.0, 0.02, 0.0, 0.0, 0.0, 0.0, 0.0, -0.003],
        0.9,
        0.0005,
        0.002,
    );
    let mut client = CoordinateClient::at(start, 2);
    for (peer, rtt, (x, y, z), error, adjustment, height) in [
        (
            1,
            30_000_000,
            (
                0.010341358864522122,
                -0.0006827273069204156,
                0.00010240909603806232,
            ),
            1.2912967291666666,
            0.00011475514131096646,
            7.86140847676256e-05,
        ),
        (
            1,
            32_000_000,
            (
                0.010731543815822467,
                -0.0014631079661909451,
                0.00021946619492864178,
            ),
            1.1285712077493188,
            0.0002555418805002858,
            0.00015704233026764397,
        ),
        (
            1,
            250_000_000,
            (
                0.01103212944441409,
                -0.002064290878411853,
                0.000309643631761778,
            ),
            0.9927971513034576,
            0.0003778640659584274,
            0.00021746120129080755,
        ),
        (
            1,
            29_000_000,
            (
                0.011265482456060818,
                -0.002531009243251784,
                0.0003796513864877677,
            ),
            0.8790659603028567,
            0.0004858516189667764,
            0.00026436638461567414,
        ),
        (
            2,
            31_000_000,
            (
                0.011393250787434039,
                -0.002786558428133698,
                0.0004179837642200547,
            ),
            0.7797748713603952,
            0.0005609903507683221,
            0.000290049065174171,
        ),
        (
            1,
            0,
            (
                0.011390392306306599,
                -0.0027808535145465024,
                0.0004171280271819754,
            ),
            0.6895011308940148,
            0.0005863043687954396,
            0.0002894757093099901,
        ),
        (
            1,
            28_000_000,
            (
                0.01133877329384787,
                -0.002677627161033278,
                0.00040164407415499176,
            ),
            0.6188860556417057,
            0.0005897889265321444,
            0.00027910144911050684,
        ),
    ] {
        let rtt = Duration::from_nanos(rtt);
        client.update(peer, &other, rtt, no_draw).expect("accepted");
        let vec = [x, y, 0.0, 0.0, 0.0, 0.0, 0.0, z];
        assert_eq!(*client.coordinate(), c(vec, error, adjustment, height));
    }
    let last = *client.coordinate();
    assert_eq!(last.distance_to(&other), Duration::from_nanos(28_950_401));
    assert_eq!(client.resets(), 0);

    let rtt = Duration::from_secs(11);
    let too_long = client.update(1, &other, rtt, no_draw);
    assert_eq!(too_long, Err(Rejected::RttTooLong { rtt }));
    let nan = Coordinate {
        error: f64::NAN,
        ..other
    };
    let invalid = client.update(1, &nan, Duration::from_secs(1), no_draw);
    assert_eq!(invalid, Err(Rejected::Invalid));
    assert_eq!(*client.coordinate(), last);
}

#[test]
fn numbers_that_are_not_finite_or_beyond_the_limit_are_invalid_in_any_field() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 100.1, -100.1] {
        for field in 0..Coordinate::DIMENSIONS + 3 {
            let mut coordinate = Coordinate::ORIGIN;
            match field {
                0 => coordinate.error = bad,
                1 => coordinate.adjustment = bad,
                2 => coordinate.height = bad,
                i => coordinate.vec[i - 3] = bad,
            }
            assert!(!coordinate.is_valid(), "{coordinate:?}");
        }
    }
    let limit = c([-100.0; 8], 0.0, -100.0, 0.0);
    assert!(limit.is_valid());
    assert!(
        !Coordinate {
            height: -1e-9,
            ..limit
        }
        .is_valid()
    );
    assert!(
        !Coordinate {
            error: -1e-9,
            ..limit
        }
        .is_valid()
    );
}

#[test]
fn two_nodes_at_the_same_place_are_pushed_apart_at_random_and_settle_at_the_round_trip() {
    let rtt = Duration::from_millis(80);
    let mut rng = Rng::new([3; 32], Purpose::Probe);
    let mut a = CoordinateClient::new(1);
    let mut b = CoordinateClient::new(1);
    for _ in 0..100 {
        let there = *b.coordinate();
        a.update(1, &there, rtt, || rng.next_u64())
            .expect("accepted");
        let there = *a.coordinate();
        b.update(1, &there, rtt, || rng.next_u64())
            .expect("accepted");
    }
    let estimate = a.coordinate().distance_to(b.coordinate());
    let range = Duration::from_millis(76)..Duration::from_millis(84);
    assert!(range.contains(&estimate), "{estimate:?}");
    assert!(a.coordinate().error < 0.2);
}

#[test]
fn a_generator_that_only_gives_the_middle_pushes_along_the_first_axis() {
    let mut client = CoordinateClient::new(1);
    let middle = || 1 << 63;
    client
        .update(1, &Coordinate::ORIGIN, Duration::from_millis(10), middle)
        .expect("accepted");
    let [first, rest @ ..] = client.coordinate().vec;
    assert!(first > 0.001);
    assert_eq!(rest, [0.0; 7]);
}

#[test]
fn a_node_that_leaves_the_valid_space_starts_over() {
    let mut client = CoordinateClient::new(1);
    let far = c([100.0; 8], 1e-9, 100.0, 100.0);
    let near = c(
        [1.1e-6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        1e-9,
        0.0,
        100.0,
    );
    let mut last = None;
    for _ in 0..50 {
        for other in [far, near] {
            client
                .update(1, &other, Duration::ZERO, || 7)
                .expect("accepted");
            assert!(client.coordinate().is_valid());
        }
        if client.resets() > 0 {
            last = Some(*client.coordinate());
            break;
        }
    }
    assert!(last.is_some(), "never reset: {:?}", client.coordinate());
}

#[test]
fn a_forgotten_peer_loses_its_coordinate_and_its_round_trips() {
    let mut peers = Peers::new(4);
    let (ms, at) = (Duration::from_millis, Coordinate::ORIGIN);
    assert_eq!(peers.observe(7, ms(1), &at), ms(1));
    assert_eq!(peers.observe(7, ms(5), &at), ms(5));
    assert_eq!(peers.observe(7, ms(3), &at), ms(3));
    assert_eq!(peers.observe(7, ms(9), &at), ms(5));
    peers.forget(7);
    assert_eq!(peers.coordinate(7), None);
    assert_eq!(peers.observe(7, ms(2), &at), ms(2));

    let mut client = CoordinateClient::new(4);
    assert_eq!(client.update(7, &at, ms(1), || 5), Ok(()));
    assert_eq!(client.peer(7).map(|peer| peer.vec), Some(at.vec));
    client.forget(7);
    assert_eq!(client.peer(7), None);
}

#[test]
fn a_node_that_remembers_nobody_still_learns() {
    let mut client = CoordinateClient::new(0);
    let rtt = Duration::from_millis(20);
    client
        .update(1, &Coordinate::ORIGIN, rtt, || 5)
        .expect("accepted");
    assert_ne!(*client.coordinate(), Coordinate::ORIGIN);
    assert_eq!(client.peer(1), None);
}

fn any_valid() -> impl Strategy<Value = Coordinate> {
    let signed = || prop_oneof![-100.0..=100.0f64, -1e-5..1e-5f64];
    let unsigned = || prop_oneof![0.0..=100.0f64, 0.0..1e-5f64];
    (
        prop::array::uniform8(signed()),
        unsigned(),
        signed(),
        unsigned(),
    )
        .prop_map(|(vec, error, adjustment, height)| c(vec, error, adjustment, height))
}

fn any_number() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

proptest! {
    #[test]
    fn a_node_stays_valid_whatever_its_peers_say(
        updates in prop::collection::vec((0..3u32, any_valid(), 0..=10_000_000_000u64), 1..60),
        draw: u64,
    ) {
        let mut client = CoordinateClient::new(2);
        for (peer, other, rtt) in updates {
            prop_assert_eq!(client.update(peer, &other, Duration::from_nanos(rtt), || draw), Ok(()));
            prop_assert!(client.coordinate().is_valid());
            prop_assert!(client.coordinate().error <= 1.5);
        }
    }

    #[test]
    fn distances_are_the_same_both_ways_but_for_rounding(a in any_valid(), b in any_valid()) {
        let (there, back) = (a.distance_to(&b), b.distance_to(&a));
        prop_assert!(there.abs_diff(back) <= Duration::from_nanos(1));
    }

    #[test]
    fn no_number_makes_a_distance_panic(
        vec in prop::array::uniform8(any_number()),
        rest in prop::array::uniform3(any_number()),
    ) {
        let [error, adjustment, height] = rest;
        let strange = c(vec, error, adjustment, height);
        let _ = strange.distance_to(&Coordinate::ORIGIN);
        let _ = Coordinate::ORIGIN.distance_to(&strange);
    }

    #[test]
    fn a_remembered_coordinate_is_right_to_24_bits(at in any_valid()) {
        let mut peers = Peers::new(1);
        peers.observe(1, Duration::ZERO, &at);
        let kept = peers.coordinate(1).expect("remembered");
        let close = |a: f64, b: f64| (a - b).abs() <= a.abs() * (1.0 / f64::from(1 << 24)) + 1e-40;
        prop_assert!(kept.is_valid());
        prop_assert!(at.vec.iter().zip(kept.vec).all(|(a, b)| close(*a, b)));
        prop_assert!(close(at.error, kept.error));
        prop_assert!(close(at.adjustment, kept.adjustment));
        prop_assert!(close(at.height, kept.height));
    }

    /// Against the plainest model: a queue with the newest in front.
    #[test]
    fn peers_make_room_in_the_order_in_which_they_came(
        max in 1..6u32,
        keys in prop::collection::vec(0..10u32, 0..80),
    ) {
        let mut peers = Peers::new(max);
        let mut model = VecDeque::new();
        for key in keys {
            peers.observe(key, Duration::ZERO, &Coordinate::ORIGIN);
            if !model.contains(&key) {
                model.push_front(key);
                model.truncate(max as usize);
            }
            let mut expected: Vec<u32> = model.iter().copied().collect();
            expected.sort_unstable();
            prop_assert_eq!(peers.keys(), expected);
        }
    }

    #[test]
    fn the_latest_peer_is_known_and_a_forgotten_one_is_not(
        max in 1..6u32,
        steps in prop::collection::vec((0..10u32, prop::bool::weighted(0.25)), 0..80),
    ) {
        let mut peers = Peers::new(max);
        for (key, forget) in steps {
            let before = peers.keys();
            if forget {
                peers.forget(key);
            } else {
                peers.observe(key, Duration::ZERO, &Coordinate::ORIGIN);
            }
            let after = peers.keys();
            prop_assert_eq!(after.contains(&key), !forget);
            prop_assert!(after.len() <= max as usize);
            let lost = before.iter().filter(|&other| *other != key && !after.contains(other));
            let full = before.len() == max as usize && !before.contains(&key);
            prop_assert_eq!(lost.count(), usize::from(!forget && full));
        }
    }
}
