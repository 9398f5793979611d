//! One stream of events, many subscribers, none of whom can hold the node up.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_broadcast::{InactiveReceiver, Receiver, RecvError, Sender};
use serf_core::Event;

/// A subscription to what happens, from [`Handle::events`](crate::Handle::events).
///
/// Each subscriber sees every event since it subscribed, in order, unless it falls more than the
/// event capacity behind; then it is told how many it missed and goes on with the oldest still
/// kept. When the node has stopped, what is left is handed out and then `None`.
///
/// Also a [`Stream`](futures_core::Stream) of the same items.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
}

impl Events {
    /// The next event; waits for one. Dropping the returned future loses nothing.
    ///
    /// `None` once the node has stopped and everything before that was handed out.
    pub async fn next(&mut self) -> Option<Result<Event, Lagged>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Lagged>>> {
        Pin::new(&mut self.receiver).poll_recv(cx).map(|received| {
            Some(match received? {
                Ok(event) => Ok(event),
                Err(RecvError::Overflowed(missed)) => Err(Lagged { missed }),
                Err(RecvError::Closed) => return None,
            })
        })
    }
}

impl futures_core::Stream for Events {
    type Item = Result<Event, Lagged>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

/// A subscriber was too slow: the oldest events it had not taken yet made room for newer ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged {
    /// How many events it missed here.
    pub missed: u64,
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "missed {} events by taking them too slowly", self.missed)
    }
}

impl std::error::Error for Lagged {}

/// Where subscriptions come from. Keeps no events by itself.
#[derive(Debug)]
pub(crate) struct Subscriptions(InactiveReceiver<Event>);

impl Subscriptions {
    pub(crate) fn subscribe(&self) -> Events {
        Events {
            receiver: self.0.activate_cloned(),
        }
    }
}

/// The driver's end. When it is dropped, subscribers are handed what is left and then `None`.
#[derive(Debug)]
pub(crate) struct Publisher(Sender<Event>);

impl Publisher {
    /// Hands the event to whoever has subscribed, in the room of the oldest if need be.
    pub(crate) fn publish(&self, event: Event) {
        // Without subscribers, or once the last handle is gone, it has nowhere to go.
        let _ = self.0.try_broadcast(event);
    }

    pub(crate) fn subscribers(&self) -> usize {
        self.0.receiver_count()
    }
}

/// A channel that keeps up to `capacity` events for its slowest subscriber.
pub(crate) fn channel(capacity: usize) -> (Publisher, Subscriptions) {
    let (mut sender, receiver) = async_broadcast::broadcast(capacity);
    sender.set_overflow(true);
    (Publisher(sender), Subscriptions(receiver.deactivate()))
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;

    fn event(score: u8) -> Event {
        Event::HealthChanged { score }
    }

    #[test]
    fn a_slow_subscriber_is_told_how_many_it_missed_and_a_fast_one_misses_none() {
        let (publisher, subscriptions) = channel(3);
        let (mut slow, mut fast) = (subscriptions.subscribe(), subscriptions.subscribe());
        block_on(async {
            for score in 0..5 {
                publisher.publish(event(score));
                assert_eq!(fast.next().await, Some(Ok(event(score))));
            }
            assert_eq!(slow.next().await, Some(Err(Lagged { missed: 2 })));
            assert_eq!(slow.next().await, Some(Ok(event(2))));
        });
    }

    #[test]
    fn a_subscriber_sees_what_comes_after_it_subscribed() {
        let (publisher, subscriptions) = channel(3);
        publisher.publish(event(0));
        let mut first = subscriptions.subscribe();
        publisher.publish(event(1));
        let mut second = subscriptions.subscribe();
        publisher.publish(event(2));
        assert_eq!(publisher.subscribers(), 2);
        assert_eq!(block_on(first.next()), Some(Ok(event(1))));
        assert_eq!(block_on(second.next()), Some(Ok(event(2))));
    }

    #[test]
    fn after_the_end_what_is_left_is_handed_out_and_then_none() {
        let (publisher, subscriptions) = channel(3);
        let mut events = subscriptions.subscribe();
        publisher.publish(event(7));
        drop(publisher);
        assert_eq!(block_on(events.next()), Some(Ok(event(7))));
        assert_eq!(block_on(events.next()), None);
        assert_eq!(block_on(subscriptions.subscribe().next()), None);
    }
}
