//! Bytes: how messages look on the network.
//!
//! [`native`] is what our nodes speak to each other, [`memberlist`] what the reference system
//! speaks. Both read and write the same [messages](crate::message), and no first byte of one is one
//! of the other, so that a receiver tells them apart. [`seal`] and [`label`] are envelopes around
//! either.
//!
//! ```text
//! packet = label | sealed (native packet or memberlist packet)
//! stream = label | sealed (native frame or memberlist frame), and the answer without the label
//! ```
//!
//! Label and seal are each only there where the cluster has a label or keys.

pub mod label;
pub mod memberlist;
pub(crate) mod msgpack;
pub mod native;
pub mod seal;
