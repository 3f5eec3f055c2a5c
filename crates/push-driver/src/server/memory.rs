//! What the connections of one shard hold for their peers, in body octets, and what happens when that is too much (G5).
//!
//! Three kinds, each counted from where it is allocated to where it is freed: *requests* are bodies that are read, or
//! were read and are not answered yet; *pushes* and *responses* are handed out, and wait until the peer has read them.
//! There are two bounds:
//!
//! - Over [`Limits::shed_octets`] no more bodies are taken: each reserves its length before its first octet is read, so
//!   requests alone never get further. What has no body is served: acknowledgements and monitors make room.
//! - Over [`Limits::cut_octets`] connections are cut off, those whose peers have read nothing for longest first. What was
//!   pushed to them is in the store, and is pushed again when they come back.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use push_proto::Refusal;

use super::census::{Kind, Tally};
use crate::Limits;

/// How many octets a shard may hold: [`Limits::shed_octets`] and [`Limits::cut_octets`], the same for all shards.
#[derive(Debug)]
pub(super) struct Room {
    shed: AtomicUsize,
    cut: AtomicUsize,
}

impl Room {
    /// As these limits have it.
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        let (shed, cut) = (AtomicUsize::new(limits.shed_octets), AtomicUsize::new(limits.cut_octets));
        Arc::new(Self { shed, cut })
    }

    /// From now on as these have it. What is held beyond them stays until the next comes.
    pub(super) fn reconfigure(&self, limits: &Limits) {
        self.shed.store(limits.shed_octets, Ordering::Relaxed);
        self.cut.store(limits.cut_octets, Ordering::Relaxed);
    }
}

/// The books of one shard.
pub(super) struct Memory {
    tally: Arc<Tally>,
    room: Arc<Room>,
    retry_after: Duration,
    accounts: RefCell<BTreeMap<u64, Rc<Account>>>,
    opened: Cell<u64>,
    /// A clock of its own: ticks whenever a peer has read something.
    progress: Cell<u64>,
    /// What those hold who are being cut off.
    leaving: Cell<usize>,
}

impl Memory {
    /// Nothing is held; the counts go to `tally`.
    pub(super) fn new(room: Arc<Room>, retry_after: Duration, tally: Arc<Tally>) -> Rc<Self> {
        Rc::new(Self {
            tally,
            room,
            retry_after,
            accounts: RefCell::default(),
            opened: Cell::default(),
            progress: Cell::default(),
            leaving: Cell::default(),
        })
    }

    /// The account of a new connection.
    pub(super) fn open(self: &Rc<Self>) -> Opened {
        let number = self.opened.get() + 1;
        self.opened.set(number);
        let account = Rc::new(Account {
            memory: Rc::clone(self),
            number,
            unread: Cell::new(0),
            progress: Cell::new(self.progress.get()),
            is_cut: Cell::new(false),
            cut: Cell::new(None),
        });
        self.accounts.borrow_mut().insert(number, Rc::clone(&account));
        Opened(account)
    }

    /// Takes in the body of a request, of at most so many octets.
    ///
    /// # Errors
    ///
    /// 503: there is no memory for it now.
    pub(super) fn admit(self: &Rc<Self>, octets: usize) -> Result<Body, Refusal> {
        let shed = self.room.shed.load(Ordering::Relaxed);
        if octets > 0 && self.tally.octets().saturating_add(octets) > shed {
            return Err(Refusal::MEMORY_SHORT.retry_in(self.retry_after));
        }
        self.tally.hold(Kind::Request, octets);
        Ok(Body { memory: Rc::clone(self), octets })
    }

    /// Cuts off who has read nothing for longest, until what is left is not too much.
    fn cut(&self) {
        let too_much = || {
            let staying = self.tally.octets().saturating_sub(self.leaving.get());
            staying > self.room.cut.load(Ordering::Relaxed)
        };
        if !too_much() {
            return;
        }
        let accounts = self.accounts.borrow();
        let mut unread: Vec<_> =
            accounts.values().filter(|account| !account.is_cut.get() && account.unread.get() > 0).collect();
        unread.sort_by_key(|account| account.progress.get());
        for account in unread {
            if !too_much() {
                return;
            }
            account.is_cut.set(true);
            self.leaving.set(self.leaving.get().saturating_add(account.unread.get()));
            if let Some(waker) = account.cut.take() {
                waker.wake();
            }
            tracing::warn!(
                octets = account.unread.get(),
                "a connection that does not read is cut off: memory is short"
            );
        }
    }
}

/// What one connection holds that its peer has not read.
pub(super) struct Account {
    memory: Rc<Memory>,
    number: u64,
    unread: Cell<usize>,
    /// When its peer last read something, or had nothing to read.
    progress: Cell<u64>,
    is_cut: Cell<bool>,
    /// Who waits to be cut off.
    cut: Cell<Option<Waker>>,
}

