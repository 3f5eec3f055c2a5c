//! A message to a subscription, sent by hyper on smol: any client that takes an `http::Request` will do.

use examples::{Result, arguments, request, tell, trust};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use push_crypto::Subscription;
use push_proto::application_server::Verdict;
use push_smol::{Runtime as _, Smol};

fn main() -> Result<()> {
    let [ca, subscription, text] = arguments(["CA", "SUBSCRIPTION", "TEXT"])?;
    // As the browser, or our own user agent, gave it.
    let to: Subscription = subscription.parse()?;
    let request = request(&to, &text)?;
    let origin = to.endpoint.origin();
    smol::block_on(async {
        let addresses = Smol.resolve(origin.host().to_owned(), origin.port()).await?;
        let address = addresses.first().ok_or("the name has no address")?;
        let socket = Smol.connect(*address).await?;
        let socket = trust(&ca)?.connect(origin.host().to_owned().try_into()?, socket).await?;
        let (mut client, connection) = http1::handshake(TokioIo::new(socket)).await?;
        smol::spawn(connection).detach();
        let (head, body) = client.send_request(request.map(Full::new)).await?.into_parts();
        let response = http::Response::from_parts(head, body.collect().await?.to_bytes());
        tell(&format!("{}: {:?}", response.status(), Verdict::from_response(&response)));
        Ok(())
    })
}
