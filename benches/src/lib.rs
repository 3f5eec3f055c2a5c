//! What is measured, said once: each layer is a list of [`Contest`]s, in which the project stands beside its peers and
//! the raw limit of the machine. `cargo bench` runs them under criterion, the binary `table` interleaved.

mod contest;
mod meter;

pub mod core_turn;
pub mod decrypt;
pub mod encrypt;
pub mod post_to_push;
mod raw_message;
mod receiver;
pub mod records;
pub mod second_message;
pub mod send;
pub mod store_commit;
pub mod vapid;

use push_proto::service::{Limits, Rate};

pub use contest::{Contest, Kind, Party, compare};
pub use meter::{Clock, Meter, Spent};

/// The service as it is, but for rates that no contest reaches; they are kept all the same.
fn unhurried() -> Limits {
    let unreached = Rate::new(1_000_000, u32::MAX);
    Limits {
        messages: unreached,
        subscription_messages: unreached,
        sender_messages: unreached,
        ..Limits::default()
    }
}

/// Connections as they are, but for bounds of an address: all clients of a contest share one.
fn from_one_address() -> push_driver::Limits {
    let unreached = Rate::new(1_000_000, u32::MAX);
    push_driver::Limits {
        address_connections: usize::MAX,
        address_requests: unreached,
        address_agents: unreached,
        address_unsigned: unreached,
        ..push_driver::Limits::default()
    }
}
