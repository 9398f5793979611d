//! What all commands that contact an agent have in common.

use crate::rpc::client::ClientOptions;
use crate::rpc::{Client, ClientError};

use super::Failure;

/// Where the agent is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Remote {
    /// RPC address of the agent [default: SERF_RPC_ADDR or 127.0.0.1:7373]
    #[arg(long, value_name = "ADDR")]
    rpc_addr: Option<String>,
    /// RPC token of the agent [default: SERF_RPC_AUTH or none]
    #[arg(long, value_name = "TOKEN")]
    rpc_auth: Option<String>,
}

impl Remote {
    /// Connects to the agent.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let addr = or_environment(self.rpc_addr.as_deref(), "SERF_RPC_ADDR", "127.0.0.1:7373");
        let auth = or_environment(self.rpc_auth.as_deref(), "SERF_RPC_AUTH", "");
        Client::connect(&ClientOptions::new(addr).auth(auth))
            .await
            .map_err(|error| Failure::Message(format!("Error connecting to Serf agent: {error}")))
    }
}

fn or_environment(flag: Option<&str>, variable: &str, default: &str) -> String {
    match flag {
        Some(value) => value.to_owned(),
        None => std::env::var(variable)
            .ok()
            .filter(|value| !value.is_empty())
            .unwrap_or_else(|| default.to_owned()),
    }
}

/// Puts words in front of what an agent answered.
pub(crate) fn failed(what: &'static str) -> impl Fn(ClientError) -> Failure {
    move |error| Failure::Message(format!("{what}: {error}"))
}

/// Splits `key=value` at the first equals sign.
pub(crate) fn tag(text: &str) -> Result<(String, String), Failure> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Failure::Message(format!("Error: Invalid tag: '{text}'"))),
    }
}
