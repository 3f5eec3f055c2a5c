//! Uses every part of push-crypto where there is no std. See Cargo.toml.

#![no_std]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicUsize, Ordering};

use push_crypto::capability::{Capability, Keyring};
use push_crypto::declarative::Notification;
use push_crypto::message::{Padding, decrypt, encrypt};
use push_crypto::provider::{RandomError, SecureRandom};
use push_crypto::vapid::{Credentials, Signer, SigningKey, verify};
use push_crypto::{Origin, ReceiverKeys, Subscription, UnixTime, aesgcm, rustcrypto};

/// 1 if everything works.
#[unsafe(no_mangle)]
pub extern "C" fn push_crypto_works() -> i32 {
    i32::from(works().is_some())
}

fn works() -> Option<()> {
    let provider = rustcrypto::provider_with(&Counter);
    let keys = ReceiverKeys::generate(&provider).ok()?;
    let body = encrypt(&provider, &keys.recipient(), b"hello", Padding::Full).ok()?;
    let plaintext = decrypt(&provider, &keys, &body).ok()?;

    let old = aesgcm::encrypt(&provider, &keys.recipient(), b"hello", Padding::Full).ok()?;
    let fields = aesgcm::Fields::parse(old.fields.encryption(), old.fields.crypto_key()).ok()?;
    let old_plaintext = aesgcm::decrypt(&provider, &keys, &fields, &old.body).ok()?;

    let notification = Notification::builder("Title", "https://example.com/").build().ok()?;
    let shown = Notification::parse(notification.to_json().as_bytes(), None)? == notification;

    let signer = Signer::new(SigningKey::generate(&provider).ok()?, "mailto:push@example.com".parse().ok());
    let origin: Origin = "https://push.example.net".parse().ok()?;
    let token = signer.sign(&provider, &origin, UnixTime::from_secs(60), UnixTime::from_secs(0)).ok()?;
    let credentials = Credentials::parse(token.authorization()).ok()?;
    let verified = verify(&provider, &credentials, &origin, UnixTime::from_secs(30), 0).ok()?;
    SigningKey::from_pem(signer.signing_key().to_pem().ok()?.expose()).ok()?;

    let keyring = Keyring::generate(&provider).ok()?;
    let set = Capability::Set { agent: [1; 16] };
    let opened = keyring.open(&keyring.seal(&set)).ok()?;
    let refused = "{}".parse::<Subscription>().is_err();
    let read = plaintext == b"hello" && old_plaintext == b"hello" && shown;
    (read && verified.key() == signer.public_key() && opened == set && refused).then_some(())
}

/// Not random at all.
struct Counter;

static NEXT: AtomicUsize = AtomicUsize::new(1);

impl SecureRandom for Counter {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        out.iter_mut().for_each(|octet| *octet = NEXT.fetch_add(7, Ordering::Relaxed) as u8);
        Ok(())
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Hands out each octet of an arena once.
struct Bump {
    arena: UnsafeCell<[u8; ARENA_LEN]>,
    used: AtomicUsize,
}

const ARENA_LEN: usize = 1 << 20;

// SAFETY: the arena is reached through `alloc` only, which gives no octet to two callers.
unsafe impl Sync for Bump {}

// SAFETY: `used` only grows, by one atomic step per call, so every block is within the arena, aligned, and nobody else's.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.arena.get().cast::<u8>();
        let room = layout.size() + layout.align();
        let offset = self.used.fetch_add(room, Ordering::Relaxed);
        if offset.saturating_add(room) > ARENA_LEN {
            return core::ptr::null_mut();
        }
        let padding = start.wrapping_add(offset).align_offset(layout.align());
        start.wrapping_add(offset + padding)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { arena: UnsafeCell::new([0; ARENA_LEN]), used: AtomicUsize::new(0) };
