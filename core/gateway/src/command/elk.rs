//! `synod elk`: sets Elasticsearch and Kibana up, checks them, and sends again what was refused.

use super::{CommandError, chain};
use crate::cli::{Elk, ElkInstall, ElkRedeliver, ElkServer, ElkVerify, ElkWishes};
use crate::elk::{Credential, ElkError, Kibana, Mode, Outcome, Redelivered, Redelivery, Server, Setup, Step, Wishes};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::io::{self, Write as _};
use tokio::runtime::Builder;

pub(super) fn run(arguments: &Elk) -> Result<(), CommandError> {
    match arguments {
        Elk::Install(arguments) => install(arguments),
        Elk::Verify(arguments) => verify(arguments),
        Elk::Redeliver(arguments) => redeliver(arguments),
    }
}

impl From<ElkError> for CommandError {
    fn from(error: ElkError) -> Self {
        let text = chain(&error);
        match error {
            ElkError::Url { .. } | ElkError::Roots(_) | ElkError::Secret(_) | ElkError::NoApiKey { .. } => Self::Usage(text),
            _ => Self::Failed(text),
        }
    }
}

fn install(arguments: &ElkInstall) -> Result<(), CommandError> {
    let mode = if arguments.dry_run { Mode::DryRun } else { Mode::Install };
    let walked = walk(&arguments.server, &arguments.wishes, mode, arguments.rotate, arguments.rollover)?;
    if walked.stale {
        say(&"\ndata streams that are there have what was made or changed from their next index on; --rollover begins one");
    }
    match walked.lacking.as_slice() {
        [] => Ok(()),
        lacking => Err(CommandError::Failed(format!("this server does not have all that was asked for: {}", lacking.join("; ")))),
    }
}

fn verify(arguments: &ElkVerify) -> Result<(), CommandError> {
    let walked = walk(&arguments.server, &arguments.wishes, Mode::Verify, false, false)?;
    let wrong = walked.steps.iter().filter(|step| matches!(step.outcome, Outcome::Missing | Outcome::Differs(_))).count();
    match wrong {
        0 => Ok(()),
        1 => Err(CommandError::Data("one thing is not as it should be: `synod elk install` mends it".into())),
        _ => Err(CommandError::Data(format!("{wrong} things are not as they should be: `synod elk install` mends them"))),
    }
}

/// What came of walking the list of what should be there.
struct Walked {
    /// What became of each thing.
    steps: Vec<Step>,
    /// What was asked for and is not to be had there.
    lacking: Vec<String>,
    /// Whether there are indices that are older than a change.
    stale: bool,
}

/// Walks the list of what should be there.
fn walk(server: &ElkServer, wishes: &ElkWishes, mode: Mode, rotate: bool, rollover: bool) -> Result<Walked, CommandError> {
    let credential = credential(server)?;
    let synod = wishes.synod_url.as_deref();
    let kibana = wishes.kibana_url.as_ref().map(|url| Kibana::new(url, server.root.as_deref(), credential.clone(), synod)).transpose()?;
    let called = Server::new(&server.url, server.root.as_deref(), &credential)?;
    let setup = Setup {
        server: &called,
        kibana: kibana.as_ref(),
        key_file: wishes.key_file.as_deref(),
        wishes: &wished(server, wishes),
        mode,
        rotate,
        rollover,
        tell: &say,
        steps: RefCell::default(),
        stale: Cell::default(),
    };
    let lacking = wait(setup.run())?;
    Ok(Walked { steps: setup.steps.take(), lacking, stale: setup.stale.get() })
}

/// Writes a line. That nobody reads on is no reason to stop half-way.
fn say(line: &dyn Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn wished(server: &ElkServer, wishes: &ElkWishes) -> Wishes {
    Wishes {
        namespace: server.namespace.clone(),
        retention: wishes.retention.iter().cloned().collect::<BTreeMap<_, _>>(),
        ilm: wishes.ilm,
        failure_store: wishes.failure_store,
        pipeline: wishes.pipeline,
    }
}

fn credential(server: &ElkServer) -> Result<Credential, ElkError> {
    match (&server.user, &server.password_file, &server.api_key_file) {
        (Some(user), Some(file), _) => Credential::user(user, file),
        (_, _, Some(file)) => Credential::api_key(file),
        _ => Ok(Credential::None),
    }
}

fn redeliver(arguments: &ElkRedeliver) -> Result<(), CommandError> {
    let server = Server::new(&arguments.server.url, arguments.server.root.as_deref(), &credential(&arguments.server)?)?;
    let redelivery = Redelivery {
        namespace: arguments.server.namespace.clone(),
        kind: arguments.kind.clone(),
        since: arguments.since.clone(),
        dry_run: arguments.dry_run,
    };
    let mut done = Redelivered::default();
    let result = wait(redelivery.run(&server, &mut done));
    // What was done is told also where it could not be ended.
    tell(&done, arguments.dry_run);
    result?;
    match done.left() {
        0 => Ok(()),
        left if arguments.dry_run => Err(CommandError::Data(format!("{left} could not be sent"))),
        left => Err(CommandError::Data(format!("{left} are left among the dead letters"))),
    }
}

fn tell(done: &Redelivered, dry_run: bool) {
    say(&format_args!("{} dead letters were read", done.read));
    for ((stream, kind), count) in &done.kinds {
        say(&format_args!("  {count} of {stream}: {kind}"));
    }
    if !dry_run {
        say(&format_args!("{} were taken", done.taken));
        say(&format_args!("{} were there already", done.there));
    }
    for (why, count) in &done.refused {
        say(&format_args!("{count} are refused again: {why}"));
    }
    for (why, count) in &done.unfit {
        say(&format_args!("{count} cannot be sent: {why}"));
    }
}

fn wait<T>(work: impl Future<Output = Result<T, ElkError>>) -> Result<T, CommandError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandError::Failed(format!("the system refuses a runtime: {error}")))?;
    Ok(runtime.block_on(work)?)
}
