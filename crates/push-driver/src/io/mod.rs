//! Adapters over `tokio::io`.

mod frames;
mod hyper;
mod rewind;
mod watched;

pub(crate) use self::{
    frames::{Ending, Seen},
    hyper::HyperIo,
    rewind::{PREFACE, Rewind},
    watched::Watched,
};
