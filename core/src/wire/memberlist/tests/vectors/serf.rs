//! Vectors of Serf's own messages and states.

use super::*;

pub(super) fn check_serf(vector: &Vector) {
    let (name, fields, bytes) = (&vector.name, &vector.fields, &vector.bytes[..]);
    match vector.id() {
        "serf_user_event_in_packet" => {
            let message = read_message(bytes, NOWHERE).expect(name);
            assert!(matches!(message, Message::Serf(SerfMessage::UserEvent(_))));
            assert_eq!(encoded(&message), bytes);
        }
        "serf_pushpull_small" | "serf_pushpull_default_buffer" => check_state(vector),
        "serf_filter_node" | "serf_filter_tag" => {
            let mut list = vec![0x91];
            msgpack::append_bytes(&mut list, bytes);
            let filters: Vec<_> = Filters::Memberlist(&list).iter().collect();
            match &filters[..] {
                [Some(Filter::Nodes(names))] => {
                    let expected = fields["nodes"].as_array().expect("names");
                    let names = names.clone().map(|name| name.as_bytes().to_vec());
                    assert!(
                        names.eq(expected
                            .iter()
                            .map(|name| text_of(name).as_bytes().to_vec()))
                    );
                }
                [Some(Filter::Tag { key, pattern })] => {
                    assert_eq!(
                        (*key, *pattern),
                        (text_of(&fields["Tag"]), text_of(&fields["Expr"]))
                    );
                }
                other => panic!("{name}: {other:?}"),
            }
            let mut out = Vec::new();
            filter::append_filter(&mut out, filters[0].clone());
            assert_eq!(out, bytes, "{name}");
        }
        "serf_conflict_response" | "serf_conflict_response_unknown" => {
            let member = read_conflict_response(bytes).expect(name);
            if let Some(member) = &member {
                let v = member.versions;
                let number = |number: u8| Field::Number(number.into());
                let record = vec![
                    ("Name", Field::Bytes(member.name.as_bytes().to_vec())),
                    ("Addr", ip(member.addr)),
                    ("Port", Field::Number(member.addr.port().into())),
                    ("Status", number(member.status)),
                    ("ProtocolMin", number(v.protocol_min)),
                    ("ProtocolMax", number(v.protocol_max)),
                    ("ProtocolCur", number(v.protocol_cur)),
                    ("DelegateMin", number(v.delegate_min)),
                    ("DelegateMax", number(v.delegate_max)),
                    ("DelegateCur", number(v.delegate_cur)),
                    (
                        "Tags",
                        Field::Record(vec![(
                            "role",
                            Field::Bytes(member.tags["role"].clone().into_bytes()),
                        )]),
                    ),
                ];
                // Keys of tags are not names of fields.
                let (tags, rest) = record.split_last().expect("fields");
                assert_eq!(fields["Tags"]["role"], "web");
                assert!(matches!(tags.1, Field::Record(_)));
                let mut without_tags = fields.clone();
                without_tags.as_object_mut().expect("fields").remove("Tags");
                assert!(same(rest, &without_tags), "{name}: {rest:?}");
            }
            let mut out = Vec::new();
            write_conflict_response(&mut out, member.as_ref());
            assert_eq!(out, bytes, "{name}");
        }
        "serf_key_request" | "serf_key_request_list" => {
            let request = read_key_request(bytes).expect(name);
            assert_eq!(request.key, vector.hex("Key"));
            let mut out = Vec::new();
            write_key_request(&mut out, &request);
            assert_eq!(out, bytes, "{name}");
        }
        "serf_key_response_ok" | "serf_key_response_error" | "serf_key_response_list" => {
            let response = read_key_response(bytes).expect(name);
            let record = vec![
                ("Result", Field::Bool(response.done)),
                ("Message", Field::Bytes(response.message.into())),
                (
                    "Keys",
                    Field::List(response.keys.map(|key| Field::Bytes(key.into())).collect()),
                ),
                ("PrimaryKey", Field::Bytes(response.primary.into())),
            ];
            assert!(same(&record, fields), "{name}: {record:?}");
            let keys: Vec<_> = response.keys.collect();
            let keys = (!keys.is_empty()).then(|| keys.iter().copied());
            let mut out = Vec::new();
            write_key_response(
                &mut out,
                response.done,
                response.message,
                keys,
                response.primary,
            );
            assert_eq!(out, bytes, "{name}");
        }
        "tags_meta" | "tags_meta_empty" | "tags_meta_role_only_v2" | "tags_meta_long_value" => {
            let tags = tags::decode(bytes);
            let expected = fields.as_object().expect("tags");
            assert!(
                tags.iter().map(|(k, v)| (k.clone(), v.clone())).eq(expected
                    .iter()
                    .map(|(k, v)| (k.clone(), text_of(v).to_owned())))
            );
            if bytes[0] == 0xff {
                assert_eq!(tags::encode(&tags).as_deref(), Ok(bytes), "{name}");
            }
        }
        "ping_ack_coordinate" => {
            let coordinate = read_coordinate(bytes).expect(name);
            let number = |value: &Value| value.as_f64().expect("a number");
            assert_eq!(coordinate.adjustment, number(&fields["Adjustment"]));
            assert_eq!(coordinate.error, number(&fields["Error"]));
            assert_eq!(coordinate.height, number(&fields["Height"]));
            let vec = fields["Vec"].as_array().expect("a list");
            assert_eq!(
                coordinate.vec.to_vec(),
                vec.iter().map(number).collect::<Vec<_>>()
            );
            let mut out = Vec::new();
            write_coordinate(&mut out, &coordinate);
            assert_eq!(out, bytes, "{name}");
            assert_ne!(coordinate, Coordinate::ORIGIN);
        }
        _ => {
            let message = read_serf_message(bytes).expect(name);
            assert_eq!(u64::from(bytes[0]), fields["type"], "{name}");
            let record = serf_fields_of(&message);
            assert!(same(&record, fields), "{name}: {record:?}");
            if let SerfMessage::Relay(relay) = message {
                assert_eq!(relay.message, vector.hex("inner"), "{name}");
            }
            let mut out = Vec::new();
            append_serf_message(&mut out, &message);
            assert_eq!(out, bytes, "{name}");
        }
    }
}

