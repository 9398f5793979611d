//! Serf's part of a state exchange, and the filters of queries.

use alloc::string::String;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;
use crate::message::{Clocks, Filter, MemberTime, RawName, StateEntry};

fn t(time: u64) -> LamportTime {
    LamportTime::new(time)
}

fn clocks() -> Clocks {
    Clocks {
        member: t(7),
        event: t(300),
        query: t(1),
    }
}

fn member(name: &str) -> MemberTime<'_> {
    MemberTime {
        name: name.into(),
        ltime: t(5),
        left: true,
    }
}

fn event<'a>(name: &'a str, payload: &'a [u8]) -> UserEvent<'a> {
    UserEvent {
        ltime: t(6),
        name,
        payload,
        coalesce: false,
    }
}

fn entries(state: &[u8]) -> Vec<Result<StateEntry<'_>, MessageError>> {
    StateEntries::new(state).collect()
}

#[test]
fn the_bytes_of_a_message_and_of_a_state_do_not_change() {
    let messages = every_message();
    let body = |at: usize| packet(&messages[at..=at]).split_off(HEADER_LEN);
    assert_eq!(body(7), b"\x0b\x09\x80\x01\x06leaver\x01");
    assert_eq!(body(9), b"\x11\x0b\x03\x06deploy\x06v1.2.3\x01");
    assert_eq!(
        body(10),
        b"\x25\x0c\x09\x4d\x06\x0a\x01\x02\x03\x0a\x1f\x05asker\x04\x03\x00\x01a\x01\x02\
          \x80\xc0\xf0\xf5\x0b\x04load\x0315m"
    );
    assert_eq!(body(11), b"\x13\x0d\x09\x4d\x09responder\x00\x040.42");

    let mut state = Vec::new();
    let mut writer = StateWriter::new(&mut state, &clocks(), 100);
    assert!(writer.push_member(&member("m")));
    assert!(writer.push_event(&event("e", b"p")));
    assert_eq!(
        state,
        b"\x05\x01\x07\xac\x02\x01\x05\x02\x01m\x05\x01\x07\x03\x06\x01e\x01p\x00"
    );
}

#[test]
fn a_message_can_be_passed_on_as_it_came() {
    let messages = every_message();
    // A field that only a later version knows stays with its message.
    let mut newer = Vec::new();
    append_message(&mut newer, &messages[9]);
    newer.extend(b"new");
    let mut received = Vec::new();
    let mut writer = PacketWriter::new(&mut received, 100);
    assert!(writer.push(&messages[0]));
    assert!(writer.push_encoded(&newer));
    writer.finish();

    let mut reader = read_packet(&received).expect("an intact packet");
    let mut next = || reader.next_encoded().expect("another").expect("readable");
    assert_eq!(read_message(next()), Ok(messages[0]));
    let encoded = next();
    assert_eq!(encoded, newer);
    assert_eq!(read_message(encoded), Ok(messages[9]));
    assert_eq!(reader.next_encoded(), None);
    assert_eq!(read_message(b""), Err(MessageError::Malformed));
}

#[test]
fn a_state_begins_with_the_clocks_and_stays_in_its_budget() {
    let mut state = b"before".to_vec();
    let mut writer = StateWriter::new(&mut state, &clocks(), 12);
    assert!(!writer.push_member(&member("long")));
    assert!(writer.push_member(&member("m")));
    assert!(!writer.push_event(&event("", b"")));
    assert_eq!(state.len(), 6 + 12);
    assert_eq!(
        entries(&state[6..]),
        [
            Ok(StateEntry::Clocks(clocks())),
            Ok(StateEntry::Member(member("m")))
        ]
    );

    let mut state = Vec::new();
    let mut writer = StateWriter::new(&mut state, &clocks(), 0);
    assert!(!writer.push_member(&member("m")));
    assert_eq!(entries(&state), [Ok(StateEntry::Clocks(clocks()))]);
}

