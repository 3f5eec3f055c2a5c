//! The user agent against a scripted push service, in simulated time. Each test names the requirements it shows.

mod connecting;
mod properties;
mod receiving;
mod subscribing;
mod world;
