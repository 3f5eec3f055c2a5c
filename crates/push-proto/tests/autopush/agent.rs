//! What user agents do all the time.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use push_proto::autopush::Came;
use serde_json::{Value, json};

use crate::world::{Who, World};

/// A channel, by its number.
pub(crate) fn channel(number: u8) -> String {
    format!("d9b74644-4f97-46aa-b8fa-9393985cd6{number:02x}")
}

/// A notification, as its user agent reads it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notified {
    pub(crate) channel: String,
    pub(crate) version: String,
    pub(crate) body: Option<String>,
    pub(crate) headers: Option<Value>,
}

impl Notified {
    pub(crate) fn of(frame: &Value) -> Self {
        assert_eq!(frame["messageType"], "notification", "{frame}");
        let text = |name: &str| frame[name].as_str().map(str::to_owned);
        let body = text("data").map(|data| Base64UrlUnpadded::decode_vec(&data).unwrap());
        Self {
            channel: text("channelID").unwrap(),
            version: text("version").unwrap(),
            body: body.map(|body| String::from_utf8(body).unwrap()),
            headers: frame.get("headers").cloned(),
        }
    }

    pub(crate) fn body(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }
}

impl World {
    /// The one frame that a user agent was told.
    pub(crate) fn reply(&mut self, who: Who) -> Value {
        let told = self.told(who);
        let [reply] = told.as_slice() else { panic!("{told:?}, closed {:?}", self.closed(who)) };
        reply.clone()
    }

    /// Says hello; what it is to call itself.
    pub(crate) fn hello(&mut self, who: Who, uaid: Option<&str>) -> String {
        let mut hello = json!({ "messageType": "hello", "use_webpush": true });
        if let Some(uaid) = uaid {
            hello["uaid"] = uaid.into();
        }
        self.say(who, hello);
        let reply = self.lines[who].told.remove(0);
        let reply: Value = serde_json::from_str(&reply).unwrap();
        assert_eq!((&reply["messageType"], &reply["status"]), (&"hello".into(), &200.into()));
        assert_eq!(reply["use_webpush"], true);
        reply["uaid"].as_str().unwrap().to_owned()
    }

    /// Asks for a subscription; the status and the endpoint of the reply.
    pub(crate) fn ask_to_register(&mut self, who: Who, number: u8, key: Option<&str>) -> (u64, String) {
        let mut register = json!({ "messageType": "register", "channelID": channel(number) });
        if let Some(key) = key {
            register["key"] = key.into();
        }
        self.say(who, register);
        registered(&self.reply(who), number)
    }

    /// Makes a subscription.
    pub(crate) fn register(&mut self, who: Who, number: u8) -> String {
        let (status, endpoint) = self.ask_to_register(who, number, None);
        assert_eq!(status, 200);
        endpoint
    }

    pub(crate) fn unregister(&mut self, who: Who, number: u8) -> Value {
        self.say(who, json!({ "messageType": "unregister", "channelID": channel(number), "code": 200 }));
        let reply = self.reply(who);
        assert_eq!(
            (&reply["messageType"], &reply["channelID"]),
            (&"unregister".into(), &channel(number).into())
        );
        reply["status"].clone()
    }

    /// A connection that has introduced itself and has this channel.
    pub(crate) fn subscriber(&mut self) -> (Who, String, String) {
        let who = self.connect();
        let uaid = self.hello(who, None);
        let endpoint = self.register(who, 0);
        (who, uaid, endpoint)
    }

    /// The same user agent on another connection.
    pub(crate) fn reconnect(&mut self, uaid: &str) -> Who {
        let who = self.connect();
        assert_eq!(self.hello(who, Some(uaid)), uaid);
        who
    }

    pub(crate) fn notifications(&mut self, who: Who) -> Vec<Notified> {
        self.told(who).iter().map(Notified::of).collect()
    }

    pub(crate) fn notification(&mut self, who: Who) -> Notified {
        let [notified] = self.notifications(who).try_into().expect("one notification");
        notified
    }

    pub(crate) fn bodies(&mut self, who: Who) -> Vec<String> {
        self.notifications(who).iter().map(|notified| notified.body().to_owned()).collect()
    }

    pub(crate) fn ack(&mut self, who: Who, notified: &[Notified]) {
        self.ack_as(who, notified, 100);
    }

    pub(crate) fn ack_as(&mut self, who: Who, notified: &[Notified], code: u16) {
        let update = |it: &Notified| json!({ "channelID": it.channel, "version": it.version, "code": code });
        let updates: Vec<_> = notified.iter().map(update).collect();
        self.say(who, json!({ "messageType": "ack", "updates": updates }));
    }

    pub(crate) fn pong(&mut self, who: Who) {
        self.come(who, Came::Control);
    }
}

/// The status and the endpoint of a reply.
pub(crate) fn registered(reply: &Value, number: u8) -> (u64, String) {
    assert_eq!((&reply["messageType"], &reply["channelID"]), (&"register".into(), &channel(number).into()));
    (reply["status"].as_u64().unwrap(), reply["pushEndpoint"].as_str().unwrap().to_owned())
}
