use alloc::format;
use alloc::vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;

const NONCE: [u8; NONCE_LEN] = *b"never again!";

fn key(fill: u8, len: usize) -> Key {
    Key::new(&vec![fill; len]).expect("a valid length")
}

fn sealer(keys: &[Key]) -> Sealer {
    Sealer::new(&Keyring::from_keys(keys.iter().cloned()).expect("a ring"))
}

fn label(text: &str) -> Label {
    Label::new(text).expect("a label")
}

fn sealed_packet(sealer: &Sealer, plain: &[u8], label: &Label) -> Vec<u8> {
    let mut buf = plain.to_vec();
    sealer.seal_packet(&mut buf, 0, NONCE, label);
    buf
}

#[test]
fn any_key_of_the_ring_opens_and_the_first_seals() {
    let (one, two, three) = (key(1, 16), key(2, 24), key(3, 32));
    let old = sealer(&[one.clone(), two.clone()]);
    let new = sealer(&[three, two, one]);
    let mut packet = sealed_packet(&old, b"hello", &Label::none());
    assert_eq!(packet.len(), 5 + PACKET_OVERHEAD);
    assert_eq!(
        new.open_packet(&mut packet, &Label::none()),
        Ok(&b"hello"[..])
    );
    let mut packet = sealed_packet(&new, b"hello", &Label::none());
    let before = packet.clone();
    assert_eq!(
        old.open_packet(&mut packet, &Label::none()),
        Err(SealError::NoKey)
    );
    assert_eq!(
        packet, before,
        "whoever takes plain packets goes on with it"
    );
}

#[test]
fn the_label_is_sealed_too() {
    let sealer = sealer(&[key(1, 16)]);
    let (one, two) = (label("one"), label("two"));
    let mut packet = sealed_packet(&sealer, b"hello", &one);
    assert_eq!(sealer.open_packet(&mut packet, &two), Err(SealError::NoKey));
    assert_eq!(
        sealer.open_packet(&mut packet, &Label::none()),
        Err(SealError::NoKey)
    );
    assert!(sealer.open_packet(&mut packet, &one).is_ok());

    let mut frame = b"hello".to_vec();
    sealer.seal_frame(&mut frame, 0, NONCE, &one);
    assert_eq!(frame.len(), 5 + FRAME_OVERHEAD);
    assert_eq!(sealer.open_frame(&mut frame, &two), Err(SealError::NoKey));
    assert_eq!(sealer.open_frame(&mut frame, &one), Ok(&b"hello"[..]));
}

#[test]
fn what_is_no_envelope_is_refused_with_the_reason() {
    let sealer = sealer(&[key(1, 16)]);
    let none = Label::none();
    let open = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        sealer.open_packet(&mut bytes, &none).map(<[u8]>::len)
    };
    for len in 0..PACKET_OVERHEAD {
        assert_eq!(open(&vec![1; len]), Err(SealError::TooShort { len }));
    }
    assert_eq!(open(&[1; PACKET_OVERHEAD]), Err(SealError::NoKey));
    assert_eq!(open(&[2; 100]), Err(SealError::Version(2)));
    assert_eq!(open(&[0xb1; 100]), Err(SealError::Version(0xb1)));
}

#[test]
fn a_frame_is_refused_as_soon_as_its_header_says_so() {
    assert_eq!(frame(b"", 100), Ok(Frame::Partial));
    assert_eq!(frame(b"\x0a\0\0\0", 100), Ok(Frame::Partial));
    assert_eq!(frame(b"\x0a\0\0\0\x40", 100), Ok(Frame::Partial));
    assert_eq!(frame(b"\x06", 100), Err(SealError::Plain));
    let short = frame(b"\x0a\0\0\0\x1c", 100);
    assert_eq!(short, Err(SealError::TooShort { len: 33 }));
    let len = 5 + u64::from(u32::MAX);
    let long = frame(b"\x0a\xff\xff\xff\xff", 100);
    assert_eq!(long, Err(SealError::TooLarge { len, cap: 100 }));
    assert_eq!(
        frame(&[&b"\x0a\0\0\0\x5f"[..], &[0; 95]].concat(), 100),
        Ok(Frame::Complete { len: 100 })
    );
    assert!(frame(b"\x0a\0\0\0\x60", 100).is_err());
}

