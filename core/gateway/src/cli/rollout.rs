//! The command line of `synod rollout`.

use super::{Common, Format};
use clap::{Args, Subcommand};

/// `synod rollout`
#[derive(Debug, Subcommand)]
pub enum Rollout {
    /// Try versions, or a policy of `consensus.shadows`: beside what judges, then for a share of the entities, as `rollout` of the configuration says.
    #[command(after_help = "Examples:\n  synod rollout start                         (the candidates of all detectors)\n  \
        synod rollout start forest=4 --share 0 --share 0.05 --hold 30m\n  synod rollout start --policy strict --share 0.1\n\n\
        With a share of 0 nobody is judged by what is tried: it is a shadow. An entity stays on its side, and a larger share keeps all who were in a\n\
        smaller one. If a guard of `rollout.guards` does not hold, it is rolled back by itself.")]
    Start(StartRollout),
    /// Show the rollout that is under way, or the last one: what both sides say of the same rows.
    #[command(after_help = "Examples:\n  synod rollout show\n  synod rollout show --format json")]
    Show(ShowRollout),
    /// List all rollouts, newest first.
    List(ShowRollout),
    /// Go on to the next step now.
    Next(Common),
    /// Have what is tried judge all rows.
    Promote(Common),
    /// End it: what judged before judges all rows again.
    #[command(after_help = "Example:\n  synod rollout stop --why \"chargebacks of the canary\"")]
    Stop(StopRollout),
}

/// `synod rollout start`
#[derive(Debug, Args)]
pub struct StartRollout {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Which versions; the candidates of all detectors if none is named, and no policy.
    #[arg(value_name = "DETECTOR=VERSION", value_parser = super::models::version)]
    pub versions: Vec<(String, String)>,
    /// A policy of `consensus.shadows`.
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// The share of the entities of a step, 0 to 1; once for each step. As `rollout.steps` if left out.
    #[arg(long, value_name = "SHARE")]
    pub share: Vec<f64>,
    /// How long each step of `--share` takes at least.
    #[arg(long, value_name = "DURATION", default_value = "10m", requires = "share")]
    pub hold: String,
    /// Promote it after the last step. As `rollout.promote` if left out.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    pub promote: Option<bool>,
}

/// `synod rollout show` and `list`
#[derive(Debug, Args)]
pub struct ShowRollout {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// How it is written.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// `synod rollout stop`
#[derive(Debug, Args)]
pub struct StopRollout {
    /// What most commands take.
    #[command(flatten)]
    pub common: Common,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "asked for")]
    pub why: String,
}
