//! One run: the shippers in turns, round by round, so that what the machine does besides happens to all of them.

use super::report::{BESIDE, Report};
use super::rsyslog;
use super::shipper::{Seen, watch};
use crate::fault::{Doing, Fault};
use crate::pinning::Pinning;
use clap::Args;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// `synod-bench shipping`
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// The documents, one on a line.
    #[arg(long, value_name = "FILE")]
    lines: PathBuf,
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
    let at = Place { pinning, folder: &settings.folder, lines: &settings.lines, documents: count(&settings.lines)? };
    let shippers = at.shippers()?;
    let mut report = Report::new(pinning, at.documents);
    for shipper in &shippers {
        report.begin(shipper.name, (shipper.ship)(&at, 0)?);
    }
    for round in 1..=settings.rounds {
        eprintln!("round {round} of {}", settings.rounds);
        for shipper in &shippers {
            report.add(shipper.name, (shipper.ship)(&at, at.documents)?);
        }
    }
    println!("{report}");
    match &settings.json {
        Some(path) => fs::write(path, report.json()?).doing(path.display()),
        None => Ok(()),
    }
}

/// Where the run takes place.
struct Place<'a> {
    pinning: Pinning,
    folder: &'a Path,
    lines: &'a Path,
    documents: u64,
}

/// One of those that are compared: it ships all documents, or none.
struct Shipper {
    name: &'static str,
    ship: fn(&Place<'_>, u64) -> Result<Seen, Fault>,
}

impl Place<'_> {
    fn shippers(&self) -> Result<Vec<Shipper>, Fault> {
        rsyslog::find().ok_or("there is no rsyslogd: install the packages rsyslog and rsyslog-elasticsearch")?;
        Ok(vec![Shipper { name: BESIDE, ship: by_rsyslog }])
    }
}

fn by_rsyslog(at: &Place<'_>, documents: u64) -> Result<Seen, Fault> {
    let none = at.folder.join("none.jsonl");
    fs::write(&none, "").doing(none.display())?;
    let lines = if documents == 0 { &none } else { at.lines };
    let program = rsyslog::find().unwrap_or("rsyslogd");
    watch(at.folder, BESIDE, documents, |server| rsyslog::command(at.pinning, program, &at.folder.join(BESIDE), lines, server))
}

fn count(lines: &Path) -> Result<u64, Fault> {
    let mut file = BufReader::with_capacity(1 << 20, fs::File::open(lines).doing(lines.display())?);
    let mut documents = 0;
    while file.skip_until(b'\n').doing(lines.display())? > 0 {
        documents += 1;
    }
    if documents == 0 { Err(format!("{} has no documents", lines.display()).into()) } else { Ok(documents) }
}
