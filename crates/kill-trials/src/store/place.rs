//! Where a store lies: in a folder, or on a disk that can lose power.

use std::path::PathBuf;

use super::Trial;
use crate::{Failure, Result, random::Random};

/// One store's.
pub(super) struct Place {
    folder: PathBuf,
    pub(super) store: PathBuf,
    #[cfg(target_os = "linux")]
    power: Option<Power>,
}

#[cfg(target_os = "linux")]
struct Power {
    disk: std::sync::Arc<std::sync::Mutex<crate::power::Disk>>,
    mounted: Option<crate::power::Mounted>,
}

impl Place {
    /// An empty one.
    pub(super) fn new(trial: &Trial, number: u64) -> Result<Self> {
        let folder = trial.folder.join(number.to_string());
        let made = std::fs::create_dir_all(&folder);
        made.map_err(|error| Failure::new(format!("cannot make {}: {error}", folder.display())))?;
        let store = folder.join("store");
        #[cfg(target_os = "linux")]
        {
            let power = trial.power_loss.then(|| Power { disk: std::sync::Arc::default(), mounted: None });
            Ok(Self { folder, store, power })
        }
        #[cfg(not(target_os = "linux"))]
        if trial.power_loss {
            Err(Failure::new("loss of power is simulated by FUSE, so on Linux only"))
        } else {
            Ok(Self { folder, store })
        }
    }

    /// It is ready for a process.
    pub(super) fn enter(&mut self) -> Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(power) = &mut self.power
            && power.mounted.is_none()
        {
            power.mounted = Some(crate::power::Mounted::new(power.disk.clone(), &self.folder)?);
        }
        Ok(())
    }

    /// The process was killed. If the power went with it, it comes back.
    pub(super) fn crash(&mut self, random: &mut Random) -> Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(power) = &mut self.power {
            // What the kernel remembers of it goes as well.
            power.mounted = None;
            let loss = if random.once_in(2) { crate::power::Loss::All } else { crate::power::Loss::Some };
            power.disk.lock().unwrap_or_else(std::sync::PoisonError::into_inner).lose(loss, random);
            self.enter()?;
        }
        Ok(())
    }

    /// The store is not needed any more; how much was lost there.
    pub(super) fn leave(&mut self) -> Result<u64> {
        #[cfg(target_os = "linux")]
        if let Some(power) = &mut self.power {
            power.mounted = None;
            return Ok(power.disk.lock().unwrap_or_else(std::sync::PoisonError::into_inner).lost());
        }
        let removed = std::fs::remove_dir_all(&self.folder);
        removed.map_err(|error| Failure::new(format!("cannot remove {}: {error}", self.folder.display())))?;
        Ok(0)
    }
}
