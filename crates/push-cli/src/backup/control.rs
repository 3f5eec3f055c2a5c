//! How a service that runs is asked for a backup: by a Unix socket in its data folder, which only its own user and root
//! may use. The service has the folder locked, and only it knows what is durable.
//!
//! ```text
//! client: backup 1\n
//! server: ok\n and the file, or: refused: <why>\n
//! ```
//!
//! It is closed by the end of the file, and whoever sees it closed earlier has no backup: the file says where its end is.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net,
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use push_store::Embedded;
use tokio::{io::AsyncReadExt as _, task::JoinHandle, time};

use super::Unwritten;
use crate::{
    error::{Error, Result},
    files, output, sealing,
};

/// The service's end. When it is dropped, nobody is let in any more.
pub(crate) struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
}

/// What each backup is made of, and how long its client is waited for.
#[derive(Clone)]
struct Office {
    data: PathBuf,
    store: Arc<Embedded>,
    /// Whether there is a backup under way: one at a time, since each keeps what ends meanwhile on the disk.
    busy: Arc<AtomicBool>,
    request: Duration,
    stall: Duration,
}

impl Control {
    /// Opens it, for the process that has the folder for itself: whatever socket is there is nobody's. Needs a runtime.
    pub(crate) fn open(data: &Path, store: Arc<Embedded>) -> io::Result<Self> {
        let busy = Arc::default();
        Self::over(Office { data: data.to_owned(), store, busy, request: REQUEST, stall: STALL })
    }

    fn over(office: Office) -> io::Result<Self> {
        let path = socket(&office.data);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket()) {
            fs::remove_file(&path)?;
        }
        let listener = tokio::net::UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        // Whoever came before the mode was set is told apart by who it is.
        let owner = fs::metadata(&path)?.uid();
        let task = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) if may_ask(&stream, owner) => office.answer(stream).await,
                    Ok(_stranger) => {}
                    // Too many files are open, for example.
                    Err(_) => time::sleep(AGAIN).await,
                }
            }
        });
        Ok(Self { path, task })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        drop(fs::remove_file(&self.path));
    }
}

fn may_ask(stream: &tokio::net::UnixStream, owner: u32) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == owner || peer.uid() == ROOT)
}

impl Office {
    async fn answer(&self, mut stream: tokio::net::UnixStream) {
        let mut asked = [0; ASK.len()];
        if !matches!(time::timeout(self.request, stream.read_exact(&mut asked)).await, Ok(Ok(_))) {
            return;
        }
        let Ok(stream) = self.blocking(stream) else { return };
        if asked != *ASK {
            return refuse(stream, "the service is of another version than this command");
        }
        if self.busy.swap(true, Ordering::AcqRel) {
            return refuse(stream, "another backup is under way");
        }
        let office = self.clone();
        let busy = Busy(Arc::clone(&self.busy));
        let thread = thread::Builder::new().name("push-backup".to_owned());
        // If there is no thread, the client sees the connection end.
        drop(thread.spawn(move || office.back_up(stream, busy)));
    }

    fn blocking(&self, stream: tokio::net::UnixStream) -> io::Result<net::UnixStream> {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(self.stall))?;
        Ok(stream)
    }

    fn back_up(&self, mut stream: net::UnixStream, busy: Busy) {
        // First what is durable, then the keys: every key that sealed a URL for it is among them.
        let snapshot = match self.store.snapshot() {
            Ok(snapshot) => snapshot,
            Err(outage) => return refuse(stream, &format!("the store is down: {outage}")),
        };
        let keyring = match sealing::read(&self.data) {
            Ok(keyring) => keyring,
            Err(error) => return refuse(stream, &error.to_string()),
        };
        let written = match stream.write_all(OK) {
            Ok(()) => super::write(&snapshot, &keyring, &mut stream),
            Err(error) => Err(Unwritten::To(error)),
        };
        match written {
            Ok(records) => tracing::info!(records, "a backup was made"),
            Err(Unwritten::Store(fault)) => {
                tracing::error!(%fault, "a backup failed: the store cannot be read")
            }
            Err(Unwritten::To(error)) => tracing::warn!(%error, "a backup failed: its client went away"),
        }
        // Before the client learns that it has all, so that it can ask for another at once.
        drop(busy);
    }
}

/// A backup is under way.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn refuse(mut stream: net::UnixStream, why: &str) {
    // Whoever does not wait for it does not need it.
    drop(stream.write_all(format!("{REFUSED}{}\n", why.replace('\n', " ")).as_bytes()));
}

