//! Every layer beside its peers and limits, interleaved: `cargo run --release --bin table -- [--rounds N] [--contest TEXT] [--party TEXT] [layer ..]`
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
/// A name and its contests.
type Layer = (&'static str, &'static [fn() -> Contest]);

/// Rounds, unless the command line says otherwise. Odd, so that a median is a figure that was seen.
const ROUNDS: usize = 41;

const LAYERS: &[Layer] = &[
    ("encrypt", push_benches::encrypt::CONTESTS),
    ("decrypt", push_benches::decrypt::CONTESTS),
    ("vapid", push_benches::vapid::CONTESTS),
    ("second_message", push_benches::second_message::CONTESTS),
    ("records", push_benches::records::CONTESTS),
    ("core_turn", push_benches::core_turn::CONTESTS),
    ("store_commit", push_benches::store_commit::CONTESTS),
    ("post_to_push", push_benches::post_to_push::CONTESTS),
    ("send", push_benches::send::CONTESTS),
];

fn main() -> ExitCode {
    push_benches::send::serve_if_asked();
    let Some(wanted) = Wanted::read() else {
        let layers: Vec<_> = LAYERS.iter().map(|(layer, _)| *layer).collect();
        eprintln!("usage: table [--rounds N] [--contest TEXT] [--party TEXT] [{}] ..", layers.join("|"));
        return ExitCode::from(2);
    };
    println!(
        "{:<52} {:>6} {:>10} {:>21} {:>8} {:>9} {:>9}",
        "", "clock", "µs/message", "quartiles", "ratio", "wall", "others"
    );
    for (layer, contests) in LAYERS {
        if wanted.layers.is_empty() || wanted.layers.iter().any(|name| name == layer) {
            contests.iter().for_each(|contest| hold(contest(), &wanted));
        }
    }
    ExitCode::SUCCESS
}

/// What the command line asks for.
struct Wanted {
    rounds: usize,
    /// Only contests and parties whose names hold this, for a profiler.
    contest: String,
    party: String,
    /// All, if there are none.
    layers: Vec<String>,
}

impl Wanted {
    fn read() -> Option<Self> {
        let (contest, party) = Default::default();
        let mut wanted = Self { rounds: ROUNDS, contest, party, layers: Vec::new() };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rounds" => {
                    wanted.rounds = arguments.next()?.parse().ok().filter(|rounds| *rounds > 0)?;
                }
                "--contest" => wanted.contest = arguments.next()?,
                "--party" => wanted.party = arguments.next()?,
                layer if LAYERS.iter().any(|(name, _)| *name == layer) => wanted.layers.push(argument),
                _ => return None,
            }
        }
        Some(wanted)
    }
}

fn hold(contest: Contest, wanted: &Wanted) {
    let Contest { name, clock, messages, mut parties } = contest;
    parties.retain(|party| party.name.contains(&wanted.party));
    if parties.is_empty() || !name.contains(&wanted.contest) {
        return;
    }
    let steps: Vec<_> = parties.iter_mut().map(calibrate).collect();
    let mut spent = vec![Vec::new(); parties.len()];
    for round in 0..wanted.rounds {
        for turn in 0..parties.len() {
            let index = (round + turn) % parties.len();
            spent[index].push(parties[index].run(steps[index]));
        }
    }
    println!("{name}");
    let figures = |index: usize, read: &dyn Fn(&Spent) -> Duration| -> Vec<f64> {
        let messages = (steps[index] * messages) as f64;
        spent[index].iter().map(|spent| read(spent).as_secs_f64() * 1e6 / messages).collect()
    };
    let firsts = figures(0, &|spent| spent.by(clock));
    for (index, Party { name, kind, .. }) in parties.iter().enumerate() {
        let decisive = figures(index, &|spent| spent.by(clock));
        let ratios = decisive.iter().zip(&firsts).map(|(figure, first)| figure / first).collect();
        let [low, median, high] = quartiles(decisive);
        let [_, ratio, _] = quartiles(ratios);
        let [_, wall, _] = quartiles(figures(index, &|spent| spent.wall));
        let [_, others, _] = quartiles(figures(index, &|spent| spent.others));
        println!(
            "  {:<50} {:>6} {median:>10.2} {:>21} {ratio:>7.2}x {wall:>9.2} {others:>9.2}",
            format!("{}{name}", role(*kind)),
            match clock {
                Clock::Cpu => "CPU",
                Clock::Server => "server",
                Clock::Wall => "wall",
            },
            format!("{low:.2} .. {high:.2}"),
        );
    }
}

const fn role(kind: Kind) -> &'static str {
    match kind {
        Kind::Ours => "",
        Kind::Peer => "peer: ",
        Kind::Limit => "limit: ",
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

fn quartiles(mut figures: Vec<f64>) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| figures[(figures.len() - 1) * quarter / 4])
}
