//! What `serve` is to do, once it is known to make sense.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use push_proto::wire::{PublicUrl, WebSocketAt};
use push_tokio::TrustedProxies;

use crate::{
    args::{Runtime, ServeArgs},
    bounds::Bounds,
    error::{Error, Result},
    sockets::Place,
};

/// A push service, as its operator wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Whether there must be a service in it already.
    pub(crate) data_must_exist: bool,
    /// Where the world finds the service; `None` for localhost at whatever port it gets.
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) listen: Vec<Place>,
    /// The mode of sockets among them; `None` for what the umask says.
    pub(crate) socket_mode: Option<u32>,
    /// Who is believed to say for whom it asks.
    pub(crate) trusted_proxies: TrustedProxies,
    /// Where to tell metrics, if anywhere.
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) transport: Transport,
    pub(crate) runtime: Runtime,
    pub(crate) shards: NonZeroUsize,
    /// Whether to take credentials from before RFC 8292 too.
    pub(crate) draft_vapid: bool,
    /// Whether `aud` may lack the port.
    pub(crate) portless_audience: bool,
    /// Where user agents connect by WebSocket, if they may.
    pub(crate) websocket: Option<WebSocketAt>,
    /// What they are told the version of.
    pub(crate) broadcasts: BTreeMap<String, String>,
    /// How long the end may take.
    pub(crate) drain: Duration,
    pub(crate) bounds: Bounds,
}

/// What goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TLS with the operator's certificate.
    Tls { certificate: PathBuf, key: PathBuf },
    /// TLS with a certificate of our own.
    DevTls,
    /// No TLS, on this machine only.
    DevCleartext,
    /// No TLS here, but in front.
    BehindProxy,
}

impl ServeArgs {
    /// What these flags and variables ask for.
    ///
    /// # Errors
    ///
    /// They contradict each other, or leave open what nobody should guess.
    pub(crate) fn config(self) -> Result<Config> {
        let transport = self.transport()?;
        if self.listen.is_empty() {
            return Err(Error::usage("there is nowhere to listen")
                .hint("give --listen, or leave `listen` out of the file: then it is 127.0.0.1:8443"));
        }
        if transport == Transport::DevCleartext
            && let Some(place) = self.listen.iter().find(|place| is_public(place))
        {
            return Err(Error::usage(format!("--cleartext is for this machine only, and {place} is not"))
                .hint("listen on 127.0.0.1 or [::1]; behind a proxy use --behind-proxy"));
        }
        check_public_url(self.public_url.as_ref(), &transport)?;
        let websocket = self.websocket_path.unwrap_or_default().only_from(self.websocket_origin);
        let websocket = (!self.no_websocket).then_some(websocket);
        let processors = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(Config {
            data: self.data,
            data_must_exist: self.data_must_exist,
            public_url: self.public_url,
            listen: self.listen,
            socket_mode: self.socket_mode,
            metrics: self.metrics,
            trusted_proxies: self
                .trusted_proxy
                .into_iter()
                .fold(TrustedProxies::default(), TrustedProxies::and),
            transport,
            draft_vapid: self.draft_vapid,
            portless_audience: self.portless_audience,
            websocket,
            broadcasts: self.broadcast.into_iter().collect(),
            runtime: self.runtime,
            shards: self.shards.unwrap_or_else(processors),
            drain: self.drain,
            bounds: self.bounds.check()?,
        })
    }

    fn transport(&self) -> Result<Transport> {
        let certificate = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => return Err(Error::usage("--tls-cert needs --tls-key")),
            (None, Some(_)) => return Err(Error::usage("--tls-key needs --tls-cert")),
        };
        let transport = match (certificate, self.dev, self.behind_proxy) {
            (Some((certificate, key)), false, false) => Transport::Tls { certificate, key },
            (None, true, false) if self.cleartext => Transport::DevCleartext,
            (None, true, false) => Transport::DevTls,
            (None, false, true) => Transport::BehindProxy,
            (None, false, false) => {
                return Err(Error::usage("no TLS: how is this service to be reached?").hint(WAYS));
            }
            _ => {
                return Err(
                    Error::usage("--tls-cert, --dev and --behind-proxy exclude each other").hint(WAYS)
                );
            }
        };
        if self.cleartext && !self.dev {
            return Err(Error::usage("--cleartext goes with --dev only").hint(WAYS));
        }
        Ok(transport)
    }
}

