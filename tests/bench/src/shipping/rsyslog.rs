//! rsyslog with imfile and omelasticsearch, as its documentation recommends for throughput: large batches, a queue in memory. It gets the
//! documents whole, and has nothing to parse or to make.

use crate::fault::{Doing, Fault};
use crate::pinning::Pinning;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian has it; an ordinary user's path may not.
const PLACES: [&str; 2] = ["rsyslogd", "/usr/sbin/rsyslogd"];

/// The program, if it is installed with its output to Elasticsearch.
pub(crate) fn find() -> Option<&'static str> {
    let works = |program: &&str| {
        Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    PLACES.into_iter().find(works)
}

/// rsyslog that reads a file from its beginning. Its folder is made anew, so that it remembers nothing.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn command(pinning: Pinning, program: &str, folder: &Path, lines: &Path, server: SocketAddr) -> Result<Command, Fault> {
    if folder.exists() {
        fs::remove_dir_all(folder).doing(folder.display())?;
    }
    fs::create_dir_all(folder).doing(folder.display())?;
    let [folder, lines] = [folder, lines].map(|path| fs::canonicalize(path).doing(path.display()));
    let (folder, lines): (PathBuf, PathBuf) = (folder?, lines?);
    let path = folder.join("rsyslog.conf");
    fs::write(&path, configuration(&folder, &lines, server)).doing(path.display())?;
    let mut command = pinning.server(program);
    command.arg("-n").arg("-f").arg(&path).arg("-i").arg(folder.join("pid"));
    Ok(command)
}

fn configuration(folder: &Path, lines: &Path, server: SocketAddr) -> String {
    let (folder, lines, port) = (folder.display(), lines.display(), server.port());
    format!(
        r#"global(workDirectory="{folder}" maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="omelasticsearch")
input(type="imfile" file="{lines}" tag="synod" ruleset="ship" addMetadata="off")
template(name="document" type="string" string="%msg%")
template(name="stream" type="string" string="logs-synod.decision-default")
ruleset(name="ship") {{
  action(type="omelasticsearch" server="127.0.0.1" serverport="{port}" template="document" searchIndex="stream" dynSearchIndex="on"
         searchType="" bulkmode="on" writeoperation="create" esversion.major="8" errorFile="{folder}/errors.json"
         queue.type="LinkedList" queue.size="50000" queue.dequeuebatchsize="5000"
         action.resumeretrycount="-1" action.resumeinterval="1")
}}
"#
    )
}
