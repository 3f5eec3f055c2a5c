//! A push service inside of a program of one's own, on tokio.

use std::{net::TcpListener, path::Path, time::Duration};

use examples::{Result, arguments, certificate, service, tell, told_to_stop};
use push_tokio::Listen;

fn main() -> Result<()> {
    let [folder, address] = arguments(["FOLDER", "ADDRESS"])?;
    let folder = Path::new(&folder);
    let listener = TcpListener::bind(address)?;
    let url = format!("https://localhost:{}", listener.local_addr()?.port());
    let tls = Some(certificate(folder)?);
    // It has threads of its own, and needs nothing of this one. A program that accepts connections itself starts it
    // without listeners, and gives it each connection by `push.serve_connection(io)`.
    let push = push_tokio::serve(service(folder, &url)?, vec![Listen::new(listener, tls)])?;
    tell(&format!("{url}/subscribe"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // What was asked is answered before it ends, and what was accepted is on disk.
    runtime.block_on(push.stop_on(told_to_stop(), Duration::from_secs(5)));
    Ok(())
}
