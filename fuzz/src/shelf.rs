//! An engine of the embedded store whose records can be tampered with: maps in memory, shared by all handles.

use std::{
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use push_store::{
    OpenError,
    engine::{Engine, EngineError, Keyspace, Span, Visit, Write},
};

use crate::script::Script;

type Records = BTreeMap<(Keyspace, Vec<u8>), Bytes>;

#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<Records>>);

/// How records were tampered with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tampered {
    /// Not at all.
    No,
    /// Records are altered or in the place of others, or gone: whoever reads an altered one can tell.
    Detectably,
    /// Checksums were put right: nobody can tell.
    Secretly,
}

impl Shelf {
    /// Alters, moves, removes or makes a record.
    pub(crate) fn tamper(&self, script: &mut Script<'_>) -> Tampered {
        let mut records = self.lock();
        let which = usize::from(script.u16()) % records.len().max(1);
        let Some(((keyspace, key), value)) = records.iter().nth(which) else { return Tampered::No };
        let (keyspace, key, value) = (*keyspace, key.clone(), value.to_vec());
        let place = |script: &mut Script<'_>, len: usize| usize::from(script.octet()) % len.max(1);
        let (altered, how) = match script.below(6) {
            0 => {
                let mut value = value;
                let at = place(script, value.len());
                if let Some(octet) = value.get_mut(at) {
                    *octet ^= script.octet().max(1);
                }
                (value, Tampered::Detectably)
            }
            1 => {
                let mut value = value;
                value.truncate(place(script, value.len()));
                (value, Tampered::Detectably)
            }
            2 => {
                // Mostly of the same keyspace, so that nothing but its place is wrong.
                let other = usize::from(script.u16());
                let all = other % 8 == 0;
                let others: Vec<_> = records.iter().filter(|((of, _), _)| all || *of == keyspace).collect();
                let ((from, at), value) = others[other % others.len()];
                let moved = *from != keyspace || *at != key;
                (value.to_vec(), if moved { Tampered::Detectably } else { Tampered::No })
            }
            3 => {
                records.remove(&(keyspace, key));
                return Tampered::Secretly;
            }
            4 => {
                let mut fields = value[..value.len().saturating_sub(4)].to_vec();
                for _ in 0..=script.octet() % 3 {
                    let at = place(script, fields.len());
                    if let Some(octet) = fields.get_mut(at) {
                        *octet = script.octet();
                    }
                }
                (with_checksum(keyspace, &key, fields), Tampered::Secretly)
            }
            _ => {
                let fields = script.string().to_vec();
                (with_checksum(keyspace, &key, fields), Tampered::Secretly)
            }
        };
        // Sometimes in a place that nobody wrote to.
        let key = if script.octet() > 240 { script.string().to_vec() } else { key };
        records.insert((keyspace, key), altered.into());
        how
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap()
    }
}

/// The octets of a record, with a checksum over keyspace, key and them.
fn with_checksum(keyspace: Keyspace, key: &[u8], mut fields: Vec<u8>) -> Vec<u8> {
    let sum = crc32c::crc32c(&[keyspace.number()]);
    let sum = crc32c::crc32c_append(crc32c::crc32c_append(sum, key), &fields);
    fields.extend_from_slice(&sum.to_be_bytes());
    fields
}

impl Engine for Shelf {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.lock().get(&(keyspace, key.to_vec())).cloned())
    }

    fn scan(&self, span: Span<'_>, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if span.from >= span.to {
            return Ok(());
        }
        let from = Bound::Included((span.keyspace, span.from.to_vec()));
        let to = Bound::Excluded((span.keyspace, span.to.to_vec()));
        for ((_, key), value) in self.lock().range((from, to)) {
            if let ControlFlow::Break(()) = visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&mut self, batch: &mut dyn Iterator<Item = Write<'_>>) -> Result<(), EngineError> {
        let mut records = self.lock();
        for Write { keyspace, key, value } in batch {
            match value {
                Some(value) => records.insert((keyspace, key.to_vec()), Bytes::copy_from_slice(value)),
                None => records.remove(&(keyspace, key.to_vec())),
            };
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), OpenError> {
        Ok(())
    }

    fn close(&mut self) {}
}
