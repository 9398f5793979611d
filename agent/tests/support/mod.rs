//! Starts agents, ours and the reference ones, and runs command lines against them.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for anything that is expected to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Ours,
    Reference,
}

impl Which {
    pub const BOTH: [Self; 2] = [Self::Ours, Self::Reference];

    pub fn program(self) -> &'static str {
        match self {
            Self::Ours => env!("CARGO_BIN_EXE_serf"),
            Self::Reference => "/usr/bin/serf",
        }
    }
}

/// True if the reference implementation is installed. Where tests must be complete (`CI=true`)
/// it has to be; elsewhere the caller skips, and this says so.
pub fn reference_is_installed() -> bool {
    let installed = Command::new(Which::Reference.program())
        .arg("version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !installed {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "the reference serf must be installed where CI=true");
        eprintln!("skipped: the reference serf is not installed as /usr/bin/serf");
    }
    installed
}

/// A loopback address that no other test uses, so that all can run at once.
pub fn fresh_ip() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let host = NEXT.fetch_add(1, Ordering::Relaxed);
    Ipv4Addr::new(127, 64 + high % 128, low, host)
}

/// Runs a command line to its end.
pub fn run(which: Which, args: &[&str]) -> Output {
    Command::new(which.program())
        .args(args)
        .env_remove("SERF_RPC_ADDR")
        .env_remove("SERF_RPC_AUTH")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Tries until the check answers something; panics with the last complaint.
pub fn eventually<T>(what: &str, mut check: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match check() {
            Ok(value) => return value,
            Err(complaint) if start.elapsed() > PATIENCE => panic!("{what}: {complaint}"),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// A directory of its own, removed when dropped.
pub struct Scratch(std::path::PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let name = format!("serf-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The path of a file in it.
    pub fn path(&self, file: &str) -> String {
        self.0.join(file).to_str().unwrap().to_owned()
    }

    /// Writes a file into it and answers its path.
    pub fn write(&self, file: &str, content: &str) -> String {
        let path = self.path(file);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running program whose output is collected. Killed when dropped.
pub struct Process {
    child: Child,
    lines: Arc<(Mutex<Vec<String>>, Condvar)>,
    reader: JoinHandle<()>,
}

impl Process {
    pub fn start(which: Which, args: &[&str]) -> Self {
        Self::start_in(which, args, &[])
    }

    /// Starts with more environment variables than this process has.
    pub fn start_in(which: Which, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(which.program());
        command.args(args).envs(environment.iter().copied());
        Self::of(&mut command)
    }

    /// Starts what the command says.
    pub fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines: Arc<(Mutex<Vec<String>>, Condvar)> = Arc::default();
        let shared = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                shared.0.lock().unwrap().push(line);
                shared.1.notify_all();
            }
        });
        Self {
            child,
            lines,
            reader,
        }
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.0.lock().unwrap().clone()
    }

    /// Waits until a line contains the text.
    pub fn wait_for(&self, text: &str) -> String {
        let found = |lines: &Vec<String>| lines.iter().find(|line| line.contains(text)).cloned();
        let (lines, news) = &*self.lines;
        let guard = lines.lock().unwrap();
        let waiting = |lines: &mut Vec<String>| found(lines).is_none();
        let (lines, _) = news.wait_timeout_while(guard, PATIENCE, waiting).unwrap();
        found(&lines).unwrap_or_else(|| panic!("no line with {text:?} in {lines:#?}"))
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for the end and answers the exit code, `None` if a signal ended it. After that,
    /// `lines` has all that was printed.
    pub fn exit_code(&mut self) -> Option<i32> {
        let code = eventually("the end of the program", || {
            match self.child.try_wait().unwrap() {
                Some(status) => Ok(status.code()),
                None => Err(format!("it still runs: {:#?}", self.lines())),
            }
        });
        eventually("the end of its output", || {
            let open = || "something that it started still has it open".to_owned();
            self.reader.is_finished().then_some(()).ok_or_else(open)
        });
        code
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Resident memory in KiB.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A running agent.
pub struct Agent {
    pub process: Process,
    pub ip: Ipv4Addr,
    pub rpc_addr: String,
}

impl Agent {
    /// Starts an agent on an address of its own and waits until it is up.
    pub fn start(which: Which, name: &str, args: &[&str]) -> Self {
        Self::start_at(which, fresh_ip(), name, args)
    }

    pub fn start_at(which: Which, ip: Ipv4Addr, name: &str, args: &[&str]) -> Self {
        let agent = Self::spawn(which, ip, name, args);
        agent.process.wait_for("Log data will now stream in");
        agent
    }

    /// As `start_at`, without waiting.
    pub fn spawn(which: Which, ip: Ipv4Addr, name: &str, args: &[&str]) -> Self {
        let rpc_addr = format!("{ip}:7373");
        let bind = format!("{ip}:7946");
        let mut all = vec!["agent", "-node", name, "-bind", &bind];
        all.extend(["-rpc-addr", &rpc_addr]);
        all.extend(args);
        Self {
            process: Process::start(which, &all),
            ip,
            rpc_addr,
        }
    }

    /// Runs a command against this agent.
    pub fn run(&self, which: Which, command: &str, args: &[&str]) -> Output {
        let mut all = vec![command, "-rpc-addr", &self.rpc_addr];
        all.extend(args);
        run(which, &all)
    }

    /// Name to status, as this agent sees the members.
    pub fn members(&self) -> Vec<(String, String)> {
        let output = self.run(Which::Ours, "members", &["-format", "json"]);
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else {
            return Vec::new();
        };
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let members = json["members"].as_array();
        let mut members: Vec<_> = members
            .into_iter()
            .flatten()
            .map(|member| (text(&member["name"]), text(&member["status"])))
            .collect();
        members.sort();
        members
    }

    /// Waits until this agent sees exactly these members.
    pub fn wait_for_members(&self, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, status)| ((*name).to_owned(), (*status).to_owned()))
            .collect();
        eventually("the members", || {
            let members = self.members();
            let log = self.process.lines();
            (members == expected)
                .then_some(())
                .ok_or_else(|| format!("{members:?} instead of {expected:?}: {log:#?}"))
        });
    }
}
