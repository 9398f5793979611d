//! What can be chosen about a node before it starts.

use std::net::SocketAddr;
use std::path::PathBuf;

use serf_core::keyring::Keyring;
use serf_core::wire::label::Label;
use serf_core::{Config, Identity, Name, Params, Tags, Versions};

use crate::address::{Address, AddressError, Host};
use crate::error::BindError;
use crate::files::JournalLimits;

/// The port that is bound where none is given.
pub const DEFAULT_PORT: u16 = 7946;

/// The most events that can be kept for a slow subscriber.
const MAX_EVENT_CAPACITY: usize = 1 << 20;

/// How a node is to be started. [`Options::new`] fills in the defaults; `bind` of the adapter
/// checks everything and names what is wrong.
///
/// ```
/// use serf_runtime::{Config, Options};
///
/// let options = Options::new("web-1").bind("127.0.0.1:0").config(Config::local());
/// assert_eq!(options.event_capacity, 1024);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The node's name, unique in the cluster; 1 to [`Name::MAX_LEN`] bytes.
    pub name: String,
    /// The address to bind for datagrams and streams alike, `0.0.0.0:7946` by default: an IP
    /// address or a name that resolves to one, and a port. Without a port it is
    /// [`DEFAULT_PORT`]; port 0 takes one that is free for both.
    pub bind: String,
    /// The address that others are told to reach the node at: an IP address, with the bound port
    /// if it has none. By default the bound address, or, if that stands for every address of the
    /// machine, its first private one.
    pub advertise: Option<String>,
    /// The settings of the protocol; [`Config::lan`] by default.
    pub config: Config,
    /// The node's tags; none by default.
    pub tags: Tags,
    /// The seed of all the node's randomness. By default it is drawn from the system; give one
    /// to make a node's choices repeatable.
    pub seed: Option<[u8; 32]>,
    /// The keys to encrypt with; none by default, unless they come from
    /// [`keyring_file`](Self::keyring_file).
    pub keyring: Option<Keyring>,
    /// The file that the keys are kept in: read at the start, if no keys are given, and replaced
    /// whenever they change. None by default.
    pub keyring_file: Option<PathBuf>,
    /// The file in which the node remembers, across restarts, whom it knew and which events it has
    /// had. With one it finds back into its cluster by itself. None by default.
    pub snapshot: Option<PathBuf>,
    /// Whether it finds back also after it left of its own will; not by default.
    pub rejoin_after_leave: bool,
    /// The label of the cluster; whoever has another one is not heard. None by default.
    pub label: Label,
    /// The file in which the node journals everything that goes into it, for `serf-sim replay`, and
    /// how much of that is kept. None by default.
    pub record: Option<(PathBuf, JournalLimits)>,
    /// The Serf protocol version to speak, 2 to 5, 5 by default: see
    /// [`Versions::speaking`](serf_core::Versions::speaking). For clusters with members that
    /// understand no newer one.
    pub protocol: u8,
    /// How many events are kept for the slowest subscriber, 1024 by default, 1 to 1,048,576. Its
    /// room is allocated at the start. Raising it lets subscribers pause for longer before they
    /// miss events.
    pub event_capacity: usize,
}

