//! Agents of the reference system, as processes.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use serf_core::{Config, Member, Status, Tags};
use serf_runtime::Options;
use serf_tokio::Handle;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// True if the reference system is there. CI brings it.
pub(crate) fn installed() -> bool {
    let found = Command::new("serf").arg("version").output().is_ok();
    assert!(
        found || std::env::var_os("CI").is_none(),
        "`serf` is not installed"
    );
    if !found {
        eprintln!("skipped: `serf` is not installed");
    }
    found
}

/// A loopback address that nothing else in these tests has.
pub(crate) fn loopback() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let process = u8::try_from(std::process::id() % 250).unwrap() + 1;
    Ipv4Addr::new(127, 83, process, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn command(prefix: &[String]) -> Command {
    let Some((first, rest)) = prefix.split_first() else {
        return Command::new("serf");
    };
    let mut command = Command::new(first);
    command.args(rest).arg("serf");
    command
}

/// An agent of the reference system. Killed when dropped.
pub(crate) struct Agent {
    pub(crate) name: String,
    ip: Ipv4Addr,
    /// What its commands are run by, if anything.
    prefix: Vec<String>,
    child: Child,
    pub(crate) dir: PathBuf,
}

impl Agent {
    /// Starts one with these further arguments.
    pub(crate) async fn start(name: &str, args: &[&str]) -> Self {
        Self::start_with(name, args, |_| {}).await
    }

    /// The same; `prepare` is given the directory of the agent, in which it runs.
    pub(crate) async fn start_with(
        name: &str,
        args: &[&str],
        prepare: impl FnOnce(&PathBuf),
    ) -> Self {
        Self::start_at(name, loopback(), &[], args, prepare).await
    }

    /// The same at an address, run by another command.
    pub(crate) async fn start_at(
        name: &str,
        ip: Ipv4Addr,
        prefix: &[&str],
        args: &[&str],
        prepare: impl FnOnce(&PathBuf),
    ) -> Self {
        let prefix: Vec<String> = prefix.iter().map(|&word| word.to_owned()).collect();
        let dir = std::env::temp_dir().join(format!("serf-interop-{ip}"));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        prepare(&dir);
        let log = File::create(dir.join("log")).unwrap();
        let child = command(&prefix)
            .current_dir(&dir)
            .args(["agent", "-profile=local", "-log-level=debug"])
            .arg(format!("-node={name}"))
            .arg(format!("-bind={ip}:7946"))
            .arg(format!("-rpc-addr={ip}:7373"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let agent = Self {
            name: name.to_owned(),
            ip,
            prefix,
            child,
            dir,
        };
        until("the agent runs", async || {
            agent.cli(&["members"]).status.success()
        })
        .await;
        agent
    }

    pub(crate) fn addr(&self) -> String {
        format!("{}:7946", self.ip)
    }

    /// Runs a command of the reference CLI on the agent.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        let [subcommand, rest @ ..] = args else {
            panic!("a command")
        };
        command(&self.prefix)
            .arg(subcommand)
            .arg(format!("-rpc-addr={}:7373", self.ip))
            .args(rest)
            .output()
            .unwrap()
    }

    /// The output of a command that has to succeed.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let Output {
            status,
            stdout,
            stderr,
        } = self.cli(args);
        let (out, err) = (
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr),
        );
        assert!(status.success(), "serf {args:?}: {out}{err}");
        out.into_owned()
    }

    /// Name, status and tags of the members it knows, in order of the names.
    pub(crate) fn members(&self) -> Vec<(String, String, String)> {
        let mut members: Vec<_> = self
            .run(&["members"])
            .lines()
            .map(|line| {
                let mut columns = line.split_whitespace().map(str::to_owned);
                let (name, _, status) = (columns.next(), columns.next(), columns.next());
                let mut tags: Vec<_> = columns
                    .collect::<String>()
                    .split(',')
                    .map(str::to_owned)
                    .collect();
                tags.sort();
                (name.unwrap(), status.unwrap(), tags.join(","))
            })
            .collect();
        members.sort();
        members
    }

    pub(crate) fn status(&self, name: &str) -> Option<String> {
        let members = self.members();
        let member = members.into_iter().find(|(other, ..)| other == name);
        member.map(|(_, status, _)| status)
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap()
    }

    /// Has it end without leaving the cluster, and write its files.
    pub(crate) fn terminate(&mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").arg(pid).status();
        assert!(sent.is_ok_and(|status| status.success()));
        self.child.wait().unwrap();
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!(
                "{}:\n{}",
                self.name,
                lines[lines.len().saturating_sub(30)..].join("\n")
            );
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A node of ours, with the timing of the agents above.
pub(crate) async fn node(name: &str, change: impl FnOnce(Options) -> Options) -> Handle {
    let options = Options::new(name)
        .bind(format!("{}:7946", loopback()))
        .config(Config::local());
    serf_tokio::bind(change(options)).await.unwrap()
}

/// Joins through all of these.
pub(crate) async fn join(node: &Handle, seeds: &[String]) {
    let joined = node.join(seeds).await.unwrap();
    assert_eq!(joined.contacted.len(), seeds.len(), "{joined:?}");
}

pub(crate) async fn member(node: &Handle, name: &str) -> Option<Member> {
    let members = node.members().await.unwrap();
    members.into_iter().find(|member| **member.name() == *name)
}

pub(crate) async fn status(node: &Handle, name: &str) -> Option<Status> {
    member(node, name).await.map(|member| member.status())
}

/// What a node knows, in the words of the reference CLI.
pub(crate) async fn members(node: &Handle) -> Vec<(String, String, String)> {
    let members = node.members().await.unwrap();
    let mut members: Vec<_> = members
        .iter()
        .map(|member| {
            let tags: Vec<_> = member
                .tags()
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            (
                member.name().to_string(),
                member.status().to_string(),
                tags.join(","),
            )
        })
        .collect();
    members.sort();
    members
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
