//! The routes of clients in one process, for callers that a test makes up: what they are told, and what not.

mod tenants;
mod withheld;

use super::{Live, Service, clients};
use crate::access::{Caller, Permission, Roles};
use crate::breaking::Breakers;
use crate::cli::Cli;
use crate::command;
use crate::config::{self, Config};
use crate::engine::{Engine, live_models};
use crate::identity::Identity;
use crate::ledger::{Ledger, Opened};
use crate::loading::Models;
use axum::Extension;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use clap::Parser as _;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use synod_host::{Host, HostSettings};
use synod_identity::Principal;
use synod_store::{Archive, DataDirectory, Registry, Rollouts, Secret};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// `second` abstains where the device is missing.
const CONFIGURATION: &str = "version: 1
plugins: {directory: GUESTS}
schema:
  id: event
  entity: account
  time: at
  fields:
    event: {type: text, length: 64}
    account: {type: text}
    at: {type: time, format: epoch_seconds}
    amount: {type: number, minimum: 0}
    device: {type: text, required: false}
features:
  amount: {expression: log1p(amount)}
  day_count: {history: count, over: 1d}
  mean_amount: {history: mean, of: amount, over: 30d, missing: 50}
  of_device: {history: sum, of: amount, per: device, over: 30d, missing: 0}
  new_device: {history: first_seen, of: device, over: 30d}
detectors:
  first:
    plugin: template
    features: [amount, day_count, mean_amount, of_device]
    contamination: 0.2
    limits: {timeout: 20s, load_timeout: 60s}
  second:
    plugin: template
    features: [amount, new_device]
    contamination: 0.2
    limits: {timeout: 20s, load_timeout: 60s}
consensus: {minimum_votes: 1, contamination: 0.2}
outcomes: {block: 0.9}
links: {kibana: 'https://kibana.example/s/fraud'}
routes:
  - path: /past
    serves: decisions
    answer: {event: id, odd: anomalous, points: score, line: threshold, do: outcome, why: reasons}
  - path: /past/{entity}
    serves: decisions
    answer: {event: id}
  - path: /predict
    serves: verdict
    answer: {odd: anomalous, points: score, line: threshold, do: outcome, why: reasons}
  - path: /vote/{detector}
    serves: detector
    answer: {odd: anomalous, points: score, raw: raw_score, line: threshold, name: detector}
";

/// The configuration with another detector, which sees more of the past than was recorded.
fn candidate() -> String {
    let renamed = CONFIGURATION.replace("  first:\n", "  other:\n").replace("day_count", "week_count").replace("over: 1d", "over: 7d");
    // Nearly everything is to come out otherwise, so that its score is told.
    renamed.replace("outcomes: {block: 0.9}", "outcomes: {review: 0.01, block: 0.02}")
}

/// An installation that is fitted once for all tests: its folder has `synod.yaml`, `candidate.yaml` and the data directory `data`.
struct Fitted {
    folder: TempDir,
    config: Config,
    engine: Arc<Engine>,
}

