//! `webpush serve --check`: all that can be wrong before anything is served. Nothing is written but a file without a name.

use std::{fs, path::Path};

use crate::{
    config::{Config, Transport},
    error::{Error, Result},
    files, firefox, output,
    sealing::Found,
    serve,
    settings::{By, Told},
    sockets::Place,
    tls,
};

/// Says what would be served, and by whose word. What is said to no use is a mistake here.
pub(crate) fn run(config: &Config, told: &[Told], useless: &[String]) -> Result<()> {
    if !useless.is_empty() {
        return Err(Error::usage(useless.join("\n  "))
            .hint("unset it: `webpush serve --help` has the variables that there are"));
    }
    let transport = transport(config)?;
    check_data(config)?;
    for Told { key, by, values, .. } in told.iter().filter(|told| told.by != By::Default) {
        let values: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
        output::line(&output::harmless(&format!("{key} = {} ({by})", values.join(", "))))?;
    }
    let places: Vec<_> = config.listen.iter().map(ToString::to_string).collect();
    output::line(&format!("it would listen on {}, {transport}", places.join(" and ")))?;
    output::line(&format!("data folder {}", config.data.display()))?;
    let any_port = |place: &Place| matches!(place, Place::Address(address) if address.port() == 0);
    if config.public_url.is_none() && config.listen.iter().any(any_port) {
        return output::line("public URL: of localhost, with the port that it gets");
    }
    let public_url = serve::public_url(config, &config.listen)?;
    output::line(&format!("public URL {public_url}"))?;
    let preferences = config.websocket.as_ref().map(|at| firefox::preferences(&public_url, at));
    preferences.iter().flatten().try_for_each(|preference| output::line(&format!("Firefox: {preference}")))
}

fn transport(config: &Config) -> Result<String> {
    Ok(match &config.transport {
        Transport::Tls { certificate, key } => {
            tls::server(certificate, key)?;
            format!("TLS with {} and {}", certificate.display(), key.display())
        }
        Transport::DevTls => "TLS with a certificate of its own".to_owned(),
        Transport::DevCleartext => "cleartext".to_owned(),
        Transport::BehindProxy => "cleartext, behind a proxy".to_owned(),
    })
}

/// A data folder that is in use by a service passes: whoever has changed the configuration checks it before the restart.
fn check_data(config: &Config) -> Result<()> {
    let data = &config.data;
    // A folder that is not there yet is made in the next one that is.
    let there = data.ancestors().find(|folder| folder.as_os_str().is_empty() || folder.exists());
    let there = there.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = fs::metadata(there).map_err(|error| Error::file("look at", there, files::why(&error)))?;
    if !found.is_dir() {
        return Err(Error::file("use", there, "it is not a folder"));
    }
    tempfile::tempfile_in(there)
        .map_err(|error| Error::file("write to the folder", there, files::why(&error)))?;
    if serve::check_data(config)? != Found::Service {
        output::note(&format!(
            "{} is new: a start makes a store and a sealing key; no URL of an earlier service is valid here",
            data.display()
        ));
    }
    Ok(())
}
