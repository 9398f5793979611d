use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::swim::table::Slot;

/// Something to be told of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
struct News {
    subject: Slot,
    version: u32,
}

impl Broadcast for News {
    type Subject = Slot;

    fn subject(&self) -> Option<&Slot> {
        Some(&self.subject)
    }
}

fn alive(subject: Slot) -> News {
    News {
        subject,
        version: 1,
    }
}

/// One packet with room for `budget` bytes; a rumour takes as many as `len` says.
fn packet(
    queue: &mut Broadcasts<News>,
    limit: u32,
    budget: usize,
    len: impl Fn(Slot) -> usize,
) -> Vec<Slot> {
    let mut left = budget;
    let mut packed = vec![];
    queue.fill(Some(limit), |rumour| {
        let len = len(rumour.subject);
        if len > left {
            return if left < 2 {
                Offer::Full
            } else {
                Offer::TooLong
            };
        }
        left -= len;
        packed.push(rumour.subject);
        Offer::Packed
    });
    packed
}

#[test]
fn least_sent_come_first_and_newest_first_among_them() {
    let mut queue = Broadcasts::new(usize::MAX);
    queue.push(alive(1), Instant::ZERO);
    queue.push(alive(2), Instant::ZERO);
    assert_eq!(packet(&mut queue, 3, 20, |_| 10), [2, 1]);
    queue.push(alive(3), Instant::ZERO);
    assert_eq!(packet(&mut queue, 3, 20, |_| 10), [3, 2]);
    assert_eq!(packet(&mut queue, 3, 20, |_| 10), [3, 1]);
}

#[test]
fn a_rumour_ends_at_the_transmit_limit_and_is_reported_once() {
    let mut queue = Broadcasts::new(usize::MAX);
    queue.push(alive(9), Instant::ZERO);
    assert_eq!(packet(&mut queue, 2, 100, |_| 10), [9]);
    assert_eq!(queue.take_finished(), None);
    assert_eq!(packet(&mut queue, 2, 100, |_| 10), [9]);
    assert_eq!(queue.take_finished(), Some(9));
    assert_eq!(queue.take_finished(), None);
    assert!(queue.is_empty());
}

#[test]
fn what_does_not_count_changes_nothing() {
    let mut queue = Broadcasts::new(usize::MAX);
    queue.push(alive(1), Instant::ZERO);
    queue.push(alive(2), Instant::ZERO);
    assert_eq!(packet(&mut queue, 2, 10, |_| 10), [2]);
    for _ in 0..9 {
        let mut packed = vec![];
        queue.fill(None, |rumour| {
            packed.push(rumour.subject);
            Offer::Packed
        });
        assert_eq!(packed, [1, 2]);
    }
    assert_eq!((queue.told(&1), queue.told(&2)), (Some(0), Some(1)));
    assert_eq!(queue.take_finished(), None);
}

#[test]
fn a_newer_rumour_about_a_member_displaces_the_older_and_starts_anew() {
    let mut queue = Broadcasts::new(usize::MAX);
    queue.push(alive(1), Instant::ZERO);
    packet(&mut queue, 3, 100, |_| 10);
    let newer = News {
        version: 2,
        ..alive(1)
    };
    queue.push(newer, Instant::ZERO);
    assert_eq!(queue.len(), 1);
    let mut told = vec![];
    for _ in 0..5 {
        queue.fill(Some(3), |rumour| {
            told.push(rumour.version);
            Offer::Packed
        });
    }
    assert_eq!(told, [2, 2, 2]);
}

#[test]
fn what_does_not_fit_lets_shorter_ones_pass_and_goes_out_in_the_next_packet() {
    let mut queue = Broadcasts::new(usize::MAX);
    for subject in [1, 2, 3] {
        queue.push(alive(subject), Instant::ZERO);
    }
    let len = |subject| if subject == 2 { 90 } else { 30 };
    assert_eq!(packet(&mut queue, 9, 100, len), [3, 1]);
    assert_eq!(packet(&mut queue, 9, 100, len), [2]);
}

/// A message about nothing in particular.
#[derive(Debug)]
struct Saying(u32);

impl Broadcast for Saying {
    type Subject = ();

    fn subject(&self) -> Option<&()> {
        None
    }
}