fn fitted() -> &'static Fitted {
    static FITTED: OnceLock<Fitted> = OnceLock::new();
    FITTED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let guests = std::env::var_os("SYNOD_GUESTS_DIST").map_or_else(|| root().join("tests/guests/dist"), PathBuf::from);
        let template = guests.join("template.wasm");
        assert!(
            template.is_file(),
            "{} is not there: `SYNOD_PLUGINS_DIST=$PWD/tests/guests/dist scripts/plugins.sh template`",
            template.display()
        );
        std::fs::write(folder.path().join("rows.csv"), training()).unwrap();
        for (name, text) in [("candidate.yaml", candidate()), ("synod.yaml", CONFIGURATION.to_owned())] {
            std::fs::write(folder.path().join(name), text.replace("GUESTS", &guests.display().to_string())).unwrap();
            let rows = folder.path().join("rows.csv");
            run(folder.path(), name, &folder.path().join("data"), "fit", &["--data", rows.to_str().unwrap()]);
        }
        let config = config::load(&folder.path().join("synod.yaml")).unwrap();
        let directory = DataDirectory::open(folder.path().join("data")).unwrap();
        // Made now, so that all copies have the same: digests of the same values can be compared.
        Secret::open(&directory).unwrap();
        let archive = Archive::open(&directory).unwrap();
        archive.put(&std::fs::read(template).unwrap()).unwrap();
        archive.put(config.source.as_bytes()).unwrap();
        let host = Host::new(&HostSettings::default(), None).unwrap();
        let models = live_models(&config, &Registry::open(&directory).unwrap()).unwrap();
        let engine = Arc::new(Engine::assemble(&config, &host, models).unwrap());
        Fitted { folder, config, engine }
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A command of the binary.
fn run(folder: &Path, configuration: &str, data: &Path, name: &str, arguments: &[&str]) {
    let (configuration, data) = (folder.join(configuration), data.display().to_string());
    let common = ["--config", configuration.to_str().unwrap(), "--data-directory", &data];
    let words = ["synod"].into_iter().chain(name.split(' ')).chain(common).chain(arguments.iter().copied());
    command::run(Cli::parse_from(words)).unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn training() -> String {
    let mut text = "event,account,at,amount,device\n".to_owned();
    for row in 0..400_u64 {
        let amount = 20.0 + (row * 7919 % 997) as f64 / 10.0;
        let _ = writeln!(text, "T{row},A{},{},{amount},D{}", row % 7, 1_600_000_000 + row * 4001, row * row % 11);
    }
    text
}

/// A service on a data directory of its own, with the secret and the models of all.
struct Bench {
    folder: TempDir,
    service: Arc<Service>,
    opened: Opened,
    runtime: Runtime,
}

/// What a caller was told.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&fitted().folder.path().join("data"), &folder.path().join("data"));
        let (service, opened) = open(folder.path());
        Self { folder, service, opened, runtime: Runtime::new().unwrap() }
    }

    /// Ends and begins again. Without a snapshot the histories are folded from the log.
    fn restarted(self, with_snapshot: bool) -> Self {
        let Self { folder, service, opened, runtime } = self;
        drop(service);
        opened.close();
        if !with_snapshot {
            std::fs::remove_dir_all(folder.path().join("data/history")).unwrap();
        }
        let (service, opened) = open(folder.path());
        Self { folder, service, opened, runtime }
    }

    /// Ends, and leaves the folder.
    fn closed(self) -> TempDir {
        drop(self.service);
        self.opened.close();
        self.folder
    }

    fn call(&self, caller: &Caller, request: Request<Body>) -> Told {
        let router = clients(&self.service).layer(Extension(caller.clone())).with_state(Live::new(Arc::clone(&self.service)));
        self.runtime.block_on(async {
            let Ok(response) = TowerToHyperService::new(router).call(request).await;
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)));
            Told { status: parts.status, headers: parts.headers, body }
        })
    }

    fn get(&self, caller: &Caller, path: &str) -> Told {
        self.call(caller, Request::get(path).body(Body::empty()).unwrap())
    }

    fn post(&self, caller: &Caller, path: &str, body: &Value) -> Told {
        self.call(caller, Request::post(path).body(Body::from(body.to_string())).unwrap())
    }
}

impl Told {
    #[track_caller]
    fn ok(self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.body
    }

    /// Insists on a problem, and answers what the client is told of it.
    #[track_caller]
    fn problem(&self, status: u16, code: &str) -> String {
        assert_eq!((self.status.as_u16(), self.body["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        self.body["detail"].as_str().unwrap().to_owned()
    }
}

fn open(folder: &Path) -> (Arc<Service>, Opened) {
    let Fitted { config, engine, .. } = fitted();
    let directory = DataDirectory::open(folder.join("data")).unwrap();
    let opened = Ledger::open(config, &directory).unwrap();
    let configuration = Archive::open(&directory).unwrap().put(config.source.as_bytes()).unwrap();
    let identity = Identity::open(config, &directory).unwrap();
    let breakers = Arc::new(Breakers::open(config.breaker, &directory).unwrap());
    let (models, _) = Models::new(Registry::open(&directory).unwrap(), Archive::open(&directory).unwrap(), Rollouts::of(&directory));
    let (service, _) =
        Service::new(config.clone(), configuration, Arc::clone(engine), Arc::clone(&opened.ledger), None, breakers, identity, models);
    (service, opened)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// Somebody of a tenant, or of none, who has these permissions.
fn caller(name: &str, tenant: Option<&str>, permissions: &[Permission]) -> Caller {
    let roles = Roles::default().with("theirs", permissions.to_vec()).unwrap();
    let principal = Principal {
        subject: name.to_owned(),
        issuer: "bank".to_owned(),
        tenant: tenant.map(str::to_owned),
        roles: BTreeSet::from(["theirs".to_owned()]),
        scopes: BTreeSet::new(),
        expires: 0,
    };
    Caller::known(principal, &roles)
}

/// Somebody who may do everything.
fn admin(name: &str, tenant: Option<&str>) -> Caller {
    let all: Vec<Permission> = std::iter::once(Permission::Score).chain(Permission::PLAIN).collect();
    caller(name, tenant, &all)
}
