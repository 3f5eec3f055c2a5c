//! Tasks of the runtime under test.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::future::{AbortHandle, abortable};
use push_driver::Runtime as _;
use tokio::sync::oneshot;

use crate::adapter::NATIVE;

/// A task that was spawned; it goes on if this is dropped.
#[derive(Debug)]
pub struct Task<T> {
    output: oneshot::Receiver<T>,
    abort: AbortHandle,
}

pub fn spawn<T: 'static>(task: impl Future<Output = T> + 'static) -> Task<T> {
    let (ended, output) = oneshot::channel();
    let (task, abort) = abortable(async move {
        let _nobody_asks = ended.send(task.await);
    });
    NATIVE.spawn_local(async move {
        let _aborted = task.await;
    });
    Task { output, abort }
}

impl<T> Task<T> {
    pub fn is_finished(&self) -> bool {
        !self.output.is_empty()
    }

    /// Ends it where it is; gives its output if it had ended already.
    pub fn stop(mut self) -> Option<T> {
        self.abort.abort();
        self.output.try_recv().ok()
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.output).poll(context).map(|output| output.expect("the task came to its end"))
    }
}

/// Lets other tasks run.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
