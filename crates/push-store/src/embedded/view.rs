//! The engine as it will be once the group is committed: its keys and values, and over them what the group changes.
//!
//! What is written and removed again within one group never reaches the engine, nor does what ends as it began: a
//! message that is pushed and acknowledged before its commit costs no IO (design §3.1, “push early”).

use std::{collections::BTreeMap, ops::ControlFlow};

use bytes::Bytes;

use super::{
    error::{Corrupt, Damage, Fault},
    key::Key,
};
use crate::{
    OpenError,
    engine::{Engine, EngineError, EngineSnapshot, Failure, Keyspace, Span, Visit, Write},
};

pub(super) struct View<E> {
    engine: E,
    pending: BTreeMap<Key, Pending>,
    /// What to put back, newest last, to undo everything since the last [`View::mark`].
    undo: Vec<(Key, Option<Pending>)>,
}

/// A value in this group, and what the engine has.
#[derive(Clone)]
struct Pending {
    value: Option<Bytes>,
    base: Base,
}

#[derive(Clone)]
enum Base {
    Unknown,
    Known(Option<Bytes>),
}

impl Pending {
    fn changed(&self) -> bool {
        match &self.base {
            Base::Unknown => true,
            Base::Known(value) => *value != self.value,
        }
    }
}

impl<E: Engine> View<E> {
    pub(super) const fn new(engine: E) -> Self {
        Self { engine, pending: BTreeMap::new(), undo: Vec::new() }
    }

    pub(super) fn get(&mut self, key: &Key) -> Result<Option<Bytes>, Fault> {
        if let Some(pending) = self.pending.get(key) {
            return Ok(pending.value.clone());
        }
        let value = self.engine.get(key.keyspace(), key.octets()).map_err(unread(key.keyspace()))?;
        self.pending.insert(*key, Pending { value: value.clone(), base: Base::Known(value.clone()) });
        Ok(value)
    }

    pub(super) fn put(&mut self, key: Key, value: Bytes) {
        self.write(key, Some(value), Base::Unknown);
    }

    /// Like [`View::put`], for a key that never was before.
    pub(super) fn put_new(&mut self, key: Key, value: Bytes) {
        self.write(key, Some(value), Base::Known(None));
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.write(key, None, Base::Unknown);
    }

    /// Shows `visit` what lies from `from` to before `to`, in order, until it breaks.
    pub(super) fn scan(&self, from: &Key, to: &Key, visit: &mut Visit<'_>) -> Result<(), Fault> {
        if from >= to {
            return Ok(());
        }
        let mut ours = self.pending.range(*from..*to).peekable();
        let mut broken = ControlFlow::Continue(());
        let span = Span { keyspace: from.keyspace(), from: from.octets(), to: to.octets() };
        let scanned = self.engine.scan(span, &mut |key, value| {
            while let Some((our, pending)) = ours.next_if(|(our, _)| our.octets() <= key) {
                if let Some(value) = &pending.value {
                    broken = visit(our.octets(), value);
                }
                if broken.is_break() || our.octets() == key {
                    return broken;
                }
            }
            broken = visit(key, value);
            broken
        });
        scanned.map_err(unread(from.keyspace()))?;
        for (our, pending) in ours {
            if broken.is_break() {
                break;
            }
            if let Some(value) = &pending.value {
                broken = visit(our.octets(), value);
            }
        }
        Ok(())
    }

    /// From here on [`View::roll_back`] undoes.
    pub(super) fn mark(&mut self) {
        self.undo.clear();
    }

    /// Undoes every change since [`View::mark`].
    pub(super) fn roll_back(&mut self) {
        while let Some((key, before)) = self.undo.pop() {
            match before {
                Some(before) => self.pending.insert(key, before),
                None => self.pending.remove(&key),
            };
        }
    }

    pub(super) fn changed(&self) -> bool {
        self.pending.values().any(Pending::changed)
    }

    /// Makes the group durable, if it changes anything, and begins the next.
    pub(super) fn commit(&mut self) -> Result<(), EngineError> {
        let changed = self.pending.iter().filter(|(_, pending)| pending.changed());
        let mut batch = changed.map(|(key, Pending { value, .. })| Write {
            keyspace: key.keyspace(),
            key: key.octets(),
            value: value.as_deref(),
        });
        if self.changed() {
            self.engine.commit(&mut batch)?;
        }
        self.discard();
        Ok(())
    }

    /// Forgets the group.
    pub(super) fn discard(&mut self) {
        self.pending.clear();
        self.undo.clear();
    }

    pub(super) fn reopen(&mut self) -> Result<(), OpenError> {
        self.discard();
        self.engine.reopen()
    }

    /// What is committed, without what the group changes.
    pub(super) fn snapshot(&self) -> Result<Box<dyn EngineSnapshot>, EngineError> {
        self.engine.snapshot()
    }

    pub(super) fn close(&mut self) {
        self.engine.close();
    }

    fn write(&mut self, key: Key, value: Option<Bytes>, base: Base) {
        let before = self.pending.get(&key).cloned();
        let base = before.as_ref().map_or(base, |before| before.base.clone());
        self.pending.insert(key, Pending { value, base });
        self.undo.push((key, before));
    }
}

/// What is wrong with what the engine cannot read: damage concerns whoever needs it, anything else all.
fn unread(keyspace: Keyspace) -> impl FnOnce(EngineError) -> Fault {
    move |error| match error.failure() {
        Failure::Damaged => Corrupt { keyspace, damage: Damage::Block }.into(),
        Failure::Full | Failure::ReadOnly | Failure::Gone | Failure::Other => error.into(),
    }
}
