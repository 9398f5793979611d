//! Runs the handlers, one after another.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serf_tokio::{Handle, Tags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::output::Tail;
use super::{EventScript, invocation};
use crate::event::AgentEvent;
use crate::telemetry::Telemetry;

/// Events that may wait for the handlers.
const WAITING: usize = 512;

/// How long a handler may take before the log warns.
const SLOW: Duration = Duration::from_secs(1);

/// How long output is waited for after a handler has ended, in case something that it left behind
/// still holds its end of the pipe.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// The handlers of an agent, and the events that wait for them.
#[derive(Debug)]
pub(crate) struct Handlers {
    scripts: Mutex<Arc<[EventScript]>>,
    tags: Mutex<Tags>,
    /// Until no more are to come.
    queue: Mutex<Option<mpsc::Sender<Arc<AgentEvent>>>>,
    /// Until the task takes it.
    waiting: Mutex<Option<mpsc::Receiver<Arc<AgentEvent>>>>,
}

impl Handlers {
    /// Handlers on a node with these tags.
    pub(crate) fn new(scripts: Vec<EventScript>, tags: Tags) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        Self {
            scripts: Mutex::new(scripts.into()),
            tags: Mutex::new(tags),
            queue: Mutex::new(Some(queue)),
            waiting: Mutex::new(Some(waiting)),
        }
    }

    fn scripts(&self) -> Arc<[EventScript]> {
        Arc::clone(&self.scripts.lock().expect("nothing panics with this lock"))
    }

    /// Changes the handlers. Events that wait are for the new ones.
    pub(crate) fn replace(&self, scripts: Vec<EventScript>) {
        *self.scripts.lock().expect("nothing panics with this lock") = scripts.into();
    }

    /// Changes the tags of the node that handlers are told of.
    pub(crate) fn set_tags(&self, tags: Tags) {
        *self.tags.lock().expect("nothing panics with this lock") = tags;
    }

    fn tags(&self) -> Tags {
        let tags = self.tags.lock().expect("nothing panics with this lock");
        tags.clone()
    }

    /// Filters and their commands; of several commands for one filter the last.
    pub(crate) fn list(&self) -> BTreeMap<String, String> {
        let scripts = self.scripts();
        let pair = |script: &EventScript| (script.filter.to_string(), script.command.clone());
        scripts.iter().map(pair).collect()
    }

    /// Lets an event wait for its handlers, if it has any. It is dropped, and that is logged, if
    /// too many wait.
    pub(crate) fn push(&self, event: &Arc<AgentEvent>) {
        if !self.scripts().iter().any(|script| script.wants(event)) {
            return;
        }
        let queue = self.queue.lock().expect("nothing panics with this lock");
        let Some(queue) = queue.as_ref() else { return };
        if queue.try_send(Arc::clone(event)).is_err() {
            tracing::warn!(
                target: "agent",
                "Dropped event '{event}' for the event handlers: {WAITING} wait already"
            );
        }
    }

    /// Takes no more events: [`run`](Self::run) ends with those that wait.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock().expect("nothing panics with this lock");
        *queue = None;
    }

    /// Runs handlers until closed. To be called once; a second call returns at once.
    pub(crate) async fn run(&self, telemetry: &Telemetry, node: Handle) {
        let taken = self
            .waiting
            .lock()
            .expect("nothing panics with this lock")
            .take();
        let Some(mut waiting) = taken else { return };
        while let Some(event) = waiting.recv().await {
            let tags = self.tags();
            for script in self.scripts().iter().filter(|script| script.wants(&event)) {
                let began = Instant::now();
                invoke(&script.command, &node, &tags, &event).await;
                telemetry.measure("agent.invoke", "script", &script.command, began.elapsed());
            }
        }
    }
}

/// Runs a handler to its end, and logs how that went. What it prints answers a query, unless it
/// fails.
async fn invoke(command: &str, node: &Handle, tags: &Tags, event: &AgentEvent) {
    let mut output = Tail::default();
    let ended = {
        let running = execute(command, node.name(), tags, event, &mut output);
        tokio::pin!(running);
        match tokio::time::timeout(SLOW, &mut running).await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::warn!(
                    target: "agent",
                    "Script '{command}' slow, execution exceeding {SLOW:?}"
                );
                running.await
            }
        }
    };
    if let Some((written, kept)) = output.truncated() {
        tracing::warn!(
            target: "agent",
            "Script '{command}' generated {written} bytes of output, truncated to {kept}"
        );
    }
    let (kind, text) = (event.kind(), output.text());
    let failure = match ended {
        Ok(status) if status.success() => None,
        Ok(status) => Some(describe(status)),
        Err(error) => Some(error.to_string()),
    };
    match failure {
        None => {
            tracing::debug!(target: "agent", "Event '{kind}' script output: {text}");
            answer(node, event, output.bytes()).await;
        }
        Some(failure) => {
            if !text.is_empty() {
                tracing::warn!(target: "agent", "Event '{kind}' script output: {text}");
            }
            tracing::error!(target: "agent", "Error invoking script '{command}': {failure}");
        }
    }
}

