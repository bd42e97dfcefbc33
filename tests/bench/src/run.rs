//! One run: all servers are up together, and asked in turns, so that what the machine does besides happens to all of them.

use crate::connection::{Connection, request};
use crate::fault::{Doing, Fault};
use crate::load::{Load, Measured};
use crate::pinning::Pinning;
use crate::report::{Report, Round};
use crate::server::{self, Server};
use crate::target::{TARGETS, Target, Which, read_rows};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Asked for before each measurement: processor, connections and sandboxes are warm when it begins.
const WARM_UP: Duration = Duration::from_millis(200);

/// `synod-bench run`
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// The binary `synod`.
    #[arg(long, value_name = "FILE")]
    synod: PathBuf,
    /// Its configuration, that of three fields and three detectors.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where its models are. Each server gets a copy of its own: FOLDER.synod and FOLDER.quiet, which are replaced if they are there.
    #[arg(long, value_name = "FOLDER")]
    data_directory: PathBuf,
    /// Rows to ask about, as JSON lines.
    #[arg(long, value_name = "FILE")]
    rows: PathBuf,
    /// How long each target is asked in each round.
    #[arg(long, value_name = "NUMBER", default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// How often each target is asked.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many connections ask at a time; several numbers are measured one after the other.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,16", value_parser = connections)]
    connections: Vec<usize>,
    /// Only targets whose name contains this. The bare ones are always asked.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Let the system choose the processors.
    #[arg(long)]
    no_pinning: bool,
    /// Write all rounds to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().map_err(|_| "write a number of seconds")?;
    if (0.1..=600.0).contains(&seconds) { Ok(seconds) } else { Err("0.1 to 600 seconds are possible".into()) }
}

fn connections(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|connections| (1..=1000).contains(connections)).ok_or_else(|| "1 to 1000 connections are possible".into())
}

