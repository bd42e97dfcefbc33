//! `synod notify`: passes Alertmanager's notifications on until it is told to stop.

use super::CommandError;
use crate::cli::Notify;
use crate::config::load_notify;
use crate::notify::{NotifyError, serve};
use crate::telemetry::logging;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub(super) fn run(arguments: &Notify) -> Result<(), CommandError> {
    let config = load_notify(&arguments.config)?;
    let _guard = logging::start(config.level, logging::Target::Output, None, None);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(NotifyError::System)?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(());
        let mut terminate = signal(SignalKind::terminate()).map_err(NotifyError::System)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(NotifyError::System)?;
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping: notifications under way are sent");
            let _ = stop.send(());
        });
        serve(&config, arguments.dry_run, stopped).await
    })?;
    Ok(())
}
