//! Synod as a shipper: `synod serve` with nothing to do but to ship what its log has.

use crate::fault::{Doing, Fault};
use crate::pinning::Pinning;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// How it ships.
pub(crate) struct Shipping<'a> {
    pub(crate) synod: &'a Path,
    /// Its configuration without sinks …
    pub(crate) config: &'a Path,
    /// … and with them: it is written here.
    pub(crate) written: &'a Path,
    pub(crate) data_directory: &'a Path,
    pub(crate) compression: &'a str,
    /// Where in the log it begins.
    pub(crate) begin: &'a str,
}

impl Shipping<'_> {
    /// A server that ships to this one. It has forgotten how far it came before.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(crate) fn command(&self, pinning: Pinning, server: SocketAddr) -> Result<Command, Fault> {
        let positions = self.data_directory.join("sinks");
        if positions.exists() {
            fs::remove_dir_all(&positions).doing(positions.display())?;
        }
        let text = fs::read_to_string(self.config).doing(self.config.display())?;
        let (compression, begin) = (self.compression, self.begin);
        let sink = format!(
            "{text}\nsinks: {{elasticsearch: {{nodes: ['http://{server}'], streams: [decision], compression: {compression}, begin: {begin}}}}}\n"
        );
        fs::write(self.written, sink).doing(self.written.display())?;
        let mut command = pinning.server(self.synod);
        command.arg("serve").arg("--dev").arg("--config").arg(self.written).arg("--data-directory").arg(self.data_directory);
        command.env("SYNOD_PLUGINS__DIRECTORY", std::path::absolute("plugins/dist").doing("plugins/dist")?);
        command.env("SYNOD_LISTEN__DATA", "127.0.0.1:0").env("SYNOD_LISTEN__ADMINISTRATION", "127.0.0.1:0");
        Ok(command)
    }
}
