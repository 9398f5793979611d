//! A sharded cache that follows the membership.
//!
//! Every value is kept by two of the members that are alive: those whose names score highest
//! together with the key (rendezvous hashing). So when a member goes, only what it kept moves,
//! and the other copy is still there meanwhile. Serf tells who is alive, and in a tag where each
//! member's cache listens; the values themselves go over plain TCP, a line each.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender, bounded};
use futures_lite::future::or;
use serf_runtime::{Event, Events, Handle, Status, Tags};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{Args, Result, lines, say};

/// The tag with the address of a member's cache.
const TAG: &str = "cache";

/// How many members keep a value.
const COPIES: usize = 2;

/// How long another cache may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// One member's part of the cache, and what it knows of the others. Clones are the same.
#[derive(Debug, Clone)]
pub struct Cache {
    name: String,
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    values: BTreeMap<String, String>,
    /// The caches of the members that are alive, by name.
    alive: BTreeMap<String, SocketAddr>,
}

impl Cache {
    /// A cache that listens beside the node, on any free port.
    ///
    /// # Errors
    /// What the system said.
    pub fn start(args: &Args) -> Result<Self> {
        let node: SocketAddr = args.bind.parse()?;
        let ip: IpAddr = node.ip();
        let listener = TcpListener::bind((ip, 0))?;
        let cache = Self {
            name: args.name.clone(),
            addr: listener.local_addr()?,
            state: Arc::default(),
        };
        let serving = cache.clone();
        thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                let cache = serving.clone();
                thread::spawn(move || cache.serve(&peer));
            }
        });
        Ok(cache)
    }

    /// The tags that tell others of it.
    #[must_use]
    pub fn tags(&self) -> Tags {
        Tags::from([(TAG.to_owned(), self.addr.to_string())])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is held")
    }

    /// Answers one question: `put KEY VALUE` or `get KEY`.
    fn serve(&self, peer: &TcpStream) {
        let mut line = String::new();
        let _ = peer.set_read_timeout(Some(PATIENCE));
        let _ = BufReader::new(peer).read_line(&mut line);
        let answer = match *line.trim_end().splitn(3, ' ').collect::<Vec<_>>() {
            ["put", key, value] => {
                let (key, value) = (key.to_owned(), value.to_owned());
                self.state().values.insert(key, value);
                "ok".to_owned()
            }
            ["get", key] => match self.state().values.get(key) {
                Some(value) => format!("value {value}"),
                None => "none".to_owned(),
            },
            _ => "expected: put KEY VALUE, or get KEY".to_owned(),
        };
        let mut peer = peer;
        let _ = writeln!(peer, "{answer}");
    }

    /// All caches, those that ought to have the key first.
    fn candidates(&self, key: &str) -> Vec<(String, SocketAddr)> {
        let mut caches: Vec<_> = self.state().alive.clone().into_iter().collect();
        let seed = xxh3_64(key.as_bytes());
        caches.sort_by_key(|(name, _)| xxh3_64_with_seed(name.as_bytes(), seed));
        caches.reverse();
        caches
    }

    fn put(&self, key: &str, value: &str) -> String {
        let mut kept = Vec::new();
        for (name, addr) in self.candidates(key).into_iter().take(COPIES) {
            match ask(addr, &format!("put {key} {value}")) {
                Ok(_) => kept.push(name),
                Err(error) => say(format_args!("{name}: {error}")),
            }
        }
        format!("{key} is on {}", kept.join(" and "))
    }

    fn get(&self, key: &str) -> String {
        // A value that moves just now may still be where it was.
        for (name, addr) in self.candidates(key) {
            let answer = ask(addr, &format!("get {key}")).unwrap_or_default();
            if let Some(value) = answer.strip_prefix("value ") {
                return format!("{key} = {value} (from {name})");
            }
        }
        format!("no {key}")
    }

    /// Gives every value to those that ought to have it now, and keeps only its own.
    fn hand_over(&self) {
        let values = self.state().values.clone();
        for (key, value) in values {
            let (mut own, mut given) = (false, 0);
            for (name, addr) in self.candidates(&key).into_iter().take(COPIES) {
                if name == self.name {
                    own = true;
                } else if ask(addr, &format!("put {key} {value}")).is_ok() {
                    given += 1;
                }
            }
            if !own && given > 0 {
                self.state().values.remove(&key);
            }
        }
    }

    fn obey(&self, command: &str) -> String {
        match *command.splitn(3, ' ').collect::<Vec<_>>() {
            ["put", key, value] => self.put(key, value),
            ["get", key] => self.get(key),
            ["stats"] => {
                let State { values, alive } = &*self.state();
                format!("{} members, {} values here", alive.len(), values.len())
            }
            _ => "expected: put KEY VALUE, get KEY, or stats".to_owned(),
        }
    }
}

/// Asks another cache; holds the thread.
fn ask(addr: SocketAddr, question: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(stream, "{question}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

/// What is done in a thread, as it holds it.
enum Work {
    Obey(String),
    HandOver,
}

fn work(cache: &Cache, works: &Receiver<Work>) {
    while let Ok(work) = works.recv_blocking() {
        match work {
            Work::Obey(command) => say(cache.obey(&command)),
            Work::HandOver => cache.hand_over(),
        }
    }
}

/// Keeps the cache's list of members up to date, until the node stops.
async fn follow(cache: &Cache, node: &Handle, mut events: Events, works: &Sender<Work>) -> Result {
    while let Some(event) = events.next().await {
        // Whoever missed events asks anew, too.
        if !matches!(event, Ok(Event::Member(_)) | Err(_)) {
            continue;
        }
        let members = node.members().await?;
        let alive = members.iter().filter(|m| m.status() == Status::Alive);
        let caches = alive.filter_map(|member| {
            let addr = member.tags().get(TAG)?.parse().ok()?;
            Some((member.name().to_string(), addr))
        });
        cache.state().alive = caches.collect();
        works.send(Work::HandOver).await?;
    }
    Ok(())
}

/// Follows the membership and obeys what is typed until the end of the input, then leaves.
///
/// # Errors
/// The cluster could not be joined.
pub async fn run(args: Args, cache: Cache, node: Handle, events: Events) -> Result {
    let (works, todo) = bounded(64);
    let worker = cache.clone();
    let worker = thread::spawn(move || work(&worker, &todo));
    if !args.seeds.is_empty() {
        let joined = node.join(&args.seeds).await?;
        say(format_args!("joined through {:?}", joined.contacted));
    }
    let lines = lines();
    let obeying = async {
        while let Ok(line) = lines.recv().await {
            works.send(Work::Obey(line)).await?;
        }
        node.leave().await?;
        Ok(())
    };
    or(obeying, follow(&cache, &node, events, &works)).await?;
    drop(works);
    // Until it has answered everything.
    worker.join().map_err(|_| "the worker panicked")?;
    Ok(())
}
