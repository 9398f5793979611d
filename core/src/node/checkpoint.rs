//! Saving a whole node, and going on from that.

use alloc::vec::Vec;

use super::Node;
use crate::serf::keyring::Keyring;

impl Node {
    /// How many bytes [`save`](Self::save) appends. A buffer that is moved as it grows would leave in
    /// clear what is sealed afterwards.
    pub(crate) fn saved_len(&self) -> usize {
        postcard::serialize_with_flavor(self, postcard::ser_flavors::Size::default())
            .expect("a node has nothing that cannot be written")
    }

    /// Appends all that decides what a drained node does next: everything but its keys, and the
    /// pool that it shares profiles through.
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        let serializer = postcard::to_extend(self, core::mem::take(out));
        *out = serializer.expect("a node has nothing that cannot be written");
    }

    /// The node that was saved, with its keys. `None` if the bytes are no saved node of this
    /// version.
    pub(crate) fn resume(saved: &[u8], keys: Option<Keyring>) -> Option<Self> {
        let mut node: Self = postcard::from_bytes(saved).ok()?;
        node.table.reindex();
        node.queues.reindex();
        if let Some(coordinates) = &mut node.coordinates {
            coordinates.reindex();
        }
        if let Some(keys) = keys {
            node.envelope.set_keys(keys);
        }
        Some(node)
    }
}
