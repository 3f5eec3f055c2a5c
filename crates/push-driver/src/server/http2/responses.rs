//! Responses of a connection, held from when h2 has them until their last octet is written to the transport.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{Response as HttpResponse, header};

use crate::{
    io::Seen,
    server::{
        census::Kind,
        memory::{Account, Unread},
    },
};

/// What the requests of one connection share with it.
#[derive(Clone)]
pub(super) struct Responses {
    seen: Rc<RefCell<Seen>>,
    account: Rc<Account>,
    /// By stream; of those that have a body.
    unread: Rc<RefCell<BTreeMap<u32, Unread>>>,
}

impl Responses {
    /// None yet, on the connection whose frames are seen there.
    pub(super) fn new(seen: &Rc<RefCell<Seen>>, account: &Rc<Account>) -> Self {
        Self { seen: Rc::clone(seen), account: Rc::clone(account), unread: Rc::default() }
    }

    /// Hands a response to h2. A peer that has gone needs none.
    pub(super) fn send(&self, respond: &mut SendResponse<Bytes>, response: HttpResponse<Bytes>) {
        let (head, body) = response.into_parts();
        let Ok(mut stream) = respond.send_response(HttpResponse::from_parts(head, ()), body.is_empty())
        else {
            return;
        };
        if body.is_empty() {
            return;
        }
        let (id, octets) = (stream.stream_id().as_u32(), body.len());
        if stream.send_data(body, true).is_ok() && self.seen.borrow_mut().await_end(id) {
            let unread = self.account.hold(Kind::Response, octets);
            self.unread.borrow_mut().insert(id, unread);
        }
    }

    /// Hands the response to a HEAD request to h2: without a body, but saying how long that would be
    /// (RFC 9110 §9.3.2).
    pub(super) fn send_head(respond: &mut SendResponse<Bytes>, response: HttpResponse<Bytes>) {
        let (mut head, body) = response.into_parts();
        if !body.is_empty() {
            head.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| body.len().into());
        }
        drop(respond.send_response(HttpResponse::from_parts(head, ()), true));
    }

    /// Lets go of what was written.
    pub(super) fn observe(&self, seen: &mut Seen) {
        while let Some(stream) = seen.ended.pop_front() {
            self.unread.borrow_mut().remove(&stream);
        }
    }
}
