//! What is around packets and streams: the label of the cluster, and its encryption
//! (wire-protocol reference, sections 2.3 and 2.4).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Node;
use crate::action::StreamFailure;
use crate::event::Event;
use crate::journal::{Input, KeyMark};
use crate::rng::Rng;
use crate::secret;
use crate::serf::keyring::Keyring;
use crate::time::Instant;
use crate::wire::Wire;
use crate::wire::label::{Label, LabelError};
use crate::wire::memberlist::{self, Framing};
use crate::wire::native::{self, Frame};
use crate::wire::seal::{self, FRAME_FIRST_BYTE, NONCE_LEN, PACKET_OVERHEAD, SealError, Sealer};

/// While peers cannot be understood, the application hears so once in this time.
const REMIND: Duration = Duration::from_secs(30);

/// What every packet and stream is put into. In memory, what all need comes first.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[repr(C)]
pub(super) struct Envelope {
    label: Label,
    /// Never saved.
    #[serde(skip)]
    ring: Option<Box<Ring>>,
    /// The packet that is being opened; kept for its memory.
    #[serde(skip)]
    scratch: Vec<u8>,
    /// When something could be opened last.
    opened: Option<Instant>,
    /// When the application was told last that something could not.
    told: Option<Instant>,
    /// Nothing that came since `told` could be opened.
    deaf: bool,
    nonces: Rng,
}

#[derive(Debug, Clone)]
struct Ring {
    keys: Keyring,
    sealer: Sealer,
}

impl Envelope {
    pub(super) const fn new(label: Label, nonces: Rng) -> Self {
        Self {
            label,
            ring: None,
            nonces,
            scratch: Vec::new(),
            opened: None,
            told: None,
            deaf: false,
        }
    }

    pub(super) fn set_keys(&mut self, keys: Keyring) {
        let sealer = Sealer::new(&keys);
        self.ring = Some(Box::new(Ring { keys, sealer }));
    }

    pub(super) fn label(&self) -> &Label {
        &self.label
    }

    pub(super) fn keys(&self) -> Option<&Keyring> {
        self.ring.as_ref().map(|ring| &ring.keys)
    }

    /// False if packets and streams are as they are.
    pub(super) fn is_used(&self) -> bool {
        self.ring.is_some() || self.label.header_len() > 0
    }

    fn nonce(&mut self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&self.nonces.next_u64().to_le_bytes());
        nonce[8..].copy_from_slice(&self.nonces.next_u32().to_le_bytes());
        nonce
    }

    /// Begins a packet of at most `budget` bytes; [`seal_packet`](Self::seal_packet) ends it.
    #[inline]
    pub(super) fn open_packet(&self, buf: &mut Vec<u8>, budget: usize) {
        if self.ring.is_some() {
            // A buffer that moves leaves in clear what it had. What turns out not to fit is there for
            // a while, too.
            buf.reserve(2 * budget);
        }
        self.label.append_header(buf);
    }

    /// Seals the packet that begins at `start`, unless there are no keys.
    pub(super) fn seal_packet(&mut self, buf: &mut Vec<u8>, start: usize) {
        if self.ring.is_some() {
            let nonce = self.nonce();
            if let Some(ring) = &self.ring {
                ring.sealer.seal_packet(buf, start, nonce, &self.label);
            }
        }
    }

    fn seal_frame(&mut self, buf: &mut Vec<u8>, start: usize) {
        if self.ring.is_some() {
            let nonce = self.nonce();
            if let Some(ring) = &self.ring {
                ring.sealer.seal_frame(buf, start, nonce, &self.label);
            }
        }
    }
}

impl Node {
    /// Encrypts everything from now on, and accepts nothing that is not encrypted with one of
    /// these keys (see [`verify_incoming`](crate::Config::verify_incoming)).
    #[must_use]
    pub fn with_keyring(mut self, keys: Keyring) -> Self {
        self.tape
            .input(None, || Input::WithKeyring(KeyMark::all(&keys)));
        self.encrypt(keys);
        self
    }

    pub(crate) fn encrypt(&mut self, keys: Keyring) {
        self.envelope.set_keys(keys);
    }

    /// The keys, if the cluster is encrypted. Whenever
    /// [`Event::KeyringChanged`](crate::Event::KeyringChanged) comes, they are to be saved.
    #[must_use]
    pub fn keyring(&self) -> Option<&Keyring> {
        self.envelope.keys()
    }

    /// True if this node is encrypted and whatever came in lately could not be decrypted: it is
    /// alone although there are others.
    #[must_use]
    pub fn cannot_decrypt(&self) -> bool {
        self.envelope.deaf
    }

    fn seals(&self) -> bool {
        self.envelope.ring.is_some() && self.params.verify_outgoing
    }

    /// How many bytes the messages of a packet may take.
    pub(super) fn packet_room(&self) -> usize {
        let seal = if self.seals() { PACKET_OVERHEAD } else { 0 };
        let label = self.envelope.label.header_len();
        self.params.packet_budget.saturating_sub(seal + label)
    }

