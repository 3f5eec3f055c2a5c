//! SIGHUP: what `serve` was told is read again, and what can change while it serves does.
//!
//! Those are the bounds, the certificate and its key, and how long the end may take. Whatever is wrong with the new settings
//! is logged, and what was there before stays.

use std::{convert::Infallible, sync::Arc, time::Duration};

use push_store::Embedded;
use push_tokio::{Server, ServerTls};

use crate::{
    args::Command,
    config::{Config, Transport},
    error::{Error, Result},
    settings::{self, Told},
    supervisor::Supervisor,
    tls,
};

/// A service that can be told anew.
pub(crate) struct Reloadable {
    pub(crate) server: Server,
    pub(crate) store: Arc<Embedded>,
    /// The certificate in use, if it is the operator's.
    pub(crate) tls: Option<ServerTls>,
    /// By what it serves.
    pub(crate) told: Vec<Told>,
    /// How long the end may take.
    pub(crate) drain: Duration,
}

impl Reloadable {
    /// Reloads whenever that is asked for, and tells the supervisor. Cancel safe.
    pub(crate) async fn follow(&mut self, hangup: &mut Hangup, supervisor: &Supervisor) -> Infallible {
        loop {
            hangup.next().await;
            supervisor.reloading();
            self.reload();
            supervisor.ready();
        }
    }

    /// Reads everything again, and does what can be done about it.
    fn reload(&mut self) {
        let (config, told) = match read() {
            Ok(read) => read,
            Err(error) => return tracing::error!("nothing was reloaded: {}", one_line(&error.to_string())),
        };
        let changed = self.take_over(told);
        if let Err(error) = self.limit(&config) {
            tracing::error!("the bounds stay as they were: {}", one_line(&error.to_string()));
        }
        if let Err(error) = self.certify(&config.transport) {
            tracing::error!("the certificate in use stays: {}", one_line(&error.to_string()));
        }
        self.drain = config.drain;
        tracing::info!(changed, "reloaded");
    }

    /// Notes by what it serves from now on, and logs what it does not serve by until it is started anew. Gives the keys of
    /// what it does.
    fn take_over(&mut self, told: Vec<Told>) -> String {
        let mut changed = Vec::new();
        for (old, new) in self.told.iter_mut().zip(told) {
            if old.values == new.values {
                continue;
            }
            if new.key.is_reloadable() {
                changed.push(new.key.to_string());
                *old = new;
            } else {
                tracing::warn!("`{}` has changed, which takes a restart: it stays as it was", new.key);
            }
        }
        changed.join(" ")
    }

    fn limit(&self, config: &Config) -> Result<()> {
        let bounds = &config.bounds;
        self.server
            .reconfigure(bounds.service(), bounds.carrier())
            .map_err(|fault| Error::failed(fault.to_string()))?;
        self.store.reconfigure(bounds.quotas());
        Ok(())
    }

    fn certify(&self, transport: &Transport) -> Result<()> {
        match (&self.tls, transport) {
            (Some(in_use), Transport::Tls { certificate, key }) => tls::replace(in_use, certificate, key),
            // That another way of serving takes a restart has been said.
            (Some(_), Transport::DevTls | Transport::DevCleartext | Transport::BehindProxy) | (None, _) => {
                Ok(())
            }
        }
    }
}

fn read() -> Result<(Config, Vec<Told>)> {
    let words: Vec<_> = std::env::args_os().collect();
    let settings = settings::read(&words).map_err(|refused| Error::usage(refused.to_string()))?;
    let Command::Serve(args) = settings.args.command else {
        return Err(Error::failed("this is no `webpush serve`"));
    };
    let config = args.config().map_err(|error| settings::placed(error, &settings.told))?;
    Ok((config, settings.told))
}

/// A line of a log is one line.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The signal that asks for it.
pub(crate) struct Hangup {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Hangup {
    /// From now on it is noted, and does not end the process. Needs a runtime.
    pub(crate) fn new() -> Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let signal = signal(SignalKind::hangup());
            Ok(Self { signal: signal.map_err(|error| Error::failed(format!("no signals: {error}")))? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// The next one. Cancel safe.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending().await
    }
}
