//! The native wire: postcard in a checksummed envelope.
