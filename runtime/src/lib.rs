//! What the adapters share: the handle, subscriptions, addresses
