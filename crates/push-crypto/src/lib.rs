#![no_std]
#![forbid(unsafe_code)]
//! crypto

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "aws-lc")]
pub mod aws_lc;
mod base64;
mod key;
pub mod message;
pub mod provider;
mod receiver;
pub mod record;
pub mod rustcrypto;
mod secret;
mod subscription;
mod time;
mod url;

pub use key::{KeyError, KeyPair, PUBLIC_KEY_LEN, PublicKey, SECRET_KEY_LEN, SecretKey};
pub use provider::Provider;
pub use receiver::{
    AUTH_SECRET_LEN, AuthSecret, AuthSecretLength, RECEIVER_KEYS_LEN, ReceiverKeys, ReceiverKeysError,
};
pub use secret::{SecretBytes, SecretString};
pub use subscription::{MAX_SUBSCRIPTION_LEN, Subscription, SubscriptionError};
pub use time::{UnixMillis, UnixTime};
pub use url::{MAX_URL_LEN, Origin, PushUrl, UrlError};
