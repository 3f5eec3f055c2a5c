//! What this process has spent.

use std::{fs, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// Of time: that of everybody, and that of this process on all processors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
}

impl Spent {
    /// Until now, from whenever.
    pub(super) fn read() -> Self {
        let read = |id| Duration::try_from(clock_gettime(id)).unwrap_or_default();
        Self { wall: read(ClockId::Monotonic), cpu: read(ClockId::ProcessCPUTime) }
    }

    /// What was spent since then.
    pub(super) fn since(self, then: Self) -> Self {
        Self { wall: self.wall.saturating_sub(then.wall), cpu: self.cpu.saturating_sub(then.cpu) }
    }
}

/// Memory that this process occupies, in KiB; none where the system does not say.
pub(super) fn resident_kib() -> Option<u64> {
    resident_kib_of("self")
}

/// The same of another.
pub(super) fn resident_kib_of(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
