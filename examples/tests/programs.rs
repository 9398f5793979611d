//! Runs the programs, so that they go on working: all runtimes in one cluster.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A program that runs; killed when dropped.
struct Program {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Program {
    fn start(path: &str, name: &'static str, args: &[&str]) -> Self {
        let mut command = Command::new(path);
        command.args(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let stdin = child.stdin.take();
        Self {
            name,
            child,
            stdin,
            lines,
        }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line with these words; others are passed over.
    fn says(&self, words: &str) -> String {
        let mut others = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => others.push(line),
                Err(_) => panic!("{} should say {words:?}, said {others:?}", self.name),
            }
        }
    }

    /// Asks until the answer has these words.
    fn answers(&mut self, question: &str, words: &str) {
        for _ in 0..1000 {
            self.types(question);
            if self.says("members, ").contains(words) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{} never answered {words:?} to {question:?}", self.name);
    }

    /// Ends its input, upon which it leaves.
    fn leaves(mut self) {
        drop(self.stdin.take());
        assert!(self.child.wait().unwrap().success(), "{}", self.name);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the programs on glommio run here.
fn glommio_runs() -> bool {
    #[cfg(target_os = "linux")]
    match serf_glommio::check() {
        Ok(()) => return true,
        Err(why) => drop(writeln!(std::io::stderr(), "SKIPPED: glommio: {why}")),
    }
    false
}

#[test]
fn a_chat_is_heard_on_every_runtime_and_without_one() {
    let [one, two, three, four] = ["1", "2", "3", "4"].map(|i| format!("127.86.1.{i}:7946"));
    let mut tokio = Program::start(env!("CARGO_BIN_EXE_chat-tokio"), "tokio", &["tokio", &one]);
    tokio.says("member-join tokio");
    let mut others = vec![
        Program::start(
            env!("CARGO_BIN_EXE_chat-smol"),
            "smol",
            &["smol", &two, &one],
        ),
        Program::start(
            env!("CARGO_BIN_EXE_std-threads"),
            "std",
            &["std", &three, &one],
        ),
    ];
    if glommio_runs() {
        let args = ["glommio", &four, &one];
        let path = env!("CARGO_BIN_EXE_chat-glommio");
        others.push(Program::start(path, "glommio", &args));
    }
    for other in &others {
        tokio.says("member-join ");
        other.says("member-join tokio");
    }
    tokio.types("hello, all");
    tokio.says("tokio: hello, all");
    for other in &others {
        other.says("tokio: hello, all");
    }
    others[0].types("hello, tokio");
    tokio.says("smol: hello, tokio");
    for other in others {
        let name = other.name;
        other.leaves();
        tokio.says(&format!("member-leave {name}"));
    }
    tokio.leaves();
}

#[test]
fn a_value_stays_reachable_when_members_leave() {
    let [one, two, three] = ["1", "2", "3"].map(|i| format!("127.86.2.{i}:7946"));
    let mut first = Program::start(env!("CARGO_BIN_EXE_cache-tokio"), "tokio", &["tokio", &one]);
    first.answers("stats", "1 members");
    let (third, name) = match glommio_runs() {
        true => (env!("CARGO_BIN_EXE_cache-glommio"), "glommio"),
        false => (env!("CARGO_BIN_EXE_cache-tokio"), "again"),
    };
    let second = env!("CARGO_BIN_EXE_cache-smol");
    let mut second = Program::start(second, "smol", &["smol", &two, &one]);
    let mut third = Program::start(third, name, &[name, &three, &one]);
    for program in [&mut first, &mut second, &mut third] {
        program.answers("stats", "3 members");
    }
    let keys: Vec<String> = (0..20).map(|i| format!("key-{i}")).collect();
    let mut shards = [0; 3];
    for key in &keys {
        first.types(&format!("put {key} value of {key}"));
        let kept = first.says(&format!("{key} is on "));
        for (shard, name) in shards.iter_mut().zip(["tokio", "smol", name]) {
            *shard += usize::from(kept.contains(name));
        }
    }
    assert_eq!(shards.iter().sum::<usize>(), 40, "two copies of each");
    assert!(shards.iter().all(|&n| (1..20).contains(&n)), "{shards:?}");

    let reachable = |program: &mut Program| {
        for key in &keys {
            program.types(&format!("get {key}"));
            program.says(&format!("{key} = value of {key} "));
        }
    };
    reachable(&mut third);
    second.leaves();
    reachable(&mut third);
    // Both that are left come to have all.
    third.answers("stats", "2 members, 20 values");
    first.leaves();
    reachable(&mut third);
    third.leaves();
}

#[test]
#[cfg(target_os = "linux")]
fn nodes_share_an_executor_and_have_one_each() {
    if !glommio_runs() {
        return;
    }
    let path = env!("CARGO_BIN_EXE_placement-glommio");
    let program = Program::start(path, "placement", &[]);
    program.says("shared-2 joined");
    program.says("core-0 joined");
    let cores = thread::available_parallelism().unwrap();
    program.says(&format!("{cores} of {cores} cores seen"));
    program.leaves();
}

/// What a program says that ends at once.
fn complaint(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success(), "{command:?} should fail");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_program_that_cannot_run_says_why_in_words() {
    let taken = std::net::UdpSocket::bind("127.86.3.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for path in [
        env!("CARGO_BIN_EXE_chat-tokio"),
        env!("CARGO_BIN_EXE_cache-smol"),
    ] {
        let said = complaint(&mut Command::new(path));
        assert!(said.contains("expected arguments: NAME ADDRESS"), "{said}");
        let said = complaint(Command::new(path).args(["one", &taken]));
        let words = format!("cannot bind UDP address {taken}: ");
        assert!(said.contains(&words), "{said:?} should have {words:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn where_too_little_memory_may_be_locked_the_program_says_how_to_raise_the_limit() {
    if !glommio_runs() {
        return;
    }
    let path = env!("CARGO_BIN_EXE_chat-glommio");
    let mut shell = Command::new("sh");
    let limited = r#"ulimit -l 64 && exec "$0" one 127.86.3.2:0"#;
    let said = complaint(shell.args(["-c", limited, path]));
    for words in ["RLIMIT_MEMLOCK is 65536 bytes", "`ulimit -l 512`"] {
        assert!(said.contains(words), "{said:?} should have {words:?}");
    }
}