/// Measures and prints.
///
/// # Errors
/// When a server does not start, a request fails, or an answer is wrong.
pub(crate) fn run(settings: &Settings) -> Result<(), Fault> {
    let pinning = if settings.no_pinning { Pinning::None } else { Pinning::take() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().doing("cannot start")?;
    let measured = runtime.block_on(async {
        // Servers are ended when the measurement is dropped, by a signal too.
        let mut terminated = signal(SignalKind::terminate()).doing("cannot wait for signals")?;
        tokio::select! {
            measured = measure(settings, pinning) => measured,
            _ = terminated.recv() => Err(Fault::from("terminated")),
            _ = tokio::signal::ctrl_c() => Err(Fault::from("interrupted")),
        }
    })?;
    println!("{measured}");
    match &settings.json {
        Some(path) => std::fs::write(path, measured.json()?).doing(path.display()),
        None => Ok(()),
    }
}

async fn measure(settings: &Settings, pinning: Pinning) -> Result<Report, Fault> {
    let rows = read_rows(&settings.rows)?;
    let servers = Servers::start(settings, pinning)?;
    let asked: Vec<&Target> =
        TARGETS.iter().filter(|target| target.server == Which::Bare || target.name.contains(&settings.only)).collect();
    for target in &asked {
        check(&servers, target, &rows).await.map_err(|fault| format!("{}: {fault}", target.name))?;
    }
    let mut report = Report::new(pinning, settings.seconds, settings.rounds);
    for round in 1..=settings.rounds {
        eprintln!("round {round} of {}", settings.rounds);
        for connections in &settings.connections {
            for target in &asked {
                let measured = one(&servers, target, &rows, *connections, settings.seconds).await;
                let measured = measured.map_err(|fault| format!("{}, {connections} connections: {fault}", target.name))?;
                report.add(target, *connections, Round::new(&measured));
            }
        }
    }
    servers.check_abstentions().await?;
    Ok(report)
}

async fn one(servers: &Servers, target: &Target, rows: &[String], connections: usize, seconds: f64) -> Result<Measured, Fault> {
    let server = servers.get(target.server);
    let (requests, duration) = (target.requests(rows), Duration::from_secs_f64(seconds));
    let awake = servers.pinning == Pinning::Apart;
    let load = Load { address: server.data, process: server.process(), requests, connections, duration, awake };
    Load { duration: WARM_UP, ..load.clone() }.measure().await?;
    load.measure().await
}

/// Whether each of the requests is answered as it must be.
async fn check(servers: &Servers, target: &Target, rows: &[String]) -> Result<(), Fault> {
    let mut connection = Connection::open(servers.get(target.server).data).await?;
    for request in target.requests(rows).iter() {
        let answer = connection.ask(request).await?;
        let text = String::from_utf8_lossy(answer.body);
        if answer.status != 200 {
            return Err(format!("answered with {}: {text}", answer.status).into());
        }
        // What is no JSON is null, in which every check finds something to be missing.
        let wrong = (target.wrong)(&serde_json::from_slice(answer.body).unwrap_or_default());
        if let Some(wrong) = wrong {
            return Err(format!("the answer is wrong: {wrong}: {text}").into());
        }
    }
    Ok(())
}

struct Servers {
    pinning: Pinning,
    bare: Server,
    synod: Server,
    quiet: Server,
    unstored: Server,
}

impl Servers {
    fn start(settings: &Settings, pinning: Pinning) -> Result<Self, Fault> {
        let beside = |ending: &str| settings.data_directory.with_added_extension(ending);
        let mut bare = pinning.server(std::env::current_exe().doing("cannot find myself")?);
        bare.arg("bare");
        let bare = Server::start(bare, beside("bare.log"))?;
        let unstored = beside("unstored.yaml");
        let text = std::fs::read_to_string(&settings.config).doing(settings.config.display())?;
        std::fs::write(&unstored, text + "\ndecisions: {durability: none}\n").doing(unstored.display())?;
        let plugins = std::path::absolute("plugins/dist").doing("plugins/dist")?;
        let synod = |name: &str, access: &str, config: &std::path::Path| {
            let folder = beside(name);
            server::copy(&settings.data_directory, &folder)?;
            let mut command = pinning.server(&settings.synod);
            command.env("SYNOD_PLUGINS__DIRECTORY", &plugins);
            command.arg("serve").arg("--config").arg(config).arg("--data-directory").arg(&folder);
            command.env("SYNOD_LISTEN__DATA", "127.0.0.1:0").env("SYNOD_LISTEN__ADMINISTRATION", "127.0.0.1:0");
            command.env("SYNOD_LOGGING__ACCESS", access);
            Server::start(command, beside(&format!("{name}.log")))
        };
        let quiet = synod("quiet", "false", &settings.config)?;
        let unstored = synod("unstored", "true", &unstored)?;
        Ok(Self { pinning, bare, synod: synod("synod", "true", &settings.config)?, quiet, unstored })
    }

    fn get(&self, which: Which) -> &Server {
        match which {
            Which::Bare => &self.bare,
            Which::Synod => &self.synod,
            Which::Quiet => &self.quiet,
            Which::Unstored => &self.unstored,
        }
    }

    /// A verdict that some detectors abstained from is answered with 200 too, but was cheaper. Synod's own count tells.
    async fn check_abstentions(&self) -> Result<(), Fault> {
        for server in [&self.synod, &self.quiet, &self.unstored] {
            let address = server.administration.ok_or("synod does not say where its metrics are")?;
            let mut connection = Connection::open(address).await?;
            let metrics = connection.ask(&request("/metrics", None)).await?;
            let text = String::from_utf8_lossy(metrics.body);
            if let Some(line) = text.lines().find(|line| line.starts_with("synod_detector_abstentions_total")) {
                return Err(format!("a detector abstained while it was measured: {line}").into());
            }
            if !text.lines().any(|line| line.starts_with("synod_detector_votes_total")) {
                return Err("the metrics do not count votes, so nothing is known of abstentions".into());
            }
        }
        Ok(())
    }
}
