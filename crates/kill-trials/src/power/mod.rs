//! A disk that loses power: what was not synced may be gone.
//!
//! [`Disk`] is a file system in memory that keeps apart what is durable, as POSIX has it: octets and length of a file by its
//! `fsync`, names in a folder by the `fsync` of the folder. On Linux [`Mounted`] gives it to other processes, by FUSE.

mod disk;
#[cfg(target_os = "linux")]
mod mounted;

pub use disk::{Disk, Loss};
#[cfg(target_os = "linux")]
pub use mounted::Mounted;
