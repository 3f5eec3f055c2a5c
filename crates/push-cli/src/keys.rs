//! `webpush keys` and `webpush rotate-key`: the keys that seal the URLs of a service. A service reads them when it starts,
//! so they are changed while it is stopped: its folder is locked as long as it runs.

use std::path::Path;

use push_crypto::{
    UnixTime,
    capability::{KeyId, Keyring, KeyringError},
};
use push_proto::SealingKeyId;
use push_store::{OpenError, Sealed, Snapshot};

use crate::{
    args::{KeysArgs, RotateKeyArgs},
    backup::{date, now},
    error::{Error, Result},
    files, output, sealing, store,
};

/// Lists them.
pub(crate) fn list(args: &KeysArgs) -> Result<()> {
    let keyring = sealing::read(&args.data)?;
    keyring.key_ids().try_for_each(|id| output::line(&line(&keyring, id)))
}

fn line(keyring: &Keyring, id: KeyId) -> String {
    let made = keyring.made(id).map_or_else(|| "at a time that was not noted".to_owned(), date);
    let role = if id == keyring.newest() { "seals what is new" } else { "opens older URLs" };
    format!("key {} made {made}: {role}", id.as_u8())
}

/// Adds one, or takes the oldest away.
pub(crate) fn rotate(args: &RotateKeyArgs) -> Result<()> {
    if args.data.exists() {
        files::check_owner(&args.data)?;
    }
    sealing::check_is_service(&args.data)?;
    // Locked until this returns.
    let snapshot = Snapshot::open(store::path(&args.data)).map_err(|error| refused(&error))?;
    let mut keyring = sealing::read(&args.data)?;
    match args.retire {
        Some(id) => retire(args, &snapshot, &mut keyring, KeyId::from_u8(id)),
        None => add(&args.data, &snapshot, &mut keyring),
    }
}

fn refused(error: &OpenError) -> Error {
    if matches!(error, OpenError::InUse(_)) {
        return Error::failed("the service is running, and reads its keys only when it starts")
            .hint("stop it, run this again, and start it");
    }
    store::refused(error)
}

fn add(data: &Path, snapshot: &Snapshot, keyring: &mut Keyring) -> Result<()> {
    let clock = snapshot.clock().map_err(|fault| Error::failed(format!("cannot read the store: {fault}")))?;
    let before = keyring.newest();
    let id = keyring.rotate(&push_crypto::aws_lc::provider()).map_err(|error| {
        let failed = Error::failed(format!("cannot make a sealing key: {error}"));
        if error == KeyringError::Full {
            failed.hint("retire the oldest with --retire ID; `webpush keys` lists them")
        } else {
            failed
        }
    })?;
    // Not before anything that the older keys sealed, whatever the clock of this machine says now.
    keyring.note_made(now().max(clock));
    sealing::write(data, keyring)?;
    output::line(&format!(
        "key {} seals new URLs from the next start on; those of key {} and older stay valid",
        id.as_u8(),
        before.as_u8()
    ))?;
    output::note("older backups lack this key: make a new one");
    Ok(())
}

fn retire(args: &RotateKeyArgs, snapshot: &Snapshot, keyring: &mut Keyring, id: KeyId) -> Result<()> {
    let mut ids = keyring.key_ids();
    let (oldest, successor) = (ids.next(), ids.next());
    drop(ids);
    let Some(successor) = successor.filter(|_| oldest == Some(id)) else {
        return Err(cannot_retire(keyring, id));
    };
    let until = keyring.made(successor).unwrap_or(UnixTime::from_secs(u64::MAX));
    let sealed = snapshot
        .sealed(SealingKeyId::from_u8(id.as_u8()), until)
        .map_err(|fault| Error::failed(format!("cannot read the store: {fault}")))?;
    if sealed != Sealed::default() && !args.force {
        let before =
            keyring.made(successor).map_or_else(String::new, |made| format!(" (until {})", date(made)));
        return Err(Error::failed(format!(
            "key {} is in use: {} came before its successor{before}",
            id.as_u8(),
            counted(&sealed)
        ))
        .hint(
            "without it all their URLs are 404 for ever: these user agents get nothing more until they subscribe anew, \
             and their senders learn it by 404. Wait until they have ended, or give --force to end them",
        ));
    }
    keyring
        .retire(id)
        .map_err(|error| Error::failed(format!("cannot retire key {}: {error}", id.as_u8())))?;
    sealing::write(&args.data, keyring)?;
    output::line(&format!(
        "key {} is gone; URLs that it sealed are 404 from the next start on: {}",
        id.as_u8(),
        counted(&sealed)
    ))
}

fn cannot_retire(keyring: &Keyring, id: KeyId) -> Error {
    let ids: Vec<_> = keyring.key_ids().map(|id| id.as_u8().to_string()).collect();
    let id_text = id.as_u8();
    if keyring.key_ids().all(|other| other != id) {
        return Error::usage(format!("there is no key {id_text}"))
            .hint(format!("there is: {}", ids.join(", ")));
    }
    if keyring.newest() == id {
        return Error::usage(format!("key {id_text} is the newest: it seals what is new"))
            .hint("make another first, by `webpush rotate-key` without --retire");
    }
    Error::usage(format!("key {id_text} is not the oldest"))
        .hint("what came before a key's successor can be told, so they are retired in their order")
}

fn counted(sealed: &Sealed) -> String {
    let Sealed { user_agents, subscriptions, receipt_subscriptions, entries } = sealed;
    format!(
        "user agents: {user_agents}, subscriptions: {subscriptions}, receipt subscriptions: \
         {receipt_subscriptions}, messages and receipts that wait: {entries}"
    )
}