/// Asks the service that runs on this folder; `None` if there is none. What comes is the file.
pub(super) fn ask(data: &Path) -> Result<Option<net::UnixStream>> {
    let failed = |error: &io::Error| Error::failed(format!("cannot ask the service: {}", files::why(error)));
    let mut stream = match net::UnixStream::connect(socket(data)) {
        Ok(stream) => stream,
        Err(error) if is_nobody(&error) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(failed(&error).hint("run this as the user that the service runs as, or as root"));
        }
        Err(error) => return Err(failed(&error)),
    };
    stream.set_read_timeout(Some(STALL)).map_err(|e| failed(&e))?;
    stream.write_all(ASK).map_err(|e| failed(&e))?;
    match answer(&mut stream).map_err(|e| failed(&e))?.as_str() {
        "ok" => Ok(Some(stream)),
        other => {
            let why = other.strip_prefix(REFUSED).unwrap_or("it does not answer: this user may not ask it");
            Err(Error::failed(format!("the service makes no backup: {}", output::harmless(why))))
        }
    }
}

/// Where nobody listens a service may still have the folder; then it is locked.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        // A path that is too long for a socket has none.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::InvalidInput
    )
}

/// One line, octet by octet: what comes after it is the file.
fn answer(stream: &mut net::UnixStream) -> io::Result<String> {
    let mut line = Vec::new();
    let mut octet = [0];
    while line.len() < ANSWER_OCTETS_MAX && stream.read(&mut octet)? > 0 && octet != *b"\n" {
        line.extend_from_slice(&octet);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn socket(data: &Path) -> PathBuf {
    data.join("control.sock")
}

const ASK: &[u8; 9] = b"backup 1\n";
const OK: &[u8] = b"ok\n";
const REFUSED: &str = "refused: ";
const ANSWER_OCTETS_MAX: usize = 2000;
const ROOT: u32 = 0;
/// How long a client may take to say what it wants; others wait meanwhile.
const REQUEST: Duration = Duration::from_secs(5);
/// How long either may take none, or give none, of the file: the disk behind it hangs, or nobody is there.
const STALL: Duration = Duration::from_secs(60);
/// After nobody could be let in.
const AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use push_store::{
        Quotas, Store as _,
        engine::{Mishap, SimulatedDisk},
    };

    use super::*;

    /// A store that has more to say than fits into a socket: what it wrote to show that it is up again has 1 MiB.
    fn large() -> Embedded {
        let disk = SimulatedDisk::new();
        let store = Embedded::over(disk.clone(), Quotas::default()).unwrap();
        disk.arrange(Mishap::Refused);
        let (sender, found) = mpsc::channel();
        store.probe(Box::new(move |answer| sender.send(answer.is_ok()).unwrap()));
        assert!(found.recv().unwrap());
        store
    }

    /// G5: nobody holds up the others.
    #[tokio::test]
    async fn who_asks_for_nothing_or_takes_nothing_is_cut_off() {
        let data = tempfile::tempdir().unwrap();
        sealing::draft(data.path()).unwrap();
        sealing::settle(data.path()).unwrap();
        let [request, stall] = [Duration::from_millis(20); 2];
        let store = Arc::new(large());
        let office = Office { data: data.path().to_owned(), store, busy: Arc::default(), request, stall };
        let control = Control::over(office).unwrap();
        let mut silent = tokio::net::UnixStream::connect(socket(data.path())).await.unwrap();
        let mut nothing = Vec::new();
        silent.read_to_end(&mut nothing).await.unwrap();
        assert!(nothing.is_empty());

        let path = data.path().to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let greedy = ask(&path).unwrap().unwrap();
            let mut next = loop {
                match ask(&path) {
                    Ok(next) => break next.unwrap(),
                    Err(error) => assert!(error.to_string().contains("under way"), "{error}"),
                }
            };
            let (mut all, mut cut) = (Vec::new(), Vec::new());
            next.read_to_end(&mut all).unwrap();
            (&greedy).read_to_end(&mut cut).unwrap();
            (all, cut)
        });
        let (all, cut) = asked.await.unwrap();
        assert!(all.len() > 1 << 20 && cut.len() < all.len(), "{} {}", all.len(), cut.len());
        assert!(super::super::archive::Reading::begin(all.as_slice()).is_ok());

        drop(control);
        assert!(ask(data.path()).unwrap().is_none(), "nobody is there");
    }
}
