//! Clusters of all runtimes, each on a thread of its own.

use std::cell::RefCell;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_channel::{Receiver, Sender, bounded};
use serf_runtime::{BindError, Events, Handle, Options};

use super::{OneThread, Smol};
use crate::Runtime;

/// The nodes of a test are started in turn on tokio, smol and glommio; the first on the one of
/// this number. The test itself is on none of these threads.
#[derive(Debug)]
pub struct Mixed<const FIRST: usize>;

/// A node to start, and who wants its handle.
type Request = (Options, Sender<Result<(Handle, Events), BindError>>);

/// The threads of the runtimes.
#[derive(Default)]
struct Hosts {
    requests: Vec<Sender<Request>>,
    threads: Vec<JoinHandle<()>>,
    next: usize,
}

thread_local! {
    /// Those of the test that runs on this thread.
    static HOSTS: RefCell<Hosts> = RefCell::default();
}

impl Hosts {
    fn add<R: Runtime>(&mut self) {
        let (sender, requests) = bounded(1);
        self.requests.push(sender);
        let host = move || R::run(serve::<R>(requests));
        self.threads.push(thread::spawn(host));
    }
}

/// Starts nodes for as long as the test runs.
async fn serve<R: Runtime>(requests: Receiver<Request>) {
    while let Ok((options, reply)) = requests.recv().await {
        let _ = reply.send(R::bind_with_events(options).await).await;
    }
}

impl<const FIRST: usize> Runtime for Mixed<FIRST> {
    fn run(test: impl Future<Output = ()>) {
        let mut hosts = Hosts::default();
        hosts.add::<OneThread>();
        hosts.add::<Smol>();
        #[cfg(target_os = "linux")]
        if super::glommio_runs() {
            hosts.add::<super::Glommio>();
        }
        hosts.next = FIRST;
        HOSTS.set(hosts);
        smol::block_on(test);
        let Hosts {
            requests, threads, ..
        } = HOSTS.take();
        drop(requests);
        for thread in threads {
            thread.join().expect("the nodes have ended in good order");
        }
    }

    async fn bind_with_events(options: Options) -> Result<(Handle, Events), BindError> {
        let host = HOSTS.with_borrow_mut(|hosts| {
            hosts.next += 1;
            hosts.requests[(hosts.next - 1) % hosts.requests.len()].clone()
        });
        let (reply, answer) = bounded(1);
        host.send((options, reply)).await.expect("the thread runs");
        answer.recv().await.expect("the thread runs")
    }

    async fn bind(options: Options) -> Result<Handle, BindError> {
        let (handle, _) = Self::bind_with_events(options).await?;
        Ok(handle)
    }

    fn skip(nodes: usize) {
        HOSTS.with_borrow_mut(|hosts| hosts.next += nodes);
    }

    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }
}
