//! One run: all servers are up together, and asked in turns, so that what the machine does besides happens to all of them.

use crate::connection::{Address, Connection, NAME, connector, request};
use crate::fault::{Doing, Fault};
use crate::load::{Load, Measured};
use crate::pinning::Pinning;
use crate::report::{Report, Round};
use crate::server::{self, Server};
use crate::target::{Credential, TARGETS, Target, Which, read_rows};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsConnector;

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
    let servers = Servers::start(settings, pinning).await?;
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
    let (requests, duration) = (target.requests(rows, servers.credential(target)), Duration::from_secs_f64(seconds));
    let awake = servers.pinning == Pinning::Apart;
    let process = servers.get(target.server).process();
    let load = Load { address: servers.address(target.server), process, requests, connections, duration, awake };
    Load { duration: WARM_UP, ..load.clone() }.measure().await?;
    load.measure().await
}

/// Whether each of the requests is answered as it must be.
async fn check(servers: &Servers, target: &Target, rows: &[String]) -> Result<(), Fault> {
    let mut connection = Connection::open(&servers.address(target.server)).await?;
    for request in target.requests(rows, servers.credential(target)).iter() {
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
    silent: Server,
    traced: Server,
    traced_all: Server,
    encrypted: Server,
    connector: TlsConnector,
    /// What follows `Authorization: `.
    key: String,
    token: String,
    encrypted_token: String,
}

impl Servers {
    async fn start(settings: &Settings, pinning: Pinning) -> Result<Self, Fault> {
        let beside = |ending: &str| settings.data_directory.with_added_extension(ending);
        let mut bare = pinning.server(std::env::current_exe().doing("cannot find myself")?);
        bare.arg("bare");
        let bare = Server::start(bare, beside("bare.log"))?;
        let text = std::fs::read_to_string(&settings.config).doing(settings.config.display())?;
        let (certificate, connector) = certificate(&settings.data_directory)?;
        let written = |name: &str, more: &str| {
            let path = beside(name);
            std::fs::write(&path, format!("{text}\n{more}")).doing(path.display()).map(|()| path)
        };
        let configured = |name: &str, more: &str| written(name, &format!("decisions: {{durability: none}}\n{more}"));
        let quiet = written("quiet.yaml", "metrics: {count: false}\n")?;
        let unstored = configured("unstored.yaml", "")?;
        let silent = configured("silent.yaml", "metrics: {count: false}\n")?;
        // The bare server plays the collector: what it does with spans is no part of what is measured.
        let traces = |share: f64| {
            format!("tracing: {{endpoint: 'http://{}', protocol: http, sampling: {{share: {share}}}, queue: 65536}}\n", bare.data)
        };
        let traced = configured("traced.yaml", &traces(0.01))?;
        let traced_all = configured("traced-all.yaml", &traces(1.0))?;
        let encrypted = configured("encrypted.yaml", &format!("listen: {{tls: {certificate}}}\n"))?;
        let plugins = std::path::absolute("plugins/dist").doing("plugins/dist")?;
        let key = key(settings)?;
        let synod = |name: &str, access: &str, config: &Path| {
            let folder = beside(name);
            server::copy(&settings.data_directory, &folder)?;
            let mut command = pinning.server(&settings.synod);
            command.env("SYNOD_PLUGINS__DIRECTORY", &plugins);
            // Some targets come with a credential and some without.
            command.arg("serve").arg("--dev").env("SYNOD_IDENTITY__ANONYMOUS", r#"["admin"]"#);
            command.arg("--config").arg(config).arg("--data-directory").arg(&folder);
            command.env("SYNOD_LISTEN__DATA", "127.0.0.1:0").env("SYNOD_LISTEN__ADMINISTRATION", "127.0.0.1:0");
            command.env("SYNOD_LOGGING__ACCESS", access);
            Server::start(command, beside(&format!("{name}.log")))
        };
        let quiet = synod("quiet", "false", &quiet)?;
        let unstored = synod("unstored", "true", &unstored)?;
        let silent = synod("silent", "false", &silent)?;
        let traced = synod("traced", "true", &traced)?;
        let traced_all = synod("traced-all", "true", &traced_all)?;
        let encrypted = synod("encrypted", "true", &encrypted)?;
        let token = token(unstored.data.into(), &key).await?;
        let encrypted_token = self::token(Address { socket: encrypted.data, tls: Some(connector.clone()) }, &key).await?;
        let synod = synod("synod", "true", &settings.config)?;
        Ok(Self {
            pinning,
            bare,
            synod,
            quiet,
            unstored,
            silent,
            traced,
            traced_all,
            encrypted,
            connector,
            key: format!("Bearer {key}"),
            token,
            encrypted_token,
        })
    }

    fn get(&self, which: Which) -> &Server {
        match which {
            Which::Bare => &self.bare,
            Which::Synod => &self.synod,
            Which::Quiet => &self.quiet,
            Which::Unstored => &self.unstored,
            Which::Silent => &self.silent,
            Which::Traced => &self.traced,
            Which::TracedAll => &self.traced_all,
            Which::Encrypted => &self.encrypted,
        }
    }

    fn address(&self, which: Which) -> Address {
        Address { socket: self.get(which).data, tls: (which == Which::Encrypted).then(|| self.connector.clone()) }
    }

    fn credential(&self, target: &Target) -> Option<&str> {
        match target.credential {
            Credential::None => None,
            Credential::Key => Some(&self.key),
            // Each installation signs with its own key.
            Credential::Token if target.server == Which::Encrypted => Some(&self.encrypted_token),
            Credential::Token => Some(&self.token),
        }
    }

    /// A verdict that some detectors abstained from is answered with 200 too, but was cheaper. Synod's own count tells.
    async fn check_abstentions(&self) -> Result<(), Fault> {
        for server in [&self.synod, &self.unstored, &self.traced, &self.traced_all, &self.encrypted] {
            let address = server.administration.ok_or("synod does not say where its metrics are")?;
            let mut connection = Connection::open(&address.into()).await?;
            let metrics = connection.ask(&request("/metrics", None, None)).await?;
            let text = String::from_utf8_lossy(metrics.body);
            let abstained = |line: &&str| line.starts_with("synod_detector_abstentions_total{") && !line.ends_with(" 0");
            if let Some(line) = text.lines().find(abstained) {
                return Err(format!("a detector abstained while it was measured: {line}").into());
            }
            if !text.lines().any(|line| line.starts_with("synod_detector_votes_total")) {
                return Err("the metrics do not count votes, so nothing is known of abstentions".into());
            }
        }
        Ok(())
    }
}

/// A certificate for this run: the text of the configuration that names it, and what believes it.
fn certificate(folder: &Path) -> Result<(String, TlsConnector), Fault> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).doing("a certificate")?;
    let [pem, key] = ["certificate.pem", "key.pem"].map(|name| folder.with_added_extension(name));
    std::fs::write(&pem, made.cert.pem()).doing(pem.display())?;
    std::fs::write(&key, made.signing_key.serialize_pem()).doing(key.display())?;
    let [pem, key] = [&pem, &key].map(|path| std::path::absolute(path).map(|path| path.display().to_string()));
    let text = format!("{{certificate: \"{}\", key: \"{}\"}}", pem.doing("a path")?, key.doing("a path")?);
    Ok((text, connector(made.cert.der().clone())?))
}

/// An API key of the installation, made before its folder is copied.
fn key(settings: &Settings) -> Result<String, Fault> {
    let mut command = Command::new(&settings.synod);
    command.args(["keys", "create", "--role", "scorer", "--config"]).arg(&settings.config);
    let output = command.arg("--data-directory").arg(&settings.data_directory).output().doing("synod keys create")?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(format!("synod keys create: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// What follows `Authorization: ` with an access token for the key.
async fn token(address: Address, key: &str) -> Result<String, Fault> {
    let id = key.split('_').nth(1).ok_or("a key has an id")?;
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{key}")));
    let form = "grant_type=client_credentials";
    let request = String::from_utf8(request("/oauth2/token", Some(form), Some(&basic))).doing("a request")?;
    let request = request.replacen("application/json", "application/x-www-form-urlencoded", 1);
    let mut connection = Connection::open(&address).await?;
    let answer = connection.ask(request.as_bytes()).await?;
    let told: Value = serde_json::from_slice(answer.body).doing("/oauth2/token")?;
    let token = told["access_token"].as_str().ok_or_else(|| format!("no token: {told}"))?;
    Ok(format!("Bearer {token}"))
}
