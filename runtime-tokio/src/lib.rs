//! Serf on tokio