    /// Takes a datagram out of its envelope, and the messages out of that.
    #[inline(always)]
    pub(super) fn unwrap_datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        let Ok(labelled) = self.envelope.label.check(bytes) else {
            self.counters.dropped_other_cluster += 1;
            return;
        };
        let bytes = &bytes[labelled..];
        match self.envelope.ring {
            None => self.handle_packet(from, bytes),
            Some(_) => self.unseal_datagram(from, bytes),
        }
    }

    #[inline(never)]
    fn unseal_datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        let mut copy = core::mem::take(&mut self.envelope.scratch);
        copy.clear();
        copy.extend_from_slice(bytes);
        let Envelope { ring, label, .. } = &self.envelope;
        let opened = ring
            .as_ref()
            .map(|ring| ring.sealer.open_packet(&mut copy, label));
        let packet = match opened {
            Some(Ok(packet)) => {
                self.decrypted();
                Some(packet)
            }
            _ if self.params.verify_incoming => {
                self.not_decrypted(from);
                None
            }
            _ => Some(bytes),
        };
        if let Some(packet) = packet {
            self.handle_packet(from, packet);
        }
        secret::truncate(&mut copy, 0);
        self.envelope.scratch = copy;
    }

    fn decrypted(&mut self) {
        self.envelope.opened = Some(self.now);
        if self.envelope.deaf {
            self.envelope.deaf = false;
            self.event(Event::Decrypting);
        }
    }

    /// Something came that no key opens: for whatever reason, somebody is not understood. This is
    /// said loudly, and again and again.
    pub(super) fn not_decrypted(&mut self, from: SocketAddr) {
        self.counters.dropped_undecryptable += 1;
        let Envelope { opened, told, .. } = &self.envelope;
        let recently = |at: &Option<Instant>| at.is_some_and(|at| self.now.since(at) < REMIND);
        if recently(told) {
            return;
        }
        let all = !recently(opened);
        self.envelope.told = Some(self.now);
        self.envelope.deaf = all;
        self.event(Event::Undecryptable { from, all });
    }

    /// Puts a frame into its envelope. It begins at `start`, and is the first of its side.
    pub(super) fn wrap_frame(&mut self, buf: &mut Vec<u8>, start: usize, dialled: bool) {
        if self.seals() {
            self.envelope.seal_frame(buf, start);
        }
        if dialled && self.envelope.label.header_len() > 0 {
            let frame = buf.split_off(start);
            self.envelope.label.append_header(buf);
            buf.extend_from_slice(&frame);
        }
    }

    /// Looks whether a stream's bytes hold a whole frame; its length is that with the envelope.
    pub(super) fn frame_in(
        &self,
        received: &[u8],
        framing: &mut Framing,
        dialled: bool,
    ) -> Result<Frame, StreamFailure> {
        let cap = self.params.max_stream_message;
        let Some(label) = self.label_of(received, dialled)? else {
            return Ok(Frame::Partial);
        };
        let rest = &received[label..];
        let frame = if self.is_sealed(rest) {
            seal::frame(rest, cap).map_err(|error| match error {
                SealError::TooLarge { .. } => StreamFailure::TooLarge,
                _ => StreamFailure::Protocol,
            })?
        } else {
            let frame = match self.wire_of(rest) {
                Some(Wire::Memberlist) => framing
                    .advance(rest, cap)
                    .map_err(|error| matches!(error, memberlist::StreamError::TooLarge { .. })),
                _ => native::frame(rest, cap)
                    .map_err(|error| matches!(error, native::StreamError::TooLarge { .. })),
            };
            frame.map_err(|too_large| match (&self.envelope.ring, too_large) {
                (Some(_), _) => StreamFailure::Undecryptable,
                (None, true) => StreamFailure::TooLarge,
                (None, false) => StreamFailure::Protocol,
            })?
        };
        Ok(match frame {
            Frame::Complete { len } => Frame::Complete { len: label + len },
            Frame::Partial => Frame::Partial,
        })
    }

    /// The length of the label that a stream begins with; `None` if more bytes are needed.
    fn label_of(&self, received: &[u8], dialled: bool) -> Result<Option<usize>, StreamFailure> {
        if dialled {
            return Ok(Some(0));
        }
        match self.envelope.label.check(received) {
            Ok(len) => Ok(Some(len)),
            Err(LabelError::Partial) => Ok(None),
            Err(_) => Err(StreamFailure::OtherCluster),
        }
    }

    fn is_sealed(&self, frame: &[u8]) -> bool {
        self.envelope.ring.is_some() && frame.first() == Some(&FRAME_FIRST_BYTE)
    }

    /// Takes the frame of a stream, which is complete, out of its envelope. The second value is
    /// true if it was in clear although it should not have been: nothing but a refusal may be.
    pub(super) fn unwrap_frame<'b>(
        &mut self,
        received: &'b mut [u8],
        dialled: bool,
    ) -> Result<(&'b [u8], bool), StreamFailure> {
        let label = self.label_of(received, dialled)?;
        let frame = &mut received[label.unwrap_or(0)..];
        if !self.is_sealed(frame) {
            let exposed = self.envelope.ring.is_some() && self.params.verify_incoming;
            return Ok((frame, exposed));
        }
        let Envelope { ring, label, .. } = &self.envelope;
        let sealer = ring.as_ref().map(|ring| &ring.sealer);
        match sealer.map(|sealer| sealer.open_frame(frame, label)) {
            Some(Ok(plain)) => {
                self.decrypted();
                Ok((plain, false))
            }
            Some(Err(SealError::NoKey)) | None => Err(StreamFailure::Undecryptable),
            Some(Err(_)) => Err(StreamFailure::Protocol),
        }
    }
}
