//! The keys of an encrypted cluster (wire-protocol reference, section 8.7).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// Base64 as people already have it in their files: with padding, and not particular about the
/// bits that the last character has too many.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// A secret key: 16, 24 or 32 bytes for AES-128, AES-192 or AES-256.
///
/// Its bytes stay in one place in memory and are overwritten when it is dropped. They are never
/// printed, unless by way of [`to_base64`](Self::to_base64).
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<Box<[u8]>>);

impl Key {
    /// The longest key, in bytes.
    pub const MAX_LEN: usize = 32;

    /// Takes a copy of a key.
    ///
    /// # Errors
    /// [`KeyringError::KeySize`].
    pub fn new(bytes: &[u8]) -> Result<Self, KeyringError> {
        match bytes.len() {
            16 | 24 | Self::MAX_LEN => Ok(Self(Zeroizing::new(bytes.into()))),
            len => Err(KeyringError::KeySize { len }),
        }
    }

    /// Reads a key from standard base64 with padding.
    ///
    /// # Errors
    /// [`KeyringError::Base64`] or [`KeyringError::KeySize`].
    pub fn from_base64(text: &str) -> Result<Self, KeyringError> {
        // Room for one group of three bytes more than the longest key: what is longer is refused,
        // and nothing is allocated for it.
        let mut bytes = Zeroizing::new([0; Self::MAX_LEN + 4]);
        let len = match BASE64.decode_slice(text, bytes.as_mut_slice()) {
            Ok(len) => len,
            Err(base64::DecodeSliceError::DecodeError(_)) => return Err(KeyringError::Base64),
            Err(base64::DecodeSliceError::OutputSliceTooSmall) => {
                return Err(KeyringError::KeySize {
                    len: text.len() / 4 * 3,
                });
            }
        };
        Self::new(&bytes[..len])
    }

    /// The key in standard base64 with padding; overwritten when dropped.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<alloc::string::String> {
        Zeroizing::new(BASE64.encode(self.as_bytes()))
    }

    /// The secret itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.0.len())
    }
}

/// An ordered ring of keys: the first, the primary, encrypts; all are tried to decrypt.
///
/// It is never empty and never has a key twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyring(Vec<Key>);

impl Keyring {
    /// The most keys in a ring. A list of 40 keys is what fits in one answer of the reference
    /// system; during a rotation there are two.
    pub const MAX_KEYS: usize = 64;

    /// A ring of one key.
    #[must_use]
    pub fn new(primary: Key) -> Self {
        Self(alloc::vec![primary])
    }

    /// A ring of these keys, of which the first is the primary. Repeated keys count once.
    ///
    /// # Errors
    /// [`KeyringError::NoKeys`] or [`KeyringError::Full`].
    pub fn from_keys(keys: impl IntoIterator<Item = Key>) -> Result<Self, KeyringError> {
        let mut keys = keys.into_iter();
        let mut ring = Self::new(keys.next().ok_or(KeyringError::NoKeys)?);
        for key in keys {
            ring.push(key)?;
        }
        Ok(ring)
    }

    /// The key that encrypts.
    #[must_use]
    pub fn primary(&self) -> &Key {
        &self.0[0]
    }

    /// All keys, the primary first.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.0
    }

    /// Adds a key at the end. Returns false if it was there.
    ///
    /// # Errors
    /// [`KeyringError::KeySize`] or [`KeyringError::Full`]; nothing has changed.
    pub fn install(&mut self, key: &[u8]) -> Result<bool, KeyringError> {
        self.push(Key::new(key)?)
    }

    /// Makes a key the primary; the others keep their order. Returns false if it was that already.
    ///
    /// # Errors
    /// [`KeyringError::Absent`]; nothing has changed.
    pub fn use_key(&mut self, key: &[u8]) -> Result<bool, KeyringError> {
        let position = self.position(key).ok_or(KeyringError::Absent)?;
        self.0[..=position].rotate_right(1);
        Ok(position != 0)
    }

    /// Removes a key. Returns false if there was no such key, which is not an error: whoever
    /// removes a key everywhere wants it gone.
    ///
    /// # Errors
    /// [`KeyringError::RemovePrimary`]; nothing has changed.
    pub fn remove(&mut self, key: &[u8]) -> Result<bool, KeyringError> {
        match self.position(key) {
            None => Ok(false),
            Some(0) => Err(KeyringError::RemovePrimary),
            Some(position) => {
                self.0.remove(position);
                Ok(true)
            }
        }
    }

    fn push(&mut self, key: Key) -> Result<bool, KeyringError> {
        if self.position(key.as_bytes()).is_some() {
            return Ok(false);
        }
        if self.0.len() == Self::MAX_KEYS {
            return Err(KeyringError::Full);
        }
        self.0.push(key);
        Ok(true)
    }

    fn position(&self, key: &[u8]) -> Option<usize> {
        self.0.iter().position(|other| other.as_bytes() == key)
    }
}

