//! Deterministic discrete-event simulator of Serf clusters
