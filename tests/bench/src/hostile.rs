//! What a detector that misbehaves costs the one beside it: both are asked about the same rows, in turns with a server whose second detector
//! behaves. The honest detector's answers must be the same bits, and its times are compared.

use crate::connection::{Address, Connection, request};
use crate::fault::{Doing, Fault};
use crate::server::Server;
use crate::statistics::{median, quantile};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the second detector does on every row. `honest` is what the others are compared with; as its own line it tells the noise.
const BEHAVIOURS: [&str; 8] = ["honest", "spin", "bomb", "recursion", "panic", "nan", "huge", "endless_log"];
const HONEST: &str = "forest";
const TRAINING: u64 = 2_000;

/// How it is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// The program.
    #[arg(long, value_name = "FILE")]
    synod: PathBuf,
    /// Where the plugins are.
    #[arg(long, value_name = "FOLDER")]
    plugins: PathBuf,
    /// The plugin that misbehaves on demand.
    #[arg(long, value_name = "FILE")]
    hostile: PathBuf,
    /// For files; what is there is replaced.
    #[arg(long, value_name = "FOLDER")]
    work: PathBuf,
    /// Turns of each server.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Rows of a turn.
    #[arg(long, default_value_t = 3_000)]
    rows: u64,
}

/// What the honest detector took for each row of a turn, in microseconds, and what it gave.
struct Turn {
    took: Vec<f64>,
    scores: Vec<u64>,
}

/// Measures, and prints a table.
///
/// # Errors
/// When a server does not start or answers otherwise than it should.
pub(crate) fn run(settings: &Settings) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().doing("no runtime")?;
    let calm = prepare(settings, "honest", "calm")?;
    println!("| behaviour | honest detector, p50 µs | p99 µs | p50, times honest | p99, times honest | answers |");
    println!("| --- | ---: | ---: | ---: | ---: | --- |");
    for behaviour in BEHAVIOURS {
        let hostile = prepare(settings, behaviour, "hostile")?;
        let servers = [serve(settings, &calm)?, serve(settings, &hostile)?];
        let mut turns: [Vec<Turn>; 2] = [Vec::new(), Vec::new()];
        for round in 0..settings.rounds {
            for (server, turns) in servers.iter().zip(&mut turns) {
                turns.push(runtime.block_on(turn(server, settings.rows, round as u64))?);
            }
        }
        print_line(behaviour, &turns);
    }
    Ok(())
}

fn print_line(behaviour: &str, turns: &[Vec<Turn>; 2]) {
    let of =
        |turns: &[Turn], share: f64| -> f64 { median(&turns.iter().filter_map(|turn| quantile(&turn.took, share)).collect::<Vec<_>>()) };
    let [calm, hostile] = turns;
    let same = calm.iter().zip(hostile).all(|(one, other)| one.scores == other.scores);
    let ratio = |share: f64| {
        median(
            &calm
                .iter()
                .zip(hostile)
                .filter_map(|(one, other)| Some(quantile(&other.took, share)? / quantile(&one.took, share)?))
                .collect::<Vec<_>>(),
        )
    };
    println!(
        "| `{behaviour}` | {:.1} | {:.1} | {:.2} | {:.2} | {} |",
        of(hostile, 0.5),
        of(hostile, 0.99),
        ratio(0.5),
        ratio(0.99),
        if same { "the same" } else { "OTHERS" }
    );
}

/// An installation of an honest detector beside one that does this.
fn prepare(settings: &Settings, behaviour: &str, name: &str) -> Result<PathBuf, Fault> {
    let folder = settings.work.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).doing(folder.display())?;
    }
    fs::create_dir_all(&folder).doing(folder.display())?;
    let path = |path: &Path| fs::canonicalize(path).doing(path.display());
    let (forest, hostile) = (path(&settings.plugins.join("isolation-forest.wasm"))?, path(&settings.hostile)?);
    let mut text = "version: 1\nlisten: {data: '127.0.0.1:0', administration: '127.0.0.1:0'}\nidentity: {anonymous: [admin]}\nlogging: {access: false}\nschema:\n  fields:\n".to_owned();
    text += &["a", "b", "c"].map(|name| format!("    {name}: {{type: number}}\n")).concat();
    text += "features:\n";
    text += &["a", "b", "c"].map(|name| format!("  {name}: {{expression: {name}}}\n")).concat();
    write!(
        text,
        "detectors:\n  {HONEST}:\n    plugin: {}\n  other:\n    plugin: {}\n    parameters: {{behaviour: {behaviour}}}\n    limits: {{load_timeout: 2s}}\n\
         consensus: {{minimum_votes: 1}}\nfit: {{split: random}}\n",
        forest.display(),
        hostile.display()
    )
    .doing("the configuration")?;
    fs::write(folder.join("synod.yaml"), text).doing(folder.display())?;
    let mut csv = "a,b,c\n".to_owned();
    for row in 0..TRAINING {
        let number = |step: u64| (row * step % 997) as f64 / 997.0 / 2.0;
        writeln!(csv, "{},{},{}", number(7), number(113), number(31)).doing("the rows")?;
    }
    fs::write(folder.join("rows.csv"), csv).doing(folder.display())?;
    let fitted = Command::new(&settings.synod).current_dir(&folder).args(["fit", "--config", "synod.yaml", "--data", "rows.csv"]).output();
    let fitted = fitted.doing("the fit")?;
    match fitted.status.success() {
        true => Ok(folder),
        false => Err(String::from_utf8_lossy(&fitted.stderr).into_owned().into()),
    }
}

fn serve(settings: &Settings, folder: &Path) -> Result<Server, Fault> {
    let mut command = Command::new(&settings.synod);
    command.current_dir(folder).args(["serve", "--config", "synod.yaml", "--dev"]);
    Server::start(command, folder.join("log"))
}

/// Asks about rows of which each brings out what the second detector does.
async fn turn(server: &Server, rows: u64, round: u64) -> Result<Turn, Fault> {
    let mut connection = Connection::open(&Address::from(server.data)).await?;
    let mut turn = Turn { took: Vec::new(), scores: Vec::new() };
    for row in 0..rows {
        let number = |step: u64| ((row + round) * step % 997) as f64 / 997.0 / 2.0;
        let body = format!(r#"{{"a":{},"b":{},"c":{}}}"#, 0.51 + number(7), number(113), number(31));
        let answer = connection.ask(&request("/v1/score", Some(&body), None)).await?;
        if answer.status != 200 {
            return Err(format!("status {}: {}", answer.status, String::from_utf8_lossy(answer.body)).into());
        }
        let answer: Value = serde_json::from_slice(answer.body).doing("the answer")?;
        let votes = answer["votes"].as_array().ok_or("an answer without votes")?;
        let vote = votes.iter().find(|vote| vote["detector"] == HONEST).ok_or("the honest detector did not vote")?;
        turn.took.push(vote["duration_us"].as_f64().ok_or("a vote without its time")?);
        turn.scores.push(vote["raw_score"].as_f64().ok_or("a vote without a score")?.to_bits());
    }
    turn.took.sort_unstable_by(f64::total_cmp);
    Ok(turn)
}
