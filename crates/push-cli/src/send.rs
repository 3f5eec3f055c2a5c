//! `webpush send`
use crate::{args::SendArgs, error::Result};
pub(crate) fn run(_: SendArgs) -> Result<()> { Ok(()) }