#[test]
fn what_is_not_known_in_a_state_is_stepped_over() {
    let member = StateEntry::Member(member("m"));
    // A kind of a later version, a field of a later version, an entry cut short, one of no length.
    assert_eq!(
        entries(b"\x02\x09\xff\x07\x02\x01m\x05\x01\xff\xff\x02\x02\x05\x00\x05\x02\x01m\x05\x01"),
        [
            Err(MessageError::Unknown { kind: 9 }),
            Ok(member),
            Err(MessageError::Malformed),
            Err(MessageError::Malformed),
            Ok(member),
        ]
    );
    assert_eq!(entries(b"\x09\x01"), [Err(MessageError::Malformed)]);
    assert_eq!(entries(b""), []);
}

#[test]
fn filters_come_back_and_unknown_ones_do_not_hide_the_others() {
    let mut bytes = Vec::new();
    append_node_filter(&mut bytes, ["a", ""]);
    bytes.extend(b"\x01\x07");
    append_tag_filter(&mut bytes, "role", "^web");
    append_node_filter(&mut bytes, []);
    let mut filters = FilterEntries::new(&bytes);
    let Some(Ok(Filter::Nodes(names))) = filters.next() else {
        panic!("the names come first");
    };
    assert!(names.eq([RawName::from("a"), "".into()]));
    assert_eq!(filters.next(), Some(Err(MessageError::Unknown { kind: 7 })));
    let tag = Filter::Tag {
        key: "role",
        pattern: "^web",
    };
    assert_eq!(filters.next(), Some(Ok(tag)));
    let Some(Ok(Filter::Nodes(mut names))) = filters.next() else {
        panic!("no names come last");
    };
    assert_eq!(names.next(), None);
    assert_eq!(filters.next(), None);
}

proptest! {
    #[test]
    fn any_state_comes_back_as_far_as_it_fits(
        times: [u64; 3],
        items in vec_of((".{0,20}", any::<u64>(), any::<bool>(), vec_of(any::<u8>(), 0..200)), 0..20),
        budget in 0..2000_usize,
    ) {
        let [member, event, query] = times.map(t);
        let clocks = Clocks { member, event, query };
        let mut state = vec![1, 2, 3];
        let mut writer = StateWriter::new(&mut state, &clocks, budget);
        let mut expected = vec![Ok(StateEntry::Clocks(clocks))];
        for (name, ltime, flag, payload) in &items {
            let member = MemberTime { name: (&**name).into(), ltime: t(*ltime), left: *flag };
            if writer.push_member(&member) {
                expected.push(Ok(StateEntry::Member(member)));
            }
            let event = UserEvent { ltime: t(*ltime), name, payload, coalesce: *flag };
            if writer.push_event(&event) {
                expected.push(Ok(StateEntry::Event(event)));
            }
        }
        prop_assert!(state.len() - 3 <= budget.max(32));
        prop_assert_eq!(entries(&state[3..]), expected);
    }

    #[test]
    fn any_filters_come_back(
        names in vec_of(".{0,200}", 0..5),
        tag in (".{0,20}", ".{0,200}"),
    ) {
        let mut bytes = Vec::new();
        append_node_filter(&mut bytes, names.iter().map(String::as_str));
        append_tag_filter(&mut bytes, &tag.0, &tag.1);
        let mut filters = FilterEntries::new(&bytes);
        let Some(Ok(Filter::Nodes(read))) = filters.next() else {
            panic!("the names come first");
        };
        prop_assert!(read.eq(names.iter().map(|name| RawName::from(&**name))));
        let tag = Filter::Tag { key: &tag.0, pattern: &tag.1 };
        prop_assert_eq!(filters.next(), Some(Ok(tag)));
        prop_assert_eq!(filters.next(), None);
    }

    #[test]
    fn any_bytes_are_a_state_and_filters_of_bounded_length(bytes in vec_of(any::<u8>(), 0..600)) {
        prop_assert!(StateEntries::new(&bytes).count() <= bytes.len());
        let mut names = 0;
        let filters = FilterEntries::new(&bytes);
        let count = filters
            .inspect(|filter| {
                if let Ok(Filter::Nodes(list)) = filter {
                    names += list.clone().count();
                }
            })
            .count();
        prop_assert!(count + names <= bytes.len());
    }
}