#[test]
fn padding_is_checked() {
    // Sealed by the key, and yet not as it should be.
    let sealer = sealer(&[key(1, 16)]);
    for (padded, expected) in [
        (&[&[7; 15][..], &[1]].concat()[..], Ok(15)),
        (&[16; 16], Ok(0)),
        (&[&[1; 15][..], &[2]].concat(), Err(SealError::Padding)),
        (&[7; 16], Ok(9)),
        (&[0; 16], Err(SealError::Padding)),
        (&[17; 32], Err(SealError::Padding)),
        (&[1; 15], Err(SealError::Padding)),
        (&[], Err(SealError::Padding)),
    ] {
        let mut packet = vec![PADDED_VERSION];
        packet.extend(NONCE);
        let mut bytes = padded.to_vec();
        let tag = sealer.ciphers[0].encrypt(NONCE, b"", &mut bytes);
        packet.extend(bytes);
        packet.extend(tag);
        let opened = sealer.open_packet(&mut packet, &Label::none());
        assert_eq!(opened.map(<[u8]>::len), expected, "{padded:?}");
    }
}

#[test]
fn a_packet_whose_version_was_changed_is_refused() {
    let sealer = sealer(&[key(1, 16)]);
    let mut packet = sealed_packet(&sealer, b"hello", &Label::none());
    packet[0] = PADDED_VERSION;
    let opened = sealer.open_packet(&mut packet, &Label::none());
    assert_eq!(opened, Err(SealError::Padding));
}

#[test]
fn a_sealer_is_not_printed() {
    let sealer = sealer(&[key(1, 16), key(2, 32)]);
    assert_eq!(format!("{sealer:?}"), "Sealer(2 keys)");
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        plain in vec_of(any::<u8>(), 0..300),
        before in vec_of(any::<u8>(), 0..20),
        size in 0..3_usize,
        version in 0..2_u8,
        nonce: [u8; NONCE_LEN],
        text in "[a-z]{0,9}",
    ) {
        let sealer = sealer(&[key(9, [16, 24, 32][size])]);
        let label = label(&text);
        let start = before.len();
        let filled = || [&before[..], &plain].concat();

        let mut buf = filled();
        sealer.seal_packet_as(version, &mut buf, start, nonce, &label);
        prop_assert_eq!(&buf[..start], &before[..]);
        prop_assert_eq!(sealer.open_packet(&mut buf[start..], &label), Ok(&plain[..]));

        let mut buf = filled();
        sealer.seal_frame_as(version, &mut buf, start, nonce, &label);
        prop_assert_eq!(&buf[..start], &before[..]);
        let len = buf.len() - start;
        prop_assert_eq!(frame(&buf[start..], len), Ok(Frame::Complete { len }));
        prop_assert_eq!(sealer.open_frame(&mut buf[start..], &label), Ok(&plain[..]));
    }

    #[test]
    fn any_change_is_seen(
        plain in vec_of(any::<u8>(), 0..100),
        at: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let sealer = sealer(&[key(1, 16), key(2, 32)]);
        let mut packet = sealed_packet(&sealer, &plain, &Label::none());
        let at = at.index(packet.len());
        packet[at] ^= 1 << bit;
        prop_assert!(sealer.open_packet(&mut packet, &Label::none()).is_err());
    }

    #[test]
    fn any_bytes_are_refused(mut bytes in vec_of(any::<u8>(), 0..200), version in 0..2_u8) {
        let sealer = sealer(&[key(1, 16)]);
        if let Some(first) = bytes.first_mut() {
            *first = version;
        }
        prop_assert!(sealer.open_packet(&mut bytes, &Label::none()).is_err());
        if let Some(first) = bytes.first_mut() {
            *first = FRAME_FIRST_BYTE;
        }
        prop_assert!(sealer.open_frame(&mut bytes, &Label::none()).is_err());
    }
}
