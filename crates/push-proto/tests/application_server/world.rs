//! A sender, a clock, and the words of push services.

use std::time::Duration;

use push_proto::{
    Content, Mono, Now, PushUrl, Seed, Ttl, UnixTime, Urgency,
    application_server::{
        Config, Input, Job, JobId, Output, PushedReceipt, ReceiptOutcome, Request, Response, Send, Sender,
        Verdict,
    },
    user_agent::{Failure, Reference, RequestId, RetryAfter},
};

/// A public key: the generator of P-256.
pub(crate) const GENERATOR: &str =
    "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";

pub(crate) struct World {
    pub(crate) sender: Sender,
    pub(crate) now: Now,
    /// When the machine wants to be polled again.
    pub(crate) deadline: Option<Mono>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(unsigned())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::seeded(config, 5)
    }

    pub(crate) fn seeded(config: Config, seed: u8) -> Self {
        let now = Now { mono: Mono::ZERO, wall: UnixTime::from_secs(1_700_000_000) };
        Self { sender: Sender::new(config, &Seed::from_octets([seed; 32])), now, deadline: None }
    }

    /// One input, and all that comes of it.
    pub(crate) fn give(&mut self, input: Input) -> Vec<Output> {
        self.sender.handle(input, self.now);
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        for _ in 0..10_000 {
            match self.sender.poll(self.now) {
                Output::Wait(deadline, _) => {
                    assert!(
                        deadline.is_none_or(|at| at > self.now.mono),
                        "a deadline is to come: no busy loop"
                    );
                    self.deadline = deadline;
                    return outputs;
                }
                output => outputs.push(output),
            }
        }
        panic!("the machine does not come to rest");
    }

    /// Time passes, without a tick.
    pub(crate) fn pass(&mut self, wait: Duration) {
        self.now.mono = self.now.mono.after(wait);
        self.now.wall = self.now.wall.saturating_add_secs(wait.as_secs());
    }

    pub(crate) fn advance(&mut self, wait: Duration) -> Vec<Output> {
        self.pass(wait);
        self.give(Input::Tick)
    }

    /// Jumps to the next deadline; how far that was.
    pub(crate) fn wake(&mut self) -> (Duration, Vec<Output>) {
        let wait = self.deadline.expect("something is planned").since(self.now.mono);
        (wait, self.advance(wait))
    }

    pub(crate) fn send(&mut self, job: Job) -> Vec<Output> {
        self.give(Input::Send(Box::new(job)))
    }

    pub(crate) fn reply(&mut self, id: RequestId, response: Response) -> Vec<Output> {
        self.give(Input::Reply(id, Ok(response)))
    }

    pub(crate) fn fail(&mut self, id: RequestId, failure: Failure) -> Vec<Output> {
        self.give(Input::Reply(id, Err(failure)))
    }

    /// A job that is in flight.
    pub(crate) fn sending(&mut self, job: Job) -> RequestId {
        sent(&self.send(job)).0
    }

    pub(crate) fn receipt(&mut self, monitor: RequestId, message: &str, status: u16) -> Vec<Output> {
        self.give(Input::Receipt(monitor, PushedReceipt { message: Reference::new(message), status }))
    }
}

/// What is told is taken to the letter, so that tests can name times.
pub(crate) fn unsigned() -> Config {
    let mut config = Config::default();
    config.limits.spread = Duration::ZERO;
    config
}

pub(crate) fn url(text: &str) -> PushUrl {
    PushUrl::parse(text).unwrap()
}

/// A job with a TTL of ten minutes to a push resource of its own.
pub(crate) fn job(id: u64) -> Job {
    Job {
        id: JobId(id),
        to: url(&format!("https://push.example.net/p/{id}")),
        key: None,
        ttl: Ttl::from_secs(600),
        urgency: Urgency::Normal,
        topic: None,
        content: Content { body: vec![1, 2, 3].into(), ..Content::default() },
        receipt: false,
    }
}

