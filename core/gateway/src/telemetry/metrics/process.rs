//! What the system knows of this process, by the names that Prometheus' clients give it. It is read when it is asked for; where there is no
//! `/proc`, nothing is shown.

use super::registering::Registries;
use crate::telemetry::names;
use prometheus_client::metrics::gauge::Gauge;

/// The metrics of the process.
#[derive(Debug)]
pub(super) struct OfProcess {
    workers: Gauge,
    #[cfg(target_os = "linux")]
    linux: linux::OfLinux,
}

impl OfProcess {
    pub(super) fn new(registries: &mut Registries) -> Self {
        Self {
            workers: registries.gauge(&names::WORKER_THREADS),
            #[cfg(target_os = "linux")]
            linux: linux::OfLinux::new(registries),
        }
    }

    /// Notes how many threads answer clients.
    pub(super) fn workers(&self, threads: usize) {
        self.workers.set(threads as i64);
    }

    pub(super) fn show(&self) {
        #[cfg(target_os = "linux")]
        self.linux.show();
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Gauge, Registries, names};
    use procfs::process::{LimitValue, Process};
    use procfs::{ProcResult, boot_time_secs, page_size, ticks_per_second};
    use prometheus_client::metrics::counter::Counter;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Debug)]
    pub(super) struct OfLinux {
        processors: Counter<f64, AtomicU64>,
        resident: Gauge,
        virtual_memory: Gauge,
        open_files: Gauge,
        most_files: Gauge,
        start: Gauge<f64, AtomicU64>,
        threads: Gauge,
    }

    impl OfLinux {
        pub(super) fn new(registries: &mut Registries) -> Self {
            Self {
                processors: registries.float_counter(&names::PROCESS_CPU),
                resident: registries.gauge(&names::PROCESS_RESIDENT),
                virtual_memory: registries.gauge(&names::PROCESS_VIRTUAL),
                open_files: registries.gauge(&names::PROCESS_OPEN_FDS),
                most_files: registries.gauge(&names::PROCESS_MAX_FDS),
                start: registries.float_gauge(&names::PROCESS_START),
                threads: registries.gauge(&names::PROCESS_THREADS),
            }
        }

        pub(super) fn show(&self) {
            if let Err(error) = self.read() {
                tracing::debug!(%error, "what the system knows of this process cannot be read");
            }
        }

        fn read(&self) -> ProcResult<()> {
            let process = Process::myself()?;
            let status = process.stat()?;
            let seconds = |ticks: u64| ticks as f64 / ticks_per_second() as f64;
            self.processors.inner().store(seconds(status.utime + status.stime).to_bits(), Ordering::Relaxed);
            self.resident.set((status.rss * page_size()) as i64);
            self.virtual_memory.set(status.vsize as i64);
            self.threads.set(status.num_threads);
            self.start.set(boot_time_secs()? as f64 + seconds(status.starttime));
            self.open_files.set(process.fd_count()? as i64);
            self.most_files.set(match process.limits()?.max_open_files.soft_limit {
                LimitValue::Value(most) => most as i64,
                LimitValue::Unlimited => i64::MAX,
            });
            Ok(())
        }
    }
}