#[test]
fn a_full_queue_displaces_the_oldest_of_the_most_told_and_says_so() {
    let mut queue = Broadcasts::new(4);
    let mut told = vec![];
    let mut tell = |queue: &mut Broadcasts<Saying>, many: usize| {
        told.clear();
        queue.fill(Some(9), |saying| {
            if told.len() == many {
                return Offer::Full;
            }
            told.push(saying.0);
            Offer::Packed
        });
        told.clone()
    };
    queue.push(Saying(0), Instant::ZERO);
    queue.push(Saying(1), Instant::ZERO);
    assert_eq!(tell(&mut queue, 2), [1, 0]);
    for n in [2, 3] {
        queue.push(Saying(n), Instant::ZERO);
    }
    assert_eq!(queue.stats(Instant::ZERO).displaced, 0);
    queue.push(Saying(4), Instant::ZERO);
    let stats = queue.stats(Instant::ZERO);
    assert_eq!((stats.depth, stats.displaced), (4, 1));
    assert_eq!(tell(&mut queue, 9), [4, 3, 2, 1]);
}

/// A message that is told once more.
#[derive(Debug)]
struct Insistent(bool);

impl Broadcast for Insistent {
    type Subject = ();

    fn subject(&self) -> Option<&()> {
        None
    }

    fn again(&mut self) -> bool {
        core::mem::take(&mut self.0)
    }
}

#[test]
fn a_message_that_begins_again_is_told_as_often_once_more() {
    let mut queue = Broadcasts::new(usize::MAX);
    queue.push(Insistent(true), Instant::ZERO);
    queue.push(Insistent(false), Instant::ZERO);
    let mut told = vec![];
    while !queue.is_empty() {
        let mut many = 0;
        queue.fill(Some(3), |_| {
            many += 1;
            Offer::Packed
        });
        told.push(many);
    }
    assert_eq!(told, [2, 2, 2, 1, 1, 1]);
}

#[test]
fn how_often_a_subject_was_told_of_is_known_until_it_ends() {
    let mut queue = Broadcasts::new(usize::MAX);
    queue.push(alive(1), Instant::ZERO);
    packet(&mut queue, 2, 100, |_| 10);
    assert_eq!((queue.told(&1), queue.told(&2)), (Some(1), None));
    packet(&mut queue, 2, 100, |_| 10);
    assert_eq!(queue.told(&1), None);
}

#[test]
fn the_age_is_that_of_the_one_that_has_waited_longest() {
    // In times of about a second, which are kept to the last bit.
    let span = |spans: u64| Duration::from_nanos(spans << 30);
    let at = |spans| Instant::ZERO + span(spans);
    let mut queue = Broadcasts::new(usize::MAX);
    queue.push(alive(1), at(0));
    queue.push(alive(2), at(2));
    assert_eq!(queue.stats(at(3)).age, span(3));
    queue.push(alive(1), at(3));
    assert_eq!(queue.stats(at(3)).age, span(1));
}

proptest! {
    /// Against a model: a list of (sent, age, subject) sorted for every packet.
    #[test]
    fn packets_follow_the_stated_order(ops in prop::collection::vec((0u8..3, 0u32..12), 1..200)) {
        const LIMIT: u32 = 4;
        let mut queue = Broadcasts::new(usize::MAX);
        let mut model: Vec<(u32, u32, Slot)> = vec![];
        let mut clock = u32::MAX;
        for (op, subject) in ops {
            match op {
                0 | 1 => {
                    queue.push(alive(subject), Instant::ZERO);
                    model.retain(|&(_, _, s)| s != subject);
                    clock -= 1;
                    model.push((0, clock, subject));
                }
                _ => {
                    let room = subject as usize;
                    model.sort_unstable();
                    let expected: Vec<Slot> =
                        model.iter().take(room).map(|&(_, _, s)| s).collect();
                    let packed = packet(&mut queue, LIMIT, room * 10, |_| 10);
                    prop_assert_eq!(&packed, &expected);
                    // Sent ones keep their order at the front of the next tier.
                    for entry in model.iter_mut().take(room).rev() {
                        clock -= 1;
                        *entry = (entry.0 + 1, clock, entry.2);
                    }
                    model.retain(|&(sent, _, _)| sent < LIMIT);
                }
            }
            prop_assert_eq!(queue.len(), model.len());
        }
    }
}
