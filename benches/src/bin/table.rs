//! Every layer beside its peers and limits, interleaved: `cargo run --release --bin table -- [--rounds N] [layer ..]`
//!
//! In each round every party does about the same time's worth of work, in an order that rotates, so that whatever else
//! the machine is busy with hits all of them alike. The figure is the median of the rounds; the ratio is the median of
//! the rounds' ratios to the first party.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use push_benches::{Clock, Contest, Kind, Party, Spent};

/// How long one party works in one round.
const SLICE: Duration = Duration::from_millis(25);
/// Rounds, unless the command line says otherwise. Odd, so that a median is a figure that was seen.
const ROUNDS: usize = 41;

const LAYERS: &[(&str, &[fn() -> Contest])] = &[
    ("encrypt", push_benches::encrypt::CONTESTS),
    ("decrypt", push_benches::decrypt::CONTESTS),
    ("vapid", push_benches::vapid::CONTESTS),
    ("core_turn", push_benches::core_turn::CONTESTS),
    ("store_commit", push_benches::store_commit::CONTESTS),
];

fn main() -> ExitCode {
    let mut rounds = ROUNDS;
    let mut wanted = Vec::new();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--rounds" {
            match arguments.next().and_then(|number| number.parse().ok()) {
                Some(number @ 1..) => rounds = number,
                _ => return usage(),
            }
        } else if LAYERS.iter().any(|(layer, _)| *layer == argument) {
            wanted.push(argument);
        } else {
            return usage();
        }
    }
    println!(
        "{:<52} {:>6} {:>10} {:>21} {:>8} {:>9}",
        "", "clock", "µs/message", "quartiles", "ratio", "others µs"
    );
    for (layer, contests) in LAYERS {
        if wanted.is_empty() || wanted.iter().any(|name| name == layer) {
            contests.iter().for_each(|contest| hold(contest(), rounds));
        }
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    let layers: Vec<_> = LAYERS.iter().map(|(layer, _)| *layer).collect();
    eprintln!("usage: table [--rounds N] [{}]", layers.join("|"));
    ExitCode::from(2)
}

fn hold(contest: Contest, rounds: usize) {
    let Contest { name, clock, messages, mut parties } = contest;
    let steps: Vec<_> = parties.iter_mut().map(calibrate).collect();
    let mut figures = vec![Vec::new(); parties.len()];
    let mut others = vec![Vec::new(); parties.len()];
    for round in 0..rounds {
        for turn in 0..parties.len() {
            let index = (round + turn) % parties.len();
            let spent = parties[index].run(steps[index]);
            let messages = (steps[index] * messages) as f64;
            figures[index].push(micros(spent.by(clock)) / messages);
            others[index].push(micros(spent.others) / messages);
        }
    }
    println!("{name}");
    for (index, Party { name, kind, .. }) in parties.iter().enumerate() {
        let ratios = figures[index].iter().zip(&figures[0]).map(|(figure, first)| figure / first);
        let [_, ratio, _] = quartiles(ratios.collect());
        let [low, median, high] = quartiles(figures[index].clone());
        let [_, other, _] = quartiles(others[index].clone());
        let role = match kind {
            Kind::Ours => "",
            Kind::Peer => "peer: ",
            Kind::Limit => "limit: ",
        };
        let clock = match clock {
            Clock::Cpu => "CPU",
            Clock::Wall => "wall",
        };
        let other = if other > 0.05 { format!("{other:.2}") } else { String::from("-") };
        println!(
            "  {:<50} {clock:>6} {median:>10.2} {:>21} {ratio:>7.2}x {other:>9}",
            format!("{role}{name}"),
            format!("{low:.2} .. {high:.2}"),
        );
    }
}

/// How many steps take about a slice. Warms up on the way.
fn calibrate(party: &mut Party) -> u64 {
    let mut steps = 1;
    loop {
        let Spent { wall, .. } = party.run(steps);
        if wall >= SLICE / 2 {
            let wanted = steps as f64 * SLICE.as_secs_f64() / wall.as_secs_f64();
            return (wanted as u64).max(1);
        }
        steps *= 2;
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn quartiles(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| figures[(figures.len() - 1) * quarter / 4])
}
