//! What any octets must not do to the web push stack: one function for each fuzz target. Each takes any octets and
//! panics if what it attacks is wrong. `README.md` says how to run them; `tests/replay.rs` gives them what earlier runs
//! found, without a fuzzer.

mod aesgcm;
mod agent_state;
mod autopush;
mod capability;
mod declarative;
mod event_reader;
mod event_writer;
mod fixture;
mod http_text;
mod keyring;
mod keys;
mod link;
mod message_decrypt;
mod prefer;
mod record_decode;
mod records;
mod request;
mod response;
mod script;
mod sender;
mod service;
mod shelf;
mod sim_world;
mod subscription;
mod url;
mod user_agent;
mod vapid;

pub use aesgcm::aesgcm;
pub use agent_state::agent_state;
pub use autopush::autopush;
pub use capability::capability;
pub use declarative::declarative;
pub use event_reader::event_reader;
pub use event_writer::event_writer;
pub use keyring::keyring;
pub use keys::keys;
pub use link::link_fields;
pub use message_decrypt::message_decrypt;
pub use prefer::prefer;
pub use record_decode::record_decode;
pub use records::records;
pub use request::request;
pub use response::response;
pub use sender::sender;
pub use service::service;
pub use sim_world::sim_world;
pub use subscription::subscription;
pub use url::url;
pub use user_agent::user_agent;
pub use vapid::vapid;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("aesgcm", aesgcm),
    ("agent_state", agent_state),
    ("autopush", autopush),
    ("capability", capability),
    ("declarative", declarative),
    ("event_reader", event_reader),
    ("event_writer", event_writer),
    ("keyring", keyring),
    ("keys", keys),
    ("link_fields", link_fields),
    ("message_decrypt", message_decrypt),
    ("prefer", prefer),
    ("record_decode", record_decode),
    ("records", records),
    ("request", request),
    ("response", response),
    ("sender", sender),
    ("service", service),
    ("sim_world", sim_world),
    ("subscription", subscription),
    ("url", url),
    ("user_agent", user_agent),
    ("vapid", vapid),
];
