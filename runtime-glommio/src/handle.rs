//! The handle that stays with its node.

use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;

use serf_runtime::Handle;

/// A running node, seen from its own executor. Clones are cheap and stand for the same node.
///
/// It has all the calls of [`Handle`], and cannot move to another thread: whoever holds one can
/// rely on the node being on this thread. So never block the thread on one of its calls; the node
/// could not answer. For other threads there is [`remote`](Self::remote).
///
/// ```compile_fail
/// fn moves_to_another_thread<T: Send>() {}
/// moves_to_another_thread::<serf_glommio::LocalHandle>();
/// ```
#[derive(Debug, Clone)]
pub struct LocalHandle {
    handle: Handle,
    /// Not `Send`.
    here: PhantomData<Rc<()>>,
}

impl LocalHandle {
    pub(crate) fn new(handle: Handle) -> Self {
        Self {
            handle,
            here: PhantomData,
        }
    }

    /// The handle for other threads, and for other runtimes on them: asking wakes the node's
    /// executor, and the answer wakes whoever waits for it.
    ///
    /// The node runs for as long as there is a handle of either kind, and its executor.
    #[must_use]
    pub fn remote(&self) -> Handle {
        self.handle.clone()
    }
}

impl Deref for LocalHandle {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}
