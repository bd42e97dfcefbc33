//! One run: the shippers in turns, round by round, so that what the machine does besides happens to all of them.

use super::report::{BESIDE, Report};
use super::shipper::{Seen, Watched, watch};
use super::{rsyslog, synod};
use crate::fault::{Doing, Fault};
use crate::pinning::Pinning;
use clap::Args;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// `synod-bench shipping`
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// The binary `synod`.
    #[arg(long, value_name = "FILE")]
    synod: PathBuf,
    /// Its configuration, without sinks.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where its models are, and a log of decisions.
    #[arg(long, value_name = "FOLDER")]
    data_directory: PathBuf,
    /// How many decisions the log has.
    #[arg(long, value_name = "NUMBER", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    documents: u64,
    /// A folder for what the shippers write.
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// How often each ships them.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Let the system choose the processors.
    #[arg(long)]
    no_pinning: bool,
    /// Write all rounds to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Measures and prints.
///
/// # Errors
/// When a shipper does not start, or documents do not come.
pub(crate) fn run(settings: &Settings) -> Result<(), Fault> {
    let pinning = if settings.no_pinning { Pinning::None } else { Pinning::take() };
    fs::create_dir_all(&settings.folder).doing(settings.folder.display())?;
    let lines = settings.folder.join("documents.jsonl");
    let at = Place { pinning, settings, lines: &lines };
    rsyslog::find().ok_or("there is no rsyslogd: install the packages rsyslog and rsyslog-elasticsearch")?;
    eprintln!("the documents, as Synod makes them");
    at.capture()?;
    let mut report = Report::new(pinning, settings.documents);
    for shipper in &SHIPPERS {
        report.begin(shipper.name, (shipper.ship)(&at, 0)?);
    }
    for round in 1..=settings.rounds {
        eprintln!("round {round} of {}", settings.rounds);
        for shipper in &SHIPPERS {
            report.add(shipper.name, (shipper.ship)(&at, settings.documents)?);
        }
    }
    println!("{report}");
    match &settings.json {
        Some(path) => fs::write(path, report.json()?).doing(path.display()),
        None => Ok(()),
    }
}

/// One of those that are compared: it ships all documents, or none.
struct Shipper {
    name: &'static str,
    ship: fn(&Place<'_>, u64) -> Result<Seen, Fault>,
}

/// Those that are compared. rsyslog cannot compress.
const SHIPPERS: [Shipper; 3] = [
    Shipper { name: BESIDE, ship: |place, documents| place.by_rsyslog(documents) },
    Shipper { name: "synod", ship: |at, documents| at.by_synod("synod", "none", documents, None) },
    Shipper { name: "synod, gzip", ship: |at, documents| at.by_synod("synod-gzip", "gzip", documents, None) },
];

/// Where the run takes place.
#[derive(Clone, Copy)]
struct Place<'a> {
    pinning: Pinning,
    settings: &'a Settings,
    /// The documents, one on a line.
    lines: &'a Path,
}

impl Place<'_> {
    /// Writes down the documents that Synod sends: rsyslog gets the same.
    fn capture(&self) -> Result<(), Fault> {
        let documents = self.settings.documents;
        self.by_synod("synod", "none", documents, Some(self.lines))?;
        match count(self.lines)? {
            captured if captured == documents => Ok(()),
            captured => Err(format!("{captured} documents came, and the log has {documents} decisions: make it anew").into()),
        }
    }

    fn by_rsyslog(&self, documents: u64) -> Result<Seen, Fault> {
        let folder = &self.settings.folder;
        let none = folder.join("none.jsonl");
        fs::write(&none, "").doing(none.display())?;
        let lines = if documents == 0 { &none } else { self.lines };
        let program = rsyslog::find().unwrap_or("rsyslogd");
        watch(Watched { name: BESIDE, documents, folder, capture: None }, |server| {
            rsyslog::command(self.pinning, program, &folder.join(BESIDE), lines, server)
        })
    }

    fn by_synod(&self, name: &str, compression: &'static str, documents: u64, capture: Option<&Path>) -> Result<Seen, Fault> {
        let Settings { synod, config, data_directory, folder, .. } = self.settings;
        // Of no documents it begins at the end of the log.
        let begin = if documents == 0 { "latest" } else { "earliest" };
        let shipping = synod::Shipping { synod, config, data_directory, written: &folder.join(format!("{name}.yaml")), compression, begin };
        watch(Watched { name, documents, folder, capture }, |server| shipping.command(self.pinning, server))
    }
}

fn count(lines: &Path) -> Result<u64, Fault> {
    let mut file = BufReader::with_capacity(1 << 20, fs::File::open(lines).doing(lines.display())?);
    let mut documents = 0;
    while file.skip_until(b'\n').doing(lines.display())? > 0 {
        documents += 1;
    }
    Ok(documents)
}
