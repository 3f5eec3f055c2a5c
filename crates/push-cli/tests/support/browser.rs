//! A user agent of Mozilla's push protocol, by a WebSocket client that is not ours.

use std::net::SocketAddr;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// One connection.
pub(crate) struct Browser(WebSocketStream<TcpStream>);

/// A message, as its user agent reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notified {
    pub(crate) channel: String,
    pub(crate) version: String,
    pub(crate) body: Vec<u8>,
}

impl Browser {
    /// Connects and introduces itself; gives what it is to call itself from now on.
    pub(crate) async fn hello(address: SocketAddr, uaid: Option<&str>) -> (Self, String) {
        let socket = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(format!("ws://{address}/"), socket).await.unwrap();
        let mut browser = Self(socket);
        let mut hello = json!({"messageType": "hello", "use_webpush": true});
        if let Some(uaid) = uaid {
            hello["uaid"] = uaid.into();
        }
        browser.say(&hello).await;
        let reply = browser.hear().await;
        assert_eq!((&reply["messageType"], &reply["status"]), (&json!("hello"), &json!(200)));
        let uaid = reply["uaid"].as_str().unwrap().to_owned();
        (browser, uaid)
    }

    /// Makes a subscription; its push resource.
    pub(crate) async fn register(&mut self, channel: &str) -> String {
        self.say(&json!({"messageType": "register", "channelID": channel})).await;
        let reply = self.hear().await;
        assert_eq!((&reply["channelID"], &reply["status"]), (&json!(channel), &json!(200)));
        reply["pushEndpoint"].as_str().unwrap().to_owned()
    }

    /// The next message.
    pub(crate) async fn notified(&mut self) -> Notified {
        let frame = self.hear().await;
        assert_eq!(frame["messageType"], "notification");
        let text = |member: &str| frame[member].as_str().unwrap().to_owned();
        let body = Base64UrlUnpadded::decode_vec(&text("data")).unwrap();
        Notified { channel: text("channelID"), version: text("version"), body }
    }

    /// Says what became of a message: 100 delivered, 101 not decrypted, 102 not delivered.
    pub(crate) async fn acknowledge(&mut self, notified: &Notified, code: u16) {
        let Notified { channel, version, .. } = notified;
        let updates = json!([{"channelID": channel, "version": version, "code": code}]);
        self.say(&json!({"messageType": "ack", "updates": updates})).await;
    }

    async fn say(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Binary(_) | Message::Close(_) | Message::Frame(_) => panic!("no frame of it"),
            }
        }
    }
}