/// Answers with what a handler printed, if the event was a query and if it printed anything.
async fn answer(node: &Handle, event: &AgentEvent, output: &[u8]) {
    let AgentEvent::Query(query) = event else {
        return;
    };
    if output.is_empty() {
        return;
    }
    if let Err(error) = node.respond(query.key, output).await {
        tracing::warn!(target: "agent", "Failed to respond to query '{event}': {error}");
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

async fn execute(
    command: &str,
    name: &str,
    tags: &Tags,
    event: &AgentEvent,
    output: &mut Tail,
) -> std::io::Result<ExitStatus> {
    // One pipe for both, so that what is printed stays in order.
    let (write, mut read) = pipe::pipe()?;
    let write: OwnedFd = write.into_blocking_fd()?;
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .envs(invocation::variables(name, tags, event))
        .stdin(Stdio::piped())
        .stdout(write.try_clone()?)
        .stderr(write)
        .spawn()?;
    let stdin = child.stdin.take();
    let input = invocation::input(event);
    // A handler need not read its input, and one that does may print before it reads on.
    let feeding = tokio::spawn(async move {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(&input).await;
        }
    });
    let mut buffer = [0; 4096];
    let mut ended = None;
    let mut deadline = None;
    loop {
        let timeout = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            count = read.read(&mut buffer) => match count {
                Ok(count) if count > 0 => output.push(&buffer[..count]),
                _ => break,
            },
            status = child.wait(), if ended.is_none() => {
                ended = Some(status?);
                deadline = Some(Instant::now() + AFTERWARDS);
            }
            () = timeout => {
                // What runs on in the background shall neither block nor break on printing.
                tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
                break;
            }
        }
    }
    let status = match ended {
        Some(status) => status,
        None => child.wait().await?,
    };
    feeding.abort();
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::fixture::user_event;

    async fn run(command: &str, payload: &str) -> (ExitStatus, String) {
        let mut output = Tail::default();
        let (tags, event) = (Tags::new(), user_event("deploy", payload));
        let status = execute(command, "a", &tags, &event, &mut output).await;
        (status.unwrap(), output.text())
    }

    #[tokio::test]
    async fn a_handler_gets_its_input_and_its_variables_and_both_outputs_are_kept_in_order() {
        let (status, output) = run("cat; echo $SERF_USER_EVENT >&2; echo out; exit 3", "v1").await;
        assert_eq!(output, "v1\ndeploy\nout\n");
        assert_eq!(describe(status), "exit status 3");
    }

    #[tokio::test]
    async fn a_handler_need_not_read_and_may_end_by_a_signal() {
        let (status, output) = run("kill -9 $$", &"x".repeat(1 << 20)).await;
        assert_eq!(output, "");
        assert_eq!(describe(status), "ended by signal 9");
    }

    #[tokio::test]
    async fn a_handler_may_print_more_than_a_pipe_holds_before_it_reads() {
        let payload = "y".repeat(1 << 20);
        let (status, output) = run("head -c 1000000 /dev/zero; cat; echo end", &payload).await;
        assert!(status.success());
        assert!(output.ends_with("yy\nend\n"));
    }

    #[tokio::test]
    async fn what_a_handler_leaves_behind_is_not_waited_for() {
        let (status, output) = run("sleep 600 & echo $!", "").await;
        assert!(status.success());
        let sleeping = output.trim();
        let (killed, _) = run(&format!("kill {sleeping}"), "").await;
        assert!(killed.success(), "it should have run on: {sleeping}");
    }

    #[tokio::test]
    async fn events_beyond_what_may_wait_are_dropped_and_unwanted_ones_do_not_wait() {
        let scripts = EventScript::parse("user:x=true").unwrap();
        let handlers = Handlers::new(scripts, Tags::new());
        let (wanted, other) = (user_event("x", ""), user_event("y", ""));
        let (wanted, other) = (Arc::new(wanted), Arc::new(other));
        for _ in 0..WAITING + 3 {
            handlers.push(&wanted);
            handlers.push(&other);
        }
        let waiting = handlers.waiting.lock().unwrap().take().unwrap();
        assert_eq!(waiting.len(), WAITING);
    }
}
