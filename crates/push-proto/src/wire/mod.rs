//! RFC 8030 and RFC 8292 as HTTP has them: requests and responses to plain data and back, for all three parties.
//!
//! Values only: no IO and no clock. The service's side is a [`Door`]; user agents and application servers read
//! responses with the functions here, and have [`user_agent`] and [`application_server`] for the rest.

pub mod application_server;
mod content;
mod door;
mod lexer;
mod limits;
mod link;
mod prefer;
mod problem;
mod promise;
mod public_url;
mod read;
mod request;
mod respond;
pub mod user_agent;
mod vapid;

pub use door::{Admitted, BodyLimit, Door, Unremembered, Verify};
pub use limits::Limits;
pub use link::{Relation, link, links};
pub use prefer::Preferences;
pub use promise::Promise;
pub use public_url::{PublicUrl, PublicUrlError};
pub use read::{granted_ttl, last_modified, location, retry_after};
