//! The suite that every backend passes, one function for each promise of the contract.
//!
//! It is written against `dyn Store` and knows nothing of what is behind it; time and ids are made up, nothing sleeps.
//! [`conformance!`](crate::conformance!) turns it into tests of one backend. A check panics where the backend is wrong.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "a suite of tests: its names say what they check, and panicking is how it reports"
)]

pub mod bench;
pub mod hints;
pub mod idle;
pub mod operations;
pub mod queue;
pub mod receipts;
pub mod room;
pub mod sweep;

pub use bench::{Bench, Draft};

/// Makes a test of each check: `conformance!(|quotas| Box::new(MyStore::new(quotas)))`, in a module of its own.
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::conformance!(@ $make,
            operations: agents_and_subscriptions_are_made_once, subscriptions_are_bounded, kinds_do_not_mix,
                a_put_is_checked_before_it_changes_anything, restricted_subscriptions_admit_their_key_only,
                a_batch_stops_at_the_first_unmet, an_end_happens_once, closing_is_final_at_once,
                answers_come_in_the_order_of_the_commands, closed_stores_fail_commands;
            queue: pages_come_in_acceptance_order, pages_are_bounded_by_entries, pages_are_bounded_by_octets,
                a_taken_slot_is_replaced, topics_are_per_subscription, transient_messages_are_not_stored,
                full_queues_refuse_and_recover, octets_are_counted_exactly, contents_come_back_unchanged,
                reads_find_what_is_live, put_and_end_leave_nothing;
            receipts: each_cause_has_its_outcome, replacement_owes_none, a_late_end_owes_none,
                receipts_need_their_subscription, a_receipt_subscription_may_come_with_the_put,
                a_receipt_whose_subscription_went_is_dropped, receipts_expire_without_receipts,
                full_receipt_queues_refuse_messages, acknowledged_receipts_go;
            room: lesser_messages_make_room, equals_do_not_make_room, giving_up_is_bounded, agents_are_bounded;
            idle: idle_user_agents_end, user_agents_that_do_something_stay, idle_receipt_subscriptions_end,
                ending_idle_agents_is_bounded, a_leap_of_the_clock_ends_nobody_at_once;
            sweep: what_is_due_expires, expiry_is_bounded, closing_ends_in_bounded_steps,
                closing_an_agent_removes_it, a_closed_receipt_subscription_goes, ids_can_be_used_again;
            hints: others_hear_of_changes, ones_own_batches_are_not_hinted, receipts_are_always_hinted,
                sweeps_are_hinted_to_all, offers_reach_others_only, unwatching_ends_hints;
        );
    };
    (@ $make:expr, $($file:ident: $($check:ident),+ $(,)?;)+) => {$($(
        #[test]
        fn $check() {
            $crate::conformance::$file::$check(&|quotas| $make(quotas));
        }
    )+)+};
}
