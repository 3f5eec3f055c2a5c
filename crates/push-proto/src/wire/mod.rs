//! RFC 8030 and RFC 8292 as HTTP has them: requests and responses to plain data and back, for all three parties.
//!
//! Values only: no IO and no clock. The service's side is a [`Door`]:
//!
//! ```text
//!            head           Admitted          whole request       service::Request
//!  peer  ----------> admit ----------> body  --------------> request ------------> Service
//!        <---------------------------------- refuse (404, 405, 413, 400, 403)         |
//!        <---------------------------------- respond  <----------- service::Response -+
//!        <---------------------------------- promise  <----------- store::Item -------+
//! ```
//!
//! Clients build requests and read responses and pushes with [`user_agent`] and [`application_server`]; the readers
//! for single fields are here.
//!
//! ```
//! use std::sync::Arc;
//! use bytes::Bytes;
//! use push_crypto::{capability::Keyring, rustcrypto};
//! use push_proto::{UnixTime, service::Request, wire::{Door, Limits, PublicUrl, Unremembered}};
//!
//! let provider = rustcrypto::provider();
//! let url = PublicUrl::parse("https://push.example.net")?;
//! let door = Door::new(Arc::new(Keyring::generate(&provider)?), url, provider, Limits::default());
//! let now = UnixTime::from_secs(1_800_000_000);
//!
//! let request = http::Request::post("/subscribe").body(Bytes::new())?;
//! let (head, body) = request.into_parts();
//! let admitted = door.admit(&head).expect("it is there, and takes POST");
//! let request = http::Request::from_parts(head, body);
//! let request = door.request(admitted, request, &mut Unremembered, now).expect("it is well-formed");
//! assert!(matches!(request, Request::Subscribe(_)));
//!
//! let (head, ()) = http::Request::get("/p/guessed").body(())?.into_parts();
//! let refusal = door.admit(&head).expect_err("nobody can guess a capability");
//! assert_eq!(door.refuse(&refusal, now).status(), 404);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

/// The port that a push service may also listen on, registered as `webpush` (RFC 8030 §9.3, `8030-9.3-1`). The public
/// URL names it where it is used: nothing here listens on it or announces it by itself.
pub const PORT: u16 = 1001;

mod accept;
pub mod application_server;
mod content;
mod door;
mod errno;
mod error_body;
mod event_reader;
mod event_stream;
mod forwarded;
mod lexer;
mod limits;
mod link;
mod operator;
mod prefer;
mod promise;
mod public_url;
mod read;
mod request;
mod respond;
pub mod user_agent;
mod vapid;
mod websocket;

pub use door::{Admitted, BodyLimit, Door, Unremembered, Verify};
pub use errno::reasons;
pub use error_body::ErrorBody;
pub use event_reader::{EventReader, StreamEnd, StreamEvent, StreamFault};
pub use event_stream::{EVENT_STREAM, KEEPALIVE};
pub use forwarded::{Node, forwarded, x_forwarded_for};
pub use limits::Limits;
pub use link::{Relation, link, links};
pub use prefer::Preferences;
pub use promise::Promise;
pub use public_url::{PublicUrl, PublicUrlError};
pub use read::{granted_ttl, last_modified, location, retry_after};
pub use websocket::WebSocketAt;