/// A key operation that was refused. The texts are those that scripts know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyringError {
    /// A key of a length that AES does not have.
    KeySize {
        /// Its length in bytes; if it came as overlong text, roughly.
        len: usize,
    },
    /// Text that is not base64.
    Base64,
    /// The key to be used is not in the ring.
    Absent,
    /// The key to be removed is the one in use.
    RemovePrimary,
    /// The ring has [`Keyring::MAX_KEYS`] keys already.
    Full,
    /// A ring needs at least one key.
    NoKeys,
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeySize { .. } => f.write_str("key size must be 16, 24 or 32 bytes"),
            Self::Base64 => f.write_str("the key is not standard base64 with padding"),
            Self::Absent => f.write_str("Requested key is not in the keyring"),
            Self::RemovePrimary => f.write_str("Removing the primary key is not allowed"),
            Self::Full => write!(
                f,
                "the keyring has {} keys already; remove one first",
                Keyring::MAX_KEYS
            ),
            Self::NoKeys => f.write_str("Keyring file contains no keys"),
        }
    }
}

impl core::error::Error for KeyringError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn key(fill: u8, len: usize) -> Key {
        Key::new(&alloc::vec![fill; len]).expect("a valid length")
    }

    fn fills(ring: &Keyring) -> Vec<u8> {
        ring.keys().iter().map(|key| key.as_bytes()[0]).collect()
    }

    #[test]
    fn a_rotation_installs_uses_and_removes() {
        let mut ring = Keyring::new(key(1, 16));
        assert_eq!(ring.install(&[2; 32]), Ok(true));
        assert_eq!(ring.install(&[3; 24]), Ok(true));
        assert_eq!(ring.install(&[2; 32]), Ok(false));
        assert_eq!(fills(&ring), [1, 2, 3]);

        assert_eq!(ring.use_key(&[3; 24]), Ok(true));
        assert_eq!(ring.use_key(&[3; 24]), Ok(false));
        assert_eq!(fills(&ring), [3, 1, 2]);
        assert_eq!(ring.primary(), &key(3, 24));

        assert_eq!(ring.remove(&[1; 16]), Ok(true));
        assert_eq!(ring.remove(&[1; 16]), Ok(false));
        assert_eq!(ring.remove(b"of no valid length"), Ok(false));
        assert_eq!(fills(&ring), [3, 2]);
    }

    #[test]
    fn refusals_have_the_words_of_the_reference_and_change_nothing() {
        let mut ring = Keyring::new(key(1, 16));
        let before = ring.clone();
        for (result, text) in [
            (
                ring.install(&[0; 15]),
                "key size must be 16, 24 or 32 bytes",
            ),
            (
                ring.use_key(&[9; 16]),
                "Requested key is not in the keyring",
            ),
            (
                ring.remove(&[1; 16]),
                "Removing the primary key is not allowed",
            ),
        ] {
            assert_eq!(result.expect_err(text).to_string(), text);
        }
        let empty = Keyring::from_keys([]).expect_err("no keys");
        assert_eq!(empty.to_string(), "Keyring file contains no keys");
        assert_eq!(ring, before);
    }

    #[test]
    fn a_full_ring_takes_no_more_keys_but_still_rotates() {
        let limit = Keyring::MAX_KEYS as u8;
        let mut ring = Keyring::from_keys((0..limit).map(|fill| key(fill, 16))).expect("valid");
        assert_eq!(ring.install(&[limit; 16]), Err(KeyringError::Full));
        assert_eq!(ring.install(&[5; 16]), Ok(false));
        assert_eq!(ring.use_key(&[5; 16]), Ok(true));
        assert_eq!(ring.remove(&[0; 16]), Ok(true));
        assert_eq!(ring.install(&[limit; 16]), Ok(true));
        let too_many = (0..=limit).map(|fill| key(fill, 16));
        assert_eq!(Keyring::from_keys(too_many), Err(KeyringError::Full));
    }

    #[test]
    fn a_key_is_not_printed() {
        let ring = Keyring::new(Key::from_base64("QEFCQ0RFRkdISUpLTE1OTw==").expect("valid"));
        assert_eq!(format!("{ring:?}"), "Keyring([Key(16 bytes)])");
    }

    #[test]
    fn base64_is_read_as_the_reference_does() {
        let expected: Vec<u8> = (0x40..0x50).collect();
        // The second has bits set that no byte takes.
        for text in ["QEFCQ0RFRkdISUpLTE1OTw==", "QEFCQ0RFRkdISUpLTE1OTx=="] {
            assert_eq!(Key::from_base64(text).expect("valid").as_bytes(), expected);
        }
        for (text, error) in [
            ("", KeyringError::KeySize { len: 0 }),
            ("QEFC", KeyringError::KeySize { len: 3 }),
            ("QEFCQ0RFRkdISUpLTE1OTw", KeyringError::Base64),
            ("QEFCQ0RFRkdISUpLTE1OT-==", KeyringError::Base64),
            ("no base64!", KeyringError::Base64),
        ] {
            assert_eq!(Key::from_base64(text), Err(error), "{text}");
        }
        let long = "QEFC".repeat(1000);
        assert_eq!(
            Key::from_base64(&long),
            Err(KeyringError::KeySize { len: 3000 })
        );
    }

    proptest! {
        #[test]
        fn a_key_survives_base64(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            match Key::new(&bytes) {
                Ok(key) => prop_assert_eq!(Key::from_base64(&key.to_base64()), Ok(key)),
                Err(error) => {
                    prop_assert!(![16, 24, 32].contains(&bytes.len()));
                    prop_assert_eq!(error, KeyringError::KeySize { len: bytes.len() });
                }
            }
        }

        #[test]
        fn any_text_is_a_key_or_an_error(text in ".{0,60}") {
            if let Ok(key) = Key::from_base64(&text) {
                prop_assert_eq!(Key::new(key.as_bytes()), Ok(key));
            }
        }

        /// Against a plain list of numbers.
        #[test]
        fn any_operations_keep_the_order_and_no_key_twice(
            steps in prop::collection::vec((0..3u8, 0..6u8), 0..40),
        ) {
            let mut ring = Keyring::new(key(0, 16));
            let mut model = alloc::vec![0];
            for (operation, fill) in steps {
                let bytes = [fill; 16];
                let position = model.iter().position(|&other| other == fill);
                match (operation, position) {
                    (0, None) => {
                        prop_assert_eq!(ring.install(&bytes), Ok(true));
                        model.push(fill);
                    }
                    (0, Some(_)) => prop_assert_eq!(ring.install(&bytes), Ok(false)),
                    (1, None) => prop_assert_eq!(ring.use_key(&bytes), Err(KeyringError::Absent)),
                    (1, Some(at)) => {
                        prop_assert_eq!(ring.use_key(&bytes), Ok(at != 0));
                        model.remove(at);
                        model.insert(0, fill);
                    }
                    (_, Some(0)) => {
                        prop_assert_eq!(ring.remove(&bytes), Err(KeyringError::RemovePrimary));
                    }
                    (_, at) => {
                        prop_assert_eq!(ring.remove(&bytes), Ok(at.is_some()));
                        model.retain(|&other| other != fill);
                    }
                }
                prop_assert_eq!(fills(&ring), model.clone());
            }
        }
    }
}
