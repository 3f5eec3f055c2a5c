//! The HTTP mapping, through its public surface. Each test names the requirements it is about.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of a test may fail it; clippy's exemption ends at the test functions themselves"
)]

#[path = "wire/admission.rs"]
mod admission;
#[path = "wire/clients.rs"]
mod clients;
#[path = "wire/draft_vapid.rs"]
mod draft_vapid;
#[path = "wire/error_body.rs"]
mod error_body;
#[path = "wire/event_reader.rs"]
mod event_reader;
#[path = "wire/event_stream.rs"]
mod event_stream;
#[path = "wire/fields.rs"]
mod fields;
#[path = "wire/fixture.rs"]
mod fixture;
#[path = "wire/forwarded.rs"]
mod forwarded;
#[path = "wire/monitor.rs"]
mod monitor;
#[path = "wire/operator.rs"]
mod operator;
#[path = "wire/promises.rs"]
mod promises;
#[path = "wire/properties.rs"]
mod properties;
#[path = "wire/responses.rs"]
mod responses;
#[path = "wire/rotation.rs"]
mod rotation;
#[path = "wire/send.rs"]
mod send;
#[path = "wire/subscribe.rs"]
mod subscribe;
#[path = "wire/values.rs"]
mod values;
#[path = "wire/vapid.rs"]
mod vapid;
