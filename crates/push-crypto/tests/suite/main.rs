//! All tests of the public API in one binary, on every provider that is built.

#[cfg(test)]
mod aesgcm;
#[cfg(test)]
mod capability;
#[cfg(test)]
mod common;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod declarative;
#[cfg(test)]
mod kernel;
#[cfg(test)]
mod message;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod record;
#[cfg(test)]
mod redaction;
#[cfg(test)]
mod signing_key;
#[cfg(test)]
mod spaced;
#[cfg(test)]
mod subscription;
#[cfg(test)]
mod vapid;
#[cfg(test)]
mod wycheproof;
