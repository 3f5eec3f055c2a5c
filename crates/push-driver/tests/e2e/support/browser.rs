//! A user agent of Mozilla's push protocol, by a WebSocket client that is not ours.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::Response},
};

use super::{Service, connect, peer::handshake};

/// Any transport.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<Io: AsyncRead + AsyncWrite + Unpin> Duplex for Io {}

/// One connection.
pub struct Browser {
    pub socket: WebSocketStream<Box<dyn Duplex>>,
}

/// What a subscription is to its user agent.
#[derive(Clone, Debug)]
pub struct Channel {
    pub id: String,
    /// Of the push resource.
    pub path: String,
}

impl Browser {
    pub async fn connect(service: &Service) -> Self {
        Self::connect_as(service, "/", &[]).await.unwrap()
    }

    /// With that path and those fields; the response if it is none that opens a WebSocket.
    pub async fn connect_as(
        service: &Service,
        path: &str,
        fields: &[(&'static str, &str)],
    ) -> Result<Self, Box<Response<Option<Vec<u8>>>>> {
        let socket = connect(service.address).await;
        let io: Box<dyn Duplex> = match &service.certificate {
            None => Box::new(socket),
            Some(certificate) => Box::new(handshake(socket, certificate, &[b"http/1.1"]).await),
        };
        let mut request =
            format!("ws://localhost:{}{path}", service.address.port()).into_client_request().unwrap();
        for (name, value) in fields {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match client_async(request, io).await {
            Ok((socket, response)) => {
                assert!(!response.headers().contains_key("sec-websocket-extensions"));
                Ok(Self { socket })
            }
            Err(Error::Http(response)) => Err(response),
            Err(error) => panic!("{error}"),
        }
    }

    /// Connects and introduces itself; gives its name too.
    pub async fn hello(service: &Service, uaid: Option<&str>) -> (Self, String) {
        let mut browser = Self::connect(service).await;
        let uaid = browser.introduce(uaid).await;
        (browser, uaid)
    }

    pub async fn introduce(&mut self, uaid: Option<&str>) -> String {
        let mut hello = json!({"messageType": "hello", "use_webpush": true, "broadcasts": {}});
        if let Some(uaid) = uaid {
            hello["uaid"] = uaid.into();
        }
        self.say(&hello).await;
        let reply = self.hear().await;
        assert_eq!(
            (&reply["messageType"], &reply["status"], &reply["use_webpush"]),
            (&json!("hello"), &json!(200), &json!(true))
        );
        reply["uaid"].as_str().unwrap().to_owned()
    }

    pub async fn say(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next text frame.
    pub async fn hear(&mut self) -> Value {
        loop {
            match self.socket.next().await.expect("it is open").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => panic!("{other:?}"),
            }
        }
    }

    /// The code of the close frame that comes next.
    pub async fn closed(mut self) -> u16 {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Number `number` of its subscriptions, restricted to a key if there is one.
    pub async fn register(&mut self, number: u8, key: Option<&str>) -> Channel {
        let reply = self.try_register(number, key).await;
        assert_eq!(reply["status"], 200, "{reply}");
        let endpoint = reply["pushEndpoint"].as_str().unwrap();
        let path = endpoint.splitn(4, '/').nth(3).unwrap();
        Channel { id: channel(number), path: format!("/{path}") }
    }

    pub async fn try_register(&mut self, number: u8, key: Option<&str>) -> Value {
        let mut register = json!({"messageType": "register", "channelID": channel(number)});
        if let Some(key) = key {
            register["key"] = key.into();
        }
        self.say(&register).await;
        let reply = self.hear().await;
        assert_eq!(
            (&reply["messageType"], &reply["channelID"]),
            (&json!("register"), &json!(channel(number)))
        );
        reply
    }

    /// The next notification: its channel, its version and its body.
    pub async fn notified(&mut self) -> (String, String, Vec<u8>) {
        let frame = self.hear().await;
        assert_eq!(frame["messageType"], "notification", "{frame}");
        let text = |member: &str| frame[member].as_str().unwrap_or_default().to_owned();
        let body = octets(&text("data"));
        (text("channelID"), text("version"), body)
    }

    pub async fn acknowledge(&mut self, channel: &str, version: &str) {
        let updates = json!([{"channelID": channel, "version": version, "code": 100}]);
        self.say(&json!({"messageType": "ack", "updates": updates})).await;
    }

    /// Comes back when everything that was said before was read.
    pub async fn settle(&mut self) {
        self.say(&json!({})).await;
        assert_eq!(self.hear().await, json!({}));
    }
}

pub fn channel(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02x}")
}

fn octets(text: &str) -> Vec<u8> {
    use base64ct::Encoding as _;
    base64ct::Base64UrlUnpadded::decode_vec(text).unwrap()
}