impl Account {
    /// Holds octets for the peer, until the value is dropped.
    pub(super) fn hold(self: &Rc<Self>, kind: Kind, octets: usize) -> Unread {
        let memory = &self.memory;
        if self.unread.get() == 0 {
            self.progress.set(memory.progress.get());
        }
        self.unread.set(self.unread.get().saturating_add(octets));
        if self.is_cut.get() {
            memory.leaving.set(memory.leaving.get().saturating_add(octets));
        }
        memory.tally.hold(kind, octets);
        memory.cut();
        Unread { account: Rc::clone(self), kind, octets }
    }

    /// Ready when the connection is to be cut off. Who asked last is woken then, so that only the owner of the connection asks.
    pub(super) fn poll_cut_off(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_cut.get() {
            return Poll::Ready(());
        }
        self.cut.set(Some(context.waker().clone()));
        Poll::Pending
    }

    /// Comes back when the connection is to be cut off. Cancel safe.
    pub(super) async fn is_cut_off(&self) {
        poll_fn(|context| self.poll_cut_off(context)).await;
    }
}

/// An account as long as its connection is there.
pub(super) struct Opened(Rc<Account>);

impl Opened {
    /// The account.
    pub(super) const fn account(&self) -> &Rc<Account> {
        &self.0
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.memory.accounts.borrow_mut().remove(&self.0.number);
    }
}

/// Octets that wait for a peer to read them.
pub(super) struct Unread {
    account: Rc<Account>,
    kind: Kind,
    octets: usize,
}

impl Unread {
    /// How many.
    pub(super) const fn octets(&self) -> usize {
        self.octets
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let Self { account, kind, octets } = self;
        let memory = &account.memory;
        account.unread.set(account.unread.get().saturating_sub(*octets));
        if account.is_cut.get() {
            memory.leaving.set(memory.leaving.get().saturating_sub(*octets));
        }
        memory.progress.set(memory.progress.get() + 1);
        account.progress.set(memory.progress.get());
        memory.tally.release(*kind, *octets);
    }
}

/// The memory of one request's body, until it is answered.
pub(super) struct Body {
    memory: Rc<Memory>,
    octets: usize,
}

impl Body {
    /// It is read, and so long.
    pub(super) fn is_whole(&mut self, octets: usize) {
        let spare = self.octets.saturating_sub(octets);
        self.memory.tally.release(Kind::Request, spare);
        self.octets -= spare;
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.memory.tally.release(Kind::Request, self.octets);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn memory(shed_octets: usize, cut_octets: usize) -> Rc<Memory> {
        let limits = Limits { shed_octets, cut_octets, ..Limits::default() };
        Memory::new(Room::new(&limits), limits.retry_after, Arc::default())
    }

    fn is_cut_off(opened: &Opened) -> bool {
        opened.account().is_cut_off().now_or_never().is_some()
    }

    /// G5: a body takes its whole length before it is read, and gives back what it did not need.
    #[test]
    fn bodies_are_refused_over_the_first_bound() {
        let memory = memory(10, 100);
        let mut first = memory.admit(8).unwrap();
        let refusal = memory.admit(3).err().unwrap();
        assert_eq!((refusal.status(), refusal.retry_after()), (503, Some(memory.retry_after)));
        assert!(memory.admit(0).is_ok(), "what has no body needs no memory");
        first.is_whole(7);
        let second = memory.admit(3).unwrap();
        drop((first, second));
        assert!(memory.admit(11).is_err() && memory.admit(10).is_ok());
        assert_eq!(memory.tally.octets(), 0);
    }

    /// G5: who has not read for longest goes first, and nobody who need not.
    #[test]
    fn those_who_do_not_read_are_cut_off_over_the_second() {
        let memory = memory(10, 100);
        let [stuck, slow, quick, idle] = [(); 4].map(|()| memory.open());
        let waiting = stuck.account().hold(Kind::Push, 30);
        let taken = slow.account().hold(Kind::Response, 10);
        let slowly = slow.account().hold(Kind::Push, 30);
        drop(taken);
        drop(quick.account().hold(Kind::Push, 30));
        let quickly = quick.account().hold(Kind::Push, 40);
        assert!(memory.admit(1).is_err() && !is_cut_off(&stuck), "100 is not too much");
        let more = idle.account().hold(Kind::Push, 1);
        assert!(is_cut_off(&stuck) && ![&slow, &quick, &idle].into_iter().any(is_cut_off));
        // It counts as gone at once: others are not cut off for what it still holds.
        let most = quick.account().hold(Kind::Push, 29);
        assert!(![&slow, &quick, &idle].into_iter().any(is_cut_off));
        drop((waiting, stuck));
        let too_much = quick.account().hold(Kind::Push, 1);
        assert!(is_cut_off(&slow) && ![&quick, &idle].into_iter().any(is_cut_off));
        drop((slowly, slow, quickly, more, most, too_much));
        assert_eq!((memory.tally.octets(), memory.leaving.get()), (0, 0));
        assert_eq!(memory.accounts.borrow().len(), 2);
    }
}
