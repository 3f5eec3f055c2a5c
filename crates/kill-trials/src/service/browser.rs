//! User agents that connect by WebSocket (Mozilla's push protocol), by a client that shares no code with what is under
//! trial.
//!
//! An acknowledgement has no answer here; that it is durable tells the receipt, if there is one.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::{
    Parties,
    oracle::{Gone, Push, Subscription, Watch},
    parties::{Desk, Habit, Work, wait_for_some},
    peer::{Broken, path_of},
};
use crate::{Failure, random::Random};

/// Whether agent `number` connects by WebSocket: of each habit some do.
pub(super) const fn is_browser(number: usize) -> bool {
    number % 3 == 2
}

/// One connection.
pub(super) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// Notifications that came while something else was awaited.
    waiting: VecDeque<Value>,
}

impl Socket {
    /// Connects and introduces itself; what it is to call itself.
    pub(super) async fn hello(address: SocketAddr, uaid: Option<&str>) -> Result<(Self, String), Broken> {
        let socket = TcpStream::connect(address).await.map_err(|_| Broken)?;
        socket.set_nodelay(true).map_err(|_| Broken)?;
        let (stream, _) = client_async(format!("ws://{address}/"), socket).await.map_err(|_| Broken)?;
        let mut socket = Self { stream, waiting: VecDeque::new() };
        let hello = json!({"messageType": "hello", "use_webpush": true, "uaid": uaid});
        let reply = socket.ask(&hello).await?;
        Ok((socket, text(&reply, "uaid").to_owned()))
    }

    /// Makes a subscription: the path of its push resource, or the status that there is instead.
    pub(super) async fn register(
        &mut self,
        channel: &str,
        key: Option<&str>,
    ) -> Result<Result<String, u64>, Broken> {
        let register = json!({"messageType": "register", "channelID": channel, "key": key});
        let reply = self.ask(&register).await?;
        let status = reply.get("status").and_then(Value::as_u64).unwrap_or(0);
        let path = path_of(text(&reply, "pushEndpoint")).filter(|_| status == 200);
        Ok(path.ok_or(status))
    }

    async fn say(&mut self, frame: &Value) -> Result<(), Broken> {
        self.stream.send(Message::text(frame.to_string())).await.map_err(|_| Broken)
    }

    /// The reply to this, which has its type.
    async fn ask(&mut self, frame: &Value) -> Result<Value, Broken> {
        self.say(frame).await?;
        loop {
            let heard = self.read().await?;
            if text(&heard, "messageType") == text(frame, "messageType") {
                return Ok(heard);
            }
            self.waiting.push_back(heard);
        }
    }

    /// The next notification.
    async fn hear(&mut self) -> Result<Value, Broken> {
        match self.waiting.pop_front() {
            Some(heard) => Ok(heard),
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Result<Value, Broken> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).map_err(|_| Broken),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _closed => return Err(Broken),
            }
        }
    }
}

/// Such a user agent, for as long as one process lives.
pub(super) struct Browser {
    pub(super) number: usize,
    pub(super) desk: Desk,
    pub(super) parties: Arc<Parties>,
    pub(super) address: SocketAddr,
    pub(super) random: Random,
    pub(super) uaid: String,
}

impl Browser {
    pub(super) async fn work(mut self) -> Work {
        let habit = Habit::of(self.number);
        if habit == Habit::Late {
            if !self.random.once_in(6) {
                return Ok(());
            }
            wait_for_some(&self.desk, &mut self.random).await?;
        }
        let mut moves = self.random.once_in(4);
        loop {
            let watch = self.desk.oracle().watch();
            let (mut socket, uaid) = Socket::hello(self.address, Some(&self.uaid)).await?;
            if uaid != self.uaid {
                let what = format!("user agent {} was told another name", self.number);
                return self.desk.check(Err(Failure::new(what)));
            }
            if std::mem::take(&mut moves) {
                self.move_house(&mut socket).await?;
            }
            let patience = 20 + self.random.below(400);
            for _ in 0..patience {
                self.take(&mut socket, watch, habit).await?;
            }
        }
    }

    /// Takes the next message, and says so if that is its habit; now and then twice.
    async fn take(&mut self, socket: &mut Socket, watch: Watch, habit: Habit) -> Work {
        let frame = socket.hear().await?;
        let moment = self.desk.oracle().tick();
        let (channel, version) = (text(&frame, "channelID"), text(&frame, "version"));
        let body = Base64UrlUnpadded::decode_vec(text(&frame, "data")).unwrap_or_default();
        // A version is the last part of the URL of its message.
        let push = Push { path: format!("/m/{version}"), moment, dates: None, body };
        let pushed = self.desk.oracle().pushed(self.number, watch, &push);
        let number = self.desk.check(pushed)?;
        let told = self.desk.oracle().told_on(number, channel);
        self.desk.check(told)?;
        if !habit.acknowledges(&mut self.random) {
            return Ok(());
        }
        let code = if self.random.once_in(8) { 101 } else { 100 };
        let updates = json!([{"channelID": channel, "version": version, "code": code}]);
        let ack = json!({"messageType": "ack", "updates": updates});
        for _ in 0..if self.random.once_in(16) { 2 } else { 1 } {
            self.desk.oracle().acknowledging_by_socket(number);
            socket.say(&ack).await?;
        }
        Ok(())
    }

    /// Makes a subscription, and ends one of the others.
    async fn move_house(&mut self, socket: &mut Socket) -> Work {
        let restricted = self.random.once_in(2);
        // Nobody knows which of the earlier ones were made although nobody was told.
        let channel = channel_id(self.number, self.random.number() >> 16);
        let key = restricted.then_some(self.parties.key.as_str());
        let push = match socket.register(&channel, key).await? {
            Ok(push) => push,
            Err(503) => return Ok(()),
            Err(other) => {
                let what = format!("a register was answered by {other}");
                return self.desk.check(Err(Failure::new(what)));
            }
        };
        let found = {
            let mut oracle = self.desk.oracle();
            let mine = |one: &&mut Subscription| one.agent == self.number && one.gone == Gone::No;
            let found = oracle.subscriptions.iter_mut().find(mine).map(|one| {
                one.gone = Gone::Asked;
                one.path.clone()
            });
            let new = Subscription { agent: self.number, path: channel, push, restricted, gone: Gone::No };
            oracle.subscriptions.push(new);
            found
        };
        let Some(channel) = found else { return Ok(()) };
        let unregister = json!({"messageType": "unregister", "channelID": channel, "code": 200});
        let reply = socket.ask(&unregister).await?;
        let mut oracle = self.desk.oracle();
        let moment = oracle.tick();
        if reply.get("status").and_then(Value::as_u64) == Some(200)
            && let Some(one) = oracle.subscriptions.iter_mut().find(|one| one.path == channel)
        {
            one.gone = Gone::Since(moment);
            oracle.figures.unsubscribed += 1;
        }
        Ok(())
    }
}

/// A name for a subscription of this agent; `number` has 48 bits.
pub(super) fn channel_id(agent: usize, number: u64) -> String {
    format!("{agent:08x}-0000-4000-8000-{number:012x}")
}

fn text<'a>(frame: &'a Value, member: &str) -> &'a str {
    frame.get(member).and_then(Value::as_str).unwrap_or_default()
}
