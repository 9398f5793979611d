//! The serf agent and command line
fn main() {}
