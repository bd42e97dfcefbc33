//! What a plugin may take: time, memory, bytes of an answer; and the meter that a store consults before it grows.

use std::thread;
use std::time::Duration;
use wasmtime::ResourceLimiter;

/// The largest component that is compiled, in bytes.
pub(crate) const COMPONENT_BYTES: usize = 256 << 20;
/// The largest model, ONNX file or other blob that a plugin may return, in bytes.
pub(crate) const BLOB_BYTES: usize = 512 << 20;
/// What a plugin may return beyond the numbers that were asked for: a description, the text of an error, a line for the log.
pub(crate) const TEXT_BYTES: usize = 1 << 20;
/// For `describe` and `check`, which are to look at a page of text.
pub(crate) const SMALL: Limits = Limits { timeout: Duration::from_secs(2), memory: 256 << 20 };

/// What one call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time, in steps of [`HostSettings::tick`](crate::HostSettings::tick). A single instruction that fills memory is not
    /// interrupted, so a call may end a few tens of milliseconds late.
    pub timeout: Duration,
    /// Bytes of all linear memories and tables of the instance together, counted from its start and not from the call. Never more than
    /// [`HostSettings::memory`](crate::HostSettings::memory).
    pub memory: usize,
}

/// What a pool of instances may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most instances at a time, at least one. Each answers one call at a time.
    pub instances: usize,
    /// For the start of an instance with its model, and for `export-onnx`.
    pub load: Limits,
    /// For `score` and `explain`.
    pub call: Limits,
    /// An instance is replaced after so many calls, which bounds what a slow leak can gather.
    pub calls_per_instance: u64,
    /// How long a call waits for an instance while all are busy.
    pub waiting: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            instances: 2 * thread::available_parallelism().map_or(1, usize::from),
            load: Limits { timeout: Duration::from_secs(10), memory: 512 << 20 },
            call: Limits { timeout: Duration::from_millis(100), memory: 512 << 20 },
            calls_per_instance: 1_000_000,
            waiting: Duration::from_millis(50),
        }
    }
}

/// Counts the bytes of a store's memories and tables, and refuses to let their sum pass the limit.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) limit: usize,
    /// Whether growth was refused since the call began. The plugin's trap is then a matter of memory.
    pub(crate) refused: bool,
    pub(crate) used: usize,
    last_growth: usize,
}

impl Meter {
    fn grow(&mut self, growth: usize) -> bool {
        match self.used.checked_add(growth).filter(|used| *used <= self.limit) {
            Some(used) => {
                self.used = used;
                self.last_growth = growth;
                true
            }
            None => {
                self.refused = true;
                false
            }
        }
    }

    fn grow_failed(&mut self) {
        self.used -= self.last_growth;
        self.last_growth = 0;
        self.refused = true;
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.grow_failed();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current).saturating_mul(size_of::<usize>())))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.grow_failed();
        Ok(())
    }

    fn instances(&self) -> usize {
        crate::engine::CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        crate::engine::TABLES as usize
    }

    fn memories(&self) -> usize {
        crate::engine::MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut meter = Meter { limit: 1000, ..Meter::default() };
        assert!(meter.memory_growing(0, 600, None).unwrap());
        assert!(meter.table_growing(0, 50, None).unwrap());
        assert!(!meter.refused);
        assert!(!meter.table_growing(50, 51, None).unwrap());
        assert!(meter.refused);
    }

    #[test]
    fn growth_that_failed_is_given_back() {
        let mut meter = Meter { limit: 1000, ..Meter::default() };
        assert!(meter.memory_growing(0, 900, None).unwrap());
        meter.memory_grow_failed(wasmtime::Error::msg("no memory")).unwrap();
        assert!(meter.refused);
        assert!(meter.memory_growing(0, 1000, None).unwrap());
    }
}
