//! `webpush demo`
use crate::{args::DemoArgs, error::Result};
pub(crate) fn run(_: &DemoArgs) -> Result<()> { Ok(()) }
