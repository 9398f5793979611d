//! A bounded queue between threads that takes memory for what waits in it. The one of the standard
//! library takes all of it at the start, full or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvError, RecvTimeoutError};
use std::time::Duration;

/// The end that is written to.
#[derive(Debug)]
pub(super) struct Sender<T> {
    items: mpsc::Sender<T>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

/// The end that is read from.
#[derive(Debug)]
pub(super) struct Receiver<T> {
    items: mpsc::Receiver<T>,
    waiting: Arc<AtomicUsize>,
}

/// A queue in which at most `limit` items wait.
pub(super) fn bounded<T>(limit: usize) -> (Sender<T>, Receiver<T>) {
    let (send, receive) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let sender = Sender {
        items: send,
        waiting: Arc::clone(&waiting),
        limit,
    };
    let receiver = Receiver {
        items: receive,
        waiting,
    };
    (sender, receiver)
}

impl<T> Sender<T> {
    /// Puts it in. False if the queue is full, or nobody reads it any more. Never waits.
    ///
    /// Threads that put something in at the same time may overshoot the limit by one each.
    pub(super) fn try_send(&self, item: T) -> bool {
        if self.waiting.load(Ordering::Relaxed) >= self.limit {
            return false;
        }
        // Before it can be taken out.
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.items.send(item).is_ok()
    }
}

impl<T> Receiver<T> {
    pub(super) fn recv(&self) -> Result<T, RecvError> {
        self.items.recv().inspect(|_| self.taken())
    }

    pub(super) fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.items.recv_timeout(timeout).inspect(|_| self.taken())
    }

    fn taken(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_makes_room() {
        let (sender, receiver) = bounded(2);
        assert!(sender.try_send(1) && sender.try_send(2));
        assert!(!sender.try_send(3));
        assert_eq!(receiver.recv(), Ok(1));
        assert!(sender.try_send(4) && !sender.try_send(5));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(2));
        assert_eq!(receiver.recv(), Ok(4));
        drop(receiver);
        assert!(!sender.try_send(6));
    }
}