fn is_public(place: &Place) -> bool {
    matches!(place, Place::Address(address) if !address.ip().is_loopback())
}

fn check_public_url(url: Option<&PublicUrl>, transport: &Transport) -> Result<()> {
    let Some(url) = url else {
        return match transport {
            Transport::DevTls | Transport::DevCleartext => Ok(()),
            Transport::Tls { .. } | Transport::BehindProxy => Err(Error::usage("--public-url is missing").hint(
                "say where the world finds this service, for example --public-url https://push.example.org",
            )),
        };
    };
    match (url.origin().is_https(), transport) {
        (true, Transport::DevCleartext) => {
            Err(Error::usage(format!("--public-url {url} is https, but --cleartext serves http")))
        }
        (false, Transport::Tls { .. } | Transport::DevTls) => {
            Err(Error::usage(format!("--public-url {url} is http, but this serves https")))
        }
        (false, Transport::BehindProxy) => Err(Error::usage(format!("--public-url {url} is http"))
            .hint("web push needs https (RFC 8030 §3): give the URL that the proxy serves")),
        (true, _) | (false, Transport::DevCleartext) => Ok(()),
    }
}

const WAYS: &str = "give --tls-cert and --tls-key, or --behind-proxy if a proxy does TLS, \
                    or --dev to try it with a certificate of our own";

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    fn config(flags: &str) -> Result<Config> {
        let words = ["webpush", "serve"].into_iter().chain(flags.split_whitespace());
        let Command::Serve(args) = Args::try_parse_from(words).unwrap().command else { panic!("not serve") };
        args.config()
    }

    #[test]
    fn flags_that_make_sense() {
        let tls = config("--tls-cert c --tls-key k --public-url https://p.example --shards 3").unwrap();
        assert_eq!(tls.transport, Transport::Tls { certificate: "c".into(), key: "k".into() });
        assert_eq!(tls.shards.get(), 3);
        assert_eq!(config("--dev").unwrap().transport, Transport::DevTls);
        assert_eq!(config("--dev --cleartext").unwrap().transport, Transport::DevCleartext);
        let proxied = config("--behind-proxy --public-url https://p.example/x").unwrap();
        assert_eq!(proxied.transport, Transport::BehindProxy);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_way_out() {
        for (flags, says) in [
            ("", "--tls-cert and --tls-key"),
            ("--public-url https://p.example", "--behind-proxy"),
            ("--tls-cert c", "needs --tls-key"),
            ("--tls-key k", "needs --tls-cert"),
            ("--dev --behind-proxy", "exclude each other"),
            ("--dev --tls-cert c --tls-key k", "exclude each other"),
            ("--cleartext --behind-proxy --public-url https://p.example", "--dev only"),
            ("--behind-proxy", "--public-url is missing"),
            ("--tls-cert c --tls-key k", "--public-url is missing"),
            ("--behind-proxy --public-url http://p.example", "needs https"),
            ("--dev --public-url http://p.example", "serves https"),
            ("--dev --cleartext --public-url https://p.example", "serves http"),
            ("--dev --cleartext --listen 0.0.0.0:80", "this machine only"),
            ("--dev --cleartext --listen 127.0.0.1:80 --listen 192.0.2.1:80", "192.0.2.1:80 is not"),
        ] {
            let error = config(flags).unwrap_err();
            assert!(error.to_string().contains(says), "{flags}: {error}");
        }
    }
}
