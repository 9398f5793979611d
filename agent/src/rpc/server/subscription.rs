//! Streams and monitors: records that a connection sends without being asked each time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Mutex, broadcast, oneshot};
use zeroize::Zeroizing;

use super::query::Pending;
use crate::event::AgentEvent;
use crate::handler::EventFilter;
use crate::log::{Level, Line};
use crate::rpc::codec::{Bytes, Encode};
use crate::rpc::protocol::{
    LogRecord, Member, MemberEventRecord, QueryEventRecord, UserEventRecord, response,
};

/// How long a client may take none of what it is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The sending side of a connection, shared by its commands and its subscriptions. Messages are
/// written whole.
#[derive(Debug, Clone)]
pub(super) struct Output {
    half: Arc<Mutex<OwnedWriteHalf>>,
}

impl Output {
    pub(super) fn new(half: OwnedWriteHalf) -> Self {
        Self {
            half: Arc::new(Mutex::new(half)),
        }
    }

    /// Sends a response or a record. After an error, and also if the future is dropped midway,
    /// the connection cannot be used any more.
    pub(super) async fn send(
        &self,
        seq: u64,
        error: &str,
        body: Option<&(dyn Encode + Sync)>,
    ) -> io::Result<()> {
        let bytes = response(seq, error, body.map(|body| body as &dyn Encode));
        // It may list keys.
        let bytes = Zeroizing::new(bytes);
        let mut half = self.half.lock().await;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let written = tokio::time::timeout(WRITE_TIMEOUT, half.write(rest)).await??;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[written..];
        }
        Ok(())
    }
}

/// Sends the events that pass the filter until told to stop. Queries among them are pending from
/// then on.
pub(super) async fn stream(
    seq: u64,
    filters: Vec<EventFilter>,
    mut events: broadcast::Receiver<Arc<AgentEvent>>,
    pending: Pending,
    output: Output,
    mut stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    while let Some(event) = next(&mut events, &mut stop, "event").await {
        if !filters.iter().any(|filter| filter.passes(&event)) {
            continue;
        }
        match &*event {
            AgentEvent::Member { kind, members } => {
                let record = MemberEventRecord {
                    event: kind.to_string(),
                    members: members.iter().map(Member::from).collect(),
                };
                output.send(seq, "", Some(&record)).await?;
            }
            AgentEvent::Query(query) => {
                let record = QueryEventRecord {
                    event: event.kind().to_owned(),
                    id: pending.add(query),
                    ltime: query.key.ltime.get(),
                    name: query.name.to_string(),
                    payload: carried(&query.payload),
                };
                output.send(seq, "", Some(&record)).await?;
            }
            AgentEvent::User(user) => {
                let record = UserEventRecord {
                    event: event.kind().to_owned(),
                    ltime: user.ltime.get(),
                    name: user.name.to_string(),
                    payload: carried(&user.payload),
                    coalesce: user.coalesce,
                };
                output.send(seq, "", Some(&record)).await?;
            }
        }
    }
    Ok(())
}

/// A payload, if it is not empty.
fn carried(payload: &[u8]) -> Option<Bytes> {
    (!payload.is_empty()).then(|| Bytes(payload.to_vec()))
}

/// Sends the log lines from a level on until told to stop, first those that are kept.
pub(super) async fn monitor(
    seq: u64,
    level: Level,
    (kept, mut lines): (Vec<Line>, broadcast::Receiver<Line>),
    output: Output,
    mut stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let send = async |line: Line| {
        if line.level < level {
            return Ok(());
        }
        let record = LogRecord {
            log: line.text.to_string(),
        };
        output.send(seq, "", Some(&record)).await
    };
    for line in kept {
        send(line).await?;
    }
    while let Some(line) = next(&mut lines, &mut stop, "log").await {
        send(line).await?;
    }
    Ok(())
}

/// The next record, or `None` when told to stop or when there will be no more.
async fn next<T: Clone>(
    records: &mut broadcast::Receiver<T>,
    stop: &mut oneshot::Receiver<()>,
    what: &str,
) -> Option<T> {
    loop {
        let received = tokio::select! {
            received = records.recv() => received,
            _ = &mut *stop => return None,
        };
        match received {
            Ok(record) => return Some(record),
            Err(broadcast::error::RecvError::Closed) => return None,
            Err(broadcast::error::RecvError::Lagged(missed)) => tracing::warn!(
                target: "agent.ipc",
                "Dropped {missed} {what} records of a slow client"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::rpc::codec::Decode;
    use crate::rpc::frame::{FrameReader, Limits};
    use crate::rpc::protocol::ResponseHeader;

    #[tokio::test]
    async fn a_slow_client_loses_the_oldest_records_and_gets_the_rest() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap());
        let (client, server) = (client.await.unwrap(), listener.accept().await.unwrap().0);
        let (lines, receiver) = broadcast::channel(4);
        for n in 0..10 {
            lines
                .send(Line::plain(Level::Info, &format!("line {n}")))
                .unwrap();
        }
        drop(lines);
        let (_stop, stopped) = oneshot::channel();
        let output = Output::new(server.into_split().1);
        let kept = Vec::new();
        monitor(7, Level::Info, (kept, receiver), output, stopped)
            .await
            .unwrap();
        let mut frames = FrameReader::new(client, Limits::RESPONSE);
        let mut received = Vec::new();
        loop {
            match frames.buffered().unwrap() {
                Some(value) if received.len() % 2 == 0 => {
                    assert_eq!(ResponseHeader::decode(value).unwrap().seq, 7);
                    received.push(String::new());
                }
                Some(value) => received.push(LogRecord::decode(value).unwrap().log),
                None if !frames.fill().await.unwrap() => break,
                None => {}
            }
        }
        received.retain(|text| !text.is_empty());
        assert_eq!(received, ["line 6", "line 7", "line 8", "line 9"]);
    }
}
