//! Three clocks around the work that counts.

use std::ops::AddAssign;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Which of the clocks a contest is decided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// CPU time of all threads: what a machine that is busy with other things distorts least.
    Cpu,
    /// CPU time of all threads but the one that asks: what the service itself costs.
    Server,
    /// Elapsed time: for what waits for a disk or for another thread.
    Wall,
}

/// What some work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Elapsed time.
    pub wall: Duration,
    /// CPU time of the whole process.
    pub cpu: Duration,
    /// The part of [`Spent::cpu`] that was not of the measuring thread, which is always the client: servers, writers.
    pub others: Duration,
}

impl Spent {
    /// By this clock.
    #[must_use]
    pub fn by(&self, clock: Clock) -> Duration {
        match clock {
            Clock::Cpu => self.cpu,
            Clock::Server => self.others,
            Clock::Wall => self.wall,
        }
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Self) {
        self.wall += more.wall;
        self.cpu += more.cpu;
        self.others += more.others;
    }
}

/// Adds up what counts, and leaves out what only prepares or tidies up.
#[derive(Debug, Default)]
pub struct Meter(Spent);

impl Meter {
    /// Does work that counts.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (wall, cpu, own) = read();
        let result = work();
        let (wall_after, cpu_after, own_after) = read();
        let (cpu, own) = (cpu_after.saturating_sub(cpu), own_after.saturating_sub(own));
        let wall = wall_after.saturating_sub(wall);
        self.0 += Spent { wall, cpu, others: cpu.saturating_sub(own) };
        result
    }

    /// As [`Meter::time`], for work that says itself how much of the elapsed time counts. All of its CPU time does.
    pub fn time_inside(&mut self, work: impl FnOnce() -> Duration) {
        let before = self.0.wall;
        let counts = self.time(work);
        self.0.wall = before + counts;
    }

    /// What another process has spent on work that counts.
    pub fn add(&mut self, spent: Spent) {
        self.0 += spent;
    }

    /// All that counted.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.0
    }
}

/// Elapsed, of the process, of this thread.
fn read() -> (Duration, Duration, Duration) {
    let read = |id| Duration::try_from(clock_gettime(id)).unwrap_or_default();
    (read(ClockId::Monotonic), read(ClockId::ProcessCPUTime), read(ClockId::ThreadCPUTime))
}
