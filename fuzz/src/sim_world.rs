/// The whole exchange of `push-sim`, whose shape and steps these octets choose: no promise is broken.
pub fn sim_world(octets: &[u8]) {
    let run = push_sim::explore_octets(octets);
    if let Some(broken) = &run.broken {
        panic!("{broken}, by {:#?}", run.schedule);
    }
}
