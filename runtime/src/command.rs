//! What a handle asks of the driver, and how the answer comes back.

use std::pin::{Pin, pin};

use async_channel::{Receiver, Sender, bounded};
use futures_lite::{StreamExt, future};
use serf_core::{
    Coordinate, LamportTime, Member, Outcome, QueryKey, QueryParams, RespondError, Tags,
};
use std::net::SocketAddr;

use crate::error::{CallError, Stopped};
use crate::query::Answers;
use crate::stats::Stats;

/// Commands that may wait for the driver; callers beyond that wait for room.
const CAPACITY: usize = 64;

/// Something that a [`Handle`](crate::Handle) asks of the driver.
#[derive(Debug)]
pub struct Command(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    /// Takes a while and ends with an outcome.
    Call(Call, Reply<Result<Outcome, CallError>>),
    UserEvent(UserEvent, Reply<Result<LamportTime, CallError>>),
    Query(Question, Reply<Result<Answers, CallError>>),
    Respond(QueryKey, Vec<u8>, Reply<Result<(), RespondError>>),
    Coordinate(String, Reply<Option<Coordinate>>),
    Members(Reply<Vec<Member>>),
    Local(Reply<Member>),
    Stats(Reply<Stats>),
    Shutdown,
}

#[derive(Debug)]
pub(crate) enum Call {
    Join {
        seeds: Vec<SocketAddr>,
        replay: bool,
    },
    Leave,
    ForceLeave {
        name: String,
        prune: bool,
    },
    SetTags(Tags),
}

/// A query to be asked.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) name: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) params: QueryParams,
}

/// A user event to be sent.
#[derive(Debug)]
pub(crate) struct UserEvent {
    pub(crate) name: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) coalesce: bool,
}

/// Takes the answer to one command. Dropped without one, it tells the caller that the node has
/// stopped.
#[derive(Debug)]
pub(crate) struct Reply<T>(Sender<T>);

impl<T> Reply<T> {
    pub(crate) fn send(self, answer: T) {
        // Nobody listens any more if the caller's future was dropped.
        let _ = self.0.try_send(answer);
    }
}

/// The handle's end.
#[derive(Debug, Clone)]
pub(crate) struct Asker(Sender<Command>);

impl Asker {
    pub(crate) async fn ask<T>(&self, kind: impl FnOnce(Reply<T>) -> Kind) -> Result<T, Stopped> {
        let (reply, answer) = bounded(1);
        self.tell(kind(Reply(reply))).await?;
        answer.recv().await.map_err(|_| Stopped)
    }

    pub(crate) async fn tell(&self, kind: Kind) -> Result<(), Stopped> {
        self.0.send(Command(kind)).await.map_err(|_| Stopped)
    }
}

/// The commands of all handles, for the adapter to pass on to the driver.
#[derive(Debug)]
pub struct Commands(Pin<Box<Receiver<Command>>>);

impl Commands {
    /// The next command; waits for one. `None` once the last handle is gone.
    ///
    /// Dropping the returned future loses nothing, and asking anew after that allocates nothing.
    pub async fn next(&mut self) -> Option<Command> {
        self.0.next().await
    }

    /// The next command, if one waits already.
    pub fn try_next(&mut self) -> Option<Command> {
        self.0.try_recv().ok()
    }
}

impl Drop for Commands {
    /// Drops the waiting commands, too, whose callers would otherwise wait as long as there are
    /// handles.
    fn drop(&mut self) {
        self.0.close();
        while self.try_next().is_some() {}
    }
}

pub(crate) fn channel() -> (Asker, Commands) {
    let (sender, receiver) = bounded(CAPACITY);
    (Asker(sender), Commands(Box::pin(receiver)))
}

/// The first of two futures to end.
pub(crate) async fn first<T>(a: impl Future<Output = T>, b: impl Future<Output = T>) -> T {
    future::or(pin!(a), pin!(b)).await
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    #[test]
    fn a_caller_whose_command_was_never_taken_hears_that_the_node_has_stopped() {
        let (asker, commands) = channel();
        block_on(async {
            let call = async { asker.ask(Kind::Members).await };
            let stop = async {
                future::yield_now().await;
                drop(commands);
            };
            let (answer, ()) = future::zip(call, stop).await;
            assert_eq!(answer, Err(Stopped));
            assert_eq!(asker.tell(Kind::Shutdown).await, Err(Stopped));
        });
    }

    #[test]
    fn commands_end_with_the_last_handle() {
        let (asker, mut commands) = channel();
        drop(asker);
        assert!(block_on(commands.next()).is_none());
    }
}
