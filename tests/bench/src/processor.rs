//! The CPU time of a process, read from Linux's `/proc`.

use crate::fault::{Doing, Fault};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Linux shows times to programs in hundredths of a second, whatever it counts in itself.
const TICK: Duration = Duration::from_millis(10);

/// What a process has taken so far, in user and kernel mode.
#[derive(Debug)]
pub(crate) struct Spent {
    /// Of each thread that is alive.
    threads: BTreeMap<u32, Duration>,
    /// Of all threads, those that have ended among them, but coarsely.
    coarse: Duration,
}

impl Spent {
    /// Reads the times of a process.
    pub(crate) fn by(process: u32) -> Result<Self, Fault> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).doing("cannot read a server's CPU time")?;
        let coarse = coarse(&stat).ok_or("cannot read a server's CPU time: /proc/PID/stat is not as expected")?;
        // Without schedstat in the kernel there are no threads here, and the coarse time counts.
        let tasks = fs::read_dir(format!("/proc/{process}/task")).doing("cannot read a server's threads")?;
        let threads = tasks.flatten().filter_map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            Some((task.file_name().to_str()?.parse().ok()?, Duration::from_nanos(text.split(' ').next()?.parse().ok()?)))
        });
        Ok(Self { threads: threads.collect(), coarse })
    }

    /// What was taken since the process began, in hundredths of a second.
    pub(crate) fn since_start(&self) -> Duration {
        self.coarse
    }

    /// What was taken since an earlier reading.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let ended = before.threads.keys().any(|thread| !self.threads.contains_key(thread));
        if ended || self.threads.is_empty() {
            return self.coarse.saturating_sub(before.coarse);
        }
        let spent = |(thread, now): (&u32, &Duration)| now.saturating_sub(before.threads.get(thread).copied().unwrap_or_default());
        self.threads.iter().map(spent).sum()
    }
}

/// The most memory that a process has had at a time, in bytes.
pub(crate) fn peak_memory(process: u32) -> Result<u64, Fault> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).doing("cannot read a process's memory")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(peak.ok_or("cannot read a process's memory: /proc/PID/status is not as expected")? * 1024)
}

/// The 14th and 15th field of `/proc/PID/stat`. The second is the program's name in parentheses, with whatever it has in it.
fn coarse(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(11);
    let (user, kernel): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(TICK * user + TICK * kernel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn the_name_of_a_program_does_not_confuse() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 25 5 0 0 20 0 3 0 1 1 1";
        assert_eq!(coarse(stat), Some(Duration::from_millis(300)));
    }

    #[test]
    fn work_takes_time() {
        let before = Spent::by(std::process::id()).unwrap();
        let begun = Instant::now();
        while Spent::by(std::process::id()).unwrap().since(&before) < Duration::from_millis(20) {
            assert!(begun.elapsed() < Duration::from_secs(20), "no time was counted");
        }
    }

    #[test]
    fn a_thread_that_ended_leaves_the_coarse_time() {
        let spent = |threads: &[(u32, u64)], coarse| Spent {
            threads: threads.iter().map(|(thread, nanoseconds)| (*thread, Duration::from_nanos(*nanoseconds))).collect(),
            coarse: Duration::from_millis(coarse),
        };
        let before = spent(&[(1, 100), (2, 5)], 10);
        assert_eq!(spent(&[(1, 150), (2, 5), (3, 7)], 10).since(&before), Duration::from_nanos(57));
        assert_eq!(spent(&[(1, 150)], 40).since(&before), Duration::from_millis(30));
    }
}
