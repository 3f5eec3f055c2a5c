//! What a sender keeps of connections that it has no use for.

use std::time::Duration;

use push_driver::{Addresses, ClientTls, Push, SenderOptions};
use push_proto::{Content, PushUrl, Ttl, application_server::Verdict};

use super::support::{Service, Setup, provider, run, yield_now};
use crate::adapter::sender;

/// However long they may rest, no more than so many: endpoints come from the world, and may name any number of hosts.
#[test]
fn no_more_than_so_many_rest_and_the_one_unused_for_longest_goes() {
    run(async {
        let services: Vec<Service> = (0..4).map(|_| Setup::default().start()).collect();
        let tls = ClientTls::nobody().unwrap();
        let mut options =
            SenderOptions { addresses: Addresses::Any, ..SenderOptions::new(provider(), None, tls) };
        options.limits.idle = Duration::from_secs(u64::from(u32::MAX));
        options.limits.idle_connections = 2;
        let sender = sender(options).unwrap();
        let connections = |services: &[Service]| -> Vec<usize> {
            services.iter().map(|service| service.server.census().connections).collect()
        };
        let turns =
            [(0, [1, 0, 0, 0]), (1, [1, 1, 0, 0]), (0, [1, 1, 0, 0]), (2, [1, 0, 1, 0]), (3, [0, 0, 1, 1])];
        for (turn, (number, left)) in turns.into_iter().enumerate() {
            let port = services[number].address.port();
            // What has ended is not asked again.
            let nowhere = format!("http://localhost:{port}/p/{turn}");
            let nowhere = PushUrl::parse_allow_http(&nowhere).unwrap();
            let push = Push::new(Ttl::from_secs(60));
            let sent = sender.send_content(&nowhere, Content::default(), push).await.unwrap();
            assert!(matches!(sent.verdict, Verdict::Gone(_)), "{:?}", sent.verdict);
            while connections(&services) != left {
                yield_now().await;
            }
        }
    });
}
