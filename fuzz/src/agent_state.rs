use push_proto::{
    Mono, Now, PushUrl, Seed, UnixTime,
    user_agent::{Config, Input, Output, State, StateError, UserAgent},
};

/// The saved state of a user agent, its checksum put right: what is read and written again is the same, and a machine
/// that starts from it comes to rest.
pub fn agent_state(octets: &[u8]) {
    if let Ok(state) = State::from_bytes(octets) {
        written_and_read(&state);
    }
    let (version, body) = octets.split_first().map_or((2, octets), |(first, rest)| (*first, rest));
    let mut framed = b"WPUA".to_vec();
    framed.push(version);
    framed.extend_from_slice(&crc32c::crc32c(body).to_be_bytes());
    framed.extend_from_slice(body);
    match State::from_bytes(&framed) {
        Ok(state) => {
            written_and_read(&state);
            started(state);
        }
        Err(StateError::Version(other)) => assert!(other == version && !(1..=2).contains(&other)),
        Err(error) => assert_eq!(error, StateError::Damaged),
    }
}

fn written_and_read(state: &State) {
    assert_eq!(State::from_bytes(&state.to_bytes()).as_ref(), Ok(state));
}

fn started(state: State) {
    let config = Config::new(PushUrl::parse("https://push.example.net/subscribe").unwrap());
    let mut agent = UserAgent::new(config, state, &Seed::from_octets([3; 32]));
    let now = Now { mono: Mono::ZERO, wall: UnixTime::from_secs(1_700_000_000) };
    agent.handle(Input::Tick, now);
    for _ in 0..100_000 {
        match agent.poll(now) {
            Output::Wait(deadline, _) => {
                assert!(deadline.is_none_or(|at| at > now.mono), "a deadline is to come");
                return;
            }
            Output::Save(state) => written_and_read(&state),
            Output::Connection(..)
            | Output::Request(..)
            | Output::Cancel(_)
            | Output::Deliver(_)
            | Output::Event(_) => {}
        }
    }
    panic!("the machine does not come to rest");
}