/// Our own states have no empty slots, and so other bytes.
pub(super) fn check_state(vector: &Vector) {
    use crate::message::StateEntry;
    let (name, fields) = (&vector.name, &vector.fields);
    let entries: Vec<_> = StateEntries::new(&vector.bytes)
        .expect(name)
        .map(|entry| entry.expect(name))
        .collect();
    let (mut members, mut events) = (Vec::new(), Vec::new());
    for entry in &entries {
        match entry {
            StateEntry::Clocks(clocks) => {
                assert_eq!(clocks.member.get(), fields["LTime"], "{name}");
                assert_eq!(clocks.event.get(), fields["EventLTime"], "{name}");
                assert_eq!(clocks.query.get(), fields["QueryLTime"], "{name}");
            }
            StateEntry::Member(member) => members.push(member),
            StateEntry::Event(event) => events.push(event),
        }
    }
    let times = fields["StatusLTimes"].as_object().expect("times");
    assert_eq!(members.len(), times.len(), "{name}");
    for member in &members {
        let key = str::from_utf8(member.name.as_bytes()).expect("a name");
        assert_eq!(times[key], member.ltime.get(), "{name}");
        // The vector's list of those who left has nobody in it of whom there is a time.
        assert!(!member.left);
    }
    let slot = &fields["events_at_slot_3"];
    let expected = slot["Events"].as_array().map_or(&[][..], |events| events);
    assert_eq!(events.len(), expected.len(), "{name}");
    for (event, expected) in events.iter().zip(expected) {
        assert_eq!(event.ltime.get(), slot["LTime"], "{name}");
        assert_eq!(event.name, expected["Name"], "{name}");
        assert!(bytes(event.payload).is(&expected["Payload"]), "{name}");
    }
    let mut ours = Vec::new();
    let [StateEntry::Clocks(clocks), rest @ ..] = &entries[..] else {
        panic!("the clocks come first");
    };
    let mut writer = StateWriter::new(clocks, usize::MAX);
    for entry in rest {
        assert!(match entry {
            StateEntry::Member(member) => writer.push_member(member),
            StateEntry::Event(event) => writer.push_event(event),
            StateEntry::Clocks(_) => panic!("clocks twice"),
        });
    }
    writer.finish(&mut ours);
    let again = StateEntries::new(&ours).expect(name);
    assert!(again.map(|entry| entry.expect(name)).eq(entries), "{name}");
}
