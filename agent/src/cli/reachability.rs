//! `serf reachability`

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Instant;

use super::output::say;
use super::remote::{Remote, failed};
use super::{Failure, Run};
use crate::rpc::protocol::{QueryRequest, query};

/// Asks all members for a sign of life, and compares who answers with who counts as alive. Ends
/// with 0 only if these are the same.
#[derive(Debug, clap::Parser)]
#[command(name = "serf reachability")]
pub(super) struct Reachability {
    /// Show the answers as they come, and how long it took
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    remote: Remote,
    /// Ignored
    #[arg(hide = true)]
    rest: Vec<String>,
}

/// Who was there and who answered.
#[derive(Debug, Default)]
struct Test {
    live: BTreeSet<String>,
    acked: BTreeSet<String>,
    /// Answers, repeated ones included.
    acks: usize,
    repeated: bool,
}

impl Run for Reachability {
    async fn run(self) -> Result<ExitCode, Failure> {
        let client = self.remote.connect().await?;
        let members = client.members().await;
        let members = members.map_err(failed("Error getting members"))?;
        let live = members.iter().filter(|member| member.status == "alive");
        let mut test = Test {
            live: live.map(|member| member.name.clone()).collect(),
            ..Test::default()
        };
        let (all, alive) = (members.len(), test.live.len());
        say(format_args!("Total members: {all}, live members: {alive}"));
        say("Starting reachability test...");
        let began = Instant::now();
        let request = QueryRequest {
            request_ack: true,
            name: "_serf_ping".to_owned(),
            ..QueryRequest::default()
        };
        let asked = client.query(&request).await;
        let mut replies = asked.map_err(failed("Error sending query"))?;
        let mut last = began;
        let collecting = async {
            while let Some(record) = replies.next().await {
                let record = record.map_err(failed("Error receiving answers"))?;
                if record.kind != query::ACK {
                    continue;
                }
                last = Instant::now();
                if self.verbose {
                    say(format_args!("\tAck from '{}'", record.from));
                }
                test.take(record.from);
            }
            Ok::<_, Failure>(())
        };
        tokio::select! {
            over = collecting => over?,
            _ = tokio::signal::ctrl_c() => {
                say("Test interrupted");
                return Ok(ExitCode::FAILURE);
            }
        }
        if self.verbose {
            let [whole, answered] = [began.elapsed(), last - began].map(|took| took.as_secs_f64());
            say(format_args!(
                "Query time: {whole:.2} sec, time to last response: {answered:.2} sec"
            ));
        }
        let (lines, passed) = test.judge();
        for line in lines {
            say(line);
        }
        Ok(match passed {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }
}

impl Test {
    fn take(&mut self, from: String) {
        self.acks += 1;
        if self.acked.contains(&from) {
            say(format_args!("Duplicate response from '{from}'"));
            self.repeated = true;
        }
        self.acked.insert(from);
    }

    /// What there is to say, and whether all is well.
    fn judge(&self) -> (Vec<String>, bool) {
        let mut lines = Vec::new();
        let mut say = |line: &str| lines.push(line.to_owned());
        let mut differ = |title: &str, a: &BTreeSet<String>, b: &BTreeSet<String>, why: &str| {
            say(title);
            for name in a.difference(b) {
                say(&format!("\t{name}"));
            }
            say(why);
        };
        let (acks, live) = (self.acks, self.live.len());
        if acks > live {
            let title = "Received more acks than live nodes! Acks from non-live nodes:";
            let why = "Members that count as failed do answer: they are taken for failed by \
                       mistake, for example because packets get lost.";
            differ(title, &self.acked, &self.live, why);
        } else if acks < live {
            let title = "Received less acks than live nodes! Missing acks from:";
            let why = "They did not get the question, or the answer was lost on its way back.";
            differ(title, &self.live, &self.acked, why);
        } else if !self.repeated {
            say("Successfully contacted all live nodes");
        }
        if acks != live {
            for line in [
                "",
                "What to look at:",
                "* Can every node reach the bind address, or the advertised one, of every other?",
                "* Do firewalls let UDP and TCP through, to the gossip port, in both directions?",
                "* Is there address translation between nodes? Then advertise the outer address.",
                "* What do `serf why NODE` and the logs on both sides say?",
            ] {
                say(line);
            }
        }
        if self.repeated {
            say("Several nodes answered under one name: names must be unique in the cluster.");
        }
        (lines, acks == live && !self.repeated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(live: &[&str], answers: &[&str]) -> (Vec<String>, bool) {
        let mut test = Test {
            live: live.iter().map(|name| (*name).to_owned()).collect(),
            ..Test::default()
        };
        for from in answers {
            test.take((*from).to_owned());
        }
        test.judge()
    }

    #[test]
    fn only_one_answer_from_each_live_member_is_a_success() {
        let all = ["Successfully contacted all live nodes"].map(str::to_owned);
        assert_eq!(judged(&["a", "b"], &["b", "a"]), (all.to_vec(), true));

        let (lines, passed) = judged(&["a", "b"], &["a"]);
        assert!(lines[0].starts_with("Received less acks") && !passed);
        assert_eq!(lines[1], "\tb");

        let (lines, passed) = judged(&["a"], &["a", "b"]);
        assert!(lines[0].starts_with("Received more acks") && !passed);
        assert_eq!(lines[1], "\tb");

        let (lines, passed) = judged(&["a", "b"], &["a", "a"]);
        assert!(lines[0].contains("under one name") && !passed);
        assert_eq!(lines.len(), 1);
    }
}