impl Options {
    /// The defaults, for a node of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            bind: format!("0.0.0.0:{DEFAULT_PORT}"),
            advertise: None,
            config: Config::lan(),
            tags: Tags::new(),
            seed: None,
            keyring: None,
            keyring_file: None,
            snapshot: None,
            rejoin_after_leave: false,
            label: Label::none(),
            record: None,
            protocol: Versions::CURRENT.delegate_cur,
            event_capacity: 1024,
        }
    }

    /// Sets [`Options::bind`].
    #[must_use]
    pub fn bind(mut self, address: impl Into<String>) -> Self {
        self.bind = address.into();
        self
    }

    /// Sets [`Options::advertise`].
    #[must_use]
    pub fn advertise(mut self, address: impl Into<String>) -> Self {
        self.advertise = Some(address.into());
        self
    }

    /// Sets [`Options::config`].
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets [`Options::tags`].
    #[must_use]
    pub fn tags(mut self, tags: Tags) -> Self {
        self.tags = tags;
        self
    }

    /// Sets [`Options::seed`].
    #[must_use]
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets [`Options::keyring`].
    #[must_use]
    pub fn keyring(mut self, keys: Keyring) -> Self {
        self.keyring = Some(keys);
        self
    }

    /// Sets [`Options::keyring_file`].
    #[must_use]
    pub fn keyring_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.keyring_file = Some(path.into());
        self
    }

    /// Sets [`Options::snapshot`].
    #[must_use]
    pub fn snapshot(mut self, path: impl Into<PathBuf>) -> Self {
        self.snapshot = Some(path.into());
        self
    }

    /// Sets [`Options::rejoin_after_leave`].
    #[must_use]
    pub fn rejoin_after_leave(mut self, rejoin: bool) -> Self {
        self.rejoin_after_leave = rejoin;
        self
    }

    /// Sets [`Options::label`].
    #[must_use]
    pub fn label(mut self, label: Label) -> Self {
        self.label = label;
        self
    }

    /// Has the node journal everything that goes into it, and hashes of what it does, for `serf-sim
    /// replay`: sets [`Options::record`].
    ///
    /// Keys are left out, all else is in there as it came: names, addresses, tags, events and
    /// queries. A journal that is there already is kept as `PATH.1`. A disk that is full or slow
    /// ends the journal, which the log says, and never holds up the node.
    #[must_use]
    pub fn record(mut self, path: impl Into<PathBuf>, limits: JournalLimits) -> Self {
        self.record = Some((path.into(), limits));
        self
    }

    /// Sets [`Options::protocol`].
    #[must_use]
    pub fn protocol(mut self, version: u8) -> Self {
        self.protocol = version;
        self
    }

    /// Sets [`Options::event_capacity`].
    #[must_use]
    pub fn event_capacity(mut self, capacity: usize) -> Self {
        self.event_capacity = capacity;
        self
    }

    /// Checks everything that can be checked without touching the system.
    pub(crate) fn check(self) -> Result<Checked, BindError> {
        if !(1..=MAX_EVENT_CAPACITY).contains(&self.event_capacity) {
            return Err(BindError::EventCapacity {
                capacity: self.event_capacity,
                limit: MAX_EVENT_CAPACITY,
            });
        }
        let bind = self.bind.parse().map_err(|reason| BindError::BindAddress {
            address: self.bind.clone(),
            reason,
        })?;
        let advertise = self.advertise.map(parse_advertise).transpose()?;
        Ok(Checked {
            name: Name::new(&self.name)?,
            bind,
            bind_text: self.bind,
            advertise,
            params: Params::new(self.config)?,
            tags: self.tags,
            seed: self.seed,
            keyring: self.keyring,
            keyring_file: self.keyring_file,
            snapshot: self.snapshot,
            rejoin_after_leave: self.rejoin_after_leave,
            label: self.label,
            record: self.record,
            versions: Versions::speaking(self.protocol)
                .ok_or(BindError::Protocol(self.protocol))?,
            event_capacity: self.event_capacity,
        })
    }
}

fn parse_advertise(text: String) -> Result<Address, BindError> {
    let parsed = text
        .parse()
        .and_then(|address: Address| match address.host {
            Host::Ip(_) => Ok(address),
            Host::Name(_) => Err(AddressError::NotIp),
        });
    parsed.map_err(|reason| BindError::AdvertiseAddress {
        address: text,
        reason,
    })
}

/// Options that passed the checks.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) name: Name,
    pub(crate) bind: Address,
    /// As given, for error messages.
    pub(crate) bind_text: String,
    /// Its host is an IP address.
    pub(crate) advertise: Option<Address>,
    pub(crate) params: Params,
    pub(crate) tags: Tags,
    pub(crate) seed: Option<[u8; 32]>,
    pub(crate) keyring: Option<Keyring>,
    pub(crate) keyring_file: Option<PathBuf>,
    pub(crate) snapshot: Option<PathBuf>,
    pub(crate) rejoin_after_leave: bool,
    pub(crate) label: Label,
    pub(crate) record: Option<(PathBuf, JournalLimits)>,
    pub(crate) versions: Versions,
    pub(crate) event_capacity: usize,
}

impl Checked {
    pub(crate) fn identity(&self, advertised: SocketAddr) -> Identity {
        Identity {
            tags: self.tags.clone(),
            label: self.label.clone(),
            versions: self.versions,
            ..Identity::new(self.name.clone(), advertised)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(options: Options) -> String {
        options.check().unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_pass_the_checks() {
        let checked = Options::new("a").check().unwrap();
        let bind = checked.bind.literal(0);
        assert_eq!(bind, "0.0.0.0:7946".parse().ok());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_value() {
        let ok = || Options::new("a");
        for (options, words) in [
            (Options::new(""), &["name"][..]),
            (ok().bind("host:x"), &["bind address", "host:x", "'x'"]),
            (ok().advertise("host"), &["advertise address", "'host'"]),
            (ok().advertise("1.2.3.4:x"), &["advertise", "1.2.3.4:x"]),
            (ok().protocol(6), &["protocol", "6", "2 to 5"]),
            (ok().event_capacity(0), &["event_capacity", "0", "1 to"]),
            (
                ok().config(Config {
                    gossip_nodes: 0,
                    ..Config::lan()
                }),
                &["gossip_nodes", "0"],
            ),
        ] {
            let error = error(options);
            for word in words {
                assert!(error.contains(word), "{error:?} should mention {word:?}");
            }
        }
    }
}
