//! What only the inside of the kernel shows.

mod bounds;
#[cfg(target_arch = "x86_64")]
mod numbers;