/// The same at another push service.
pub(crate) fn job_at(id: u64, host: &str) -> Job {
    Job { to: url(&format!("https://{host}/p/{id}")), ..job(id) }
}

pub(crate) fn job_with_receipt(id: u64) -> Job {
    Job { receipt: true, ..job(id) }
}

pub(crate) fn status(status: u16) -> Response {
    Response { status, ..Response::default() }
}

pub(crate) fn retry_after(code: u16, secs: u64) -> Response {
    Response { retry_after: Some(RetryAfter::In(Duration::from_secs(secs))), ..status(code) }
}

/// 201 for message `number`.
pub(crate) fn created(number: u64) -> Response {
    Response { location: Some(Reference::new(&format!("/m/{number}"))), ..status(201) }
}

/// 202 for message `number` with that receipt subscription.
pub(crate) fn promised(number: u64, receipts: &str) -> Response {
    Response { status: 202, receipt: Some(Reference::new(receipts)), ..created(number) }
}

pub(crate) fn requests(outputs: &[Output]) -> Vec<(RequestId, Request)> {
    let request = |output: &Output| match output {
        Output::Request(id, request) => Some((*id, request.clone())),
        _ => None,
    };
    outputs.iter().filter_map(request).collect()
}

pub(crate) fn sends(outputs: &[Output]) -> Vec<(RequestId, Send)> {
    let send = |(id, request)| match request {
        Request::Send(send) => Some((id, send)),
        Request::MonitorReceipts { .. } | Request::EndReceipts { .. } => None,
    };
    requests(outputs).into_iter().filter_map(send).collect()
}

/// The only send.
pub(crate) fn sent(outputs: &[Output]) -> (RequestId, Send) {
    let mut sends = sends(outputs);
    assert_eq!(sends.len(), 1, "{outputs:?}");
    sends.remove(0)
}

pub(crate) fn monitors(outputs: &[Output]) -> Vec<(RequestId, PushUrl)> {
    let monitor = |(id, request)| match request {
        Request::MonitorReceipts { url, .. } => Some((id, url)),
        Request::Send(_) | Request::EndReceipts { .. } => None,
    };
    requests(outputs).into_iter().filter_map(monitor).collect()
}

/// Receipt subscriptions that are being ended.
pub(crate) fn endings(outputs: &[Output]) -> Vec<(RequestId, PushUrl)> {
    let ending = |(id, request)| match request {
        Request::EndReceipts { url } => Some((id, url)),
        Request::Send(_) | Request::MonitorReceipts { .. } => None,
    };
    requests(outputs).into_iter().filter_map(ending).collect()
}

pub(crate) fn verdicts(outputs: &[Output]) -> Vec<(u64, Verdict)> {
    let verdict = |output: &Output| match output {
        Output::Verdict(job, verdict) => Some((job.0, verdict.clone())),
        _ => None,
    };
    outputs.iter().filter_map(verdict).collect()
}

/// The only verdict.
pub(crate) fn verdict(outputs: &[Output]) -> Verdict {
    let mut verdicts = verdicts(outputs);
    assert_eq!(verdicts.len(), 1, "{outputs:?}");
    verdicts.remove(0).1
}

pub(crate) fn outcomes(outputs: &[Output]) -> Vec<(u64, ReceiptOutcome)> {
    let outcome = |output: &Output| match output {
        Output::Receipt(receipt) => Some((receipt.job.0, receipt.outcome)),
        _ => None,
    };
    outputs.iter().filter_map(outcome).collect()
}

pub(crate) fn signatures(outputs: &[Output]) -> Vec<(String, UnixTime)> {
    let sign = |output: &Output| match output {
        Output::Sign(audience, expires) => Some((audience.origin.as_str().to_owned(), *expires)),
        _ => None,
    };
    outputs.iter().filter_map(sign).collect()
}
