//! `synod rollout`: tries models or a policy before they judge all rows. It works beside a running server, which follows within a second and audits
//! what was done.

use super::audit::print_json;
use super::installation::Installation;
use super::models::judge_from_now_on;
use super::publishing::user;
use super::{CommandError, chain};
use crate::cli::{Common, Format, Rollout, ShowRollout, StartRollout, StopRollout};
use crate::config::{RolloutStep, duration};
use crate::rollout::{Told, Wish, in_words, newest_first, plan, promotes_no_policy, refuse_own, step, what};
use synod_store::{RolloutEntry, RolloutError, Rollouts};

pub(super) fn run(arguments: &Rollout) -> Result<(), CommandError> {
    match arguments {
        Rollout::Start(arguments) => start(arguments),
        Rollout::Show(arguments) => show(arguments, 1),
        Rollout::List(arguments) => show(arguments, usize::MAX),
        Rollout::Next(common) => next(common),
        Rollout::Promote(common) => promote(common),
        Rollout::Stop(arguments) => stop(arguments),
    }
}

fn failed(error: RolloutError) -> CommandError {
    match error {
        RolloutError::List(error) => CommandError::Failed(chain(&error)),
        error => CommandError::Usage(error.to_string()),
    }
}

fn start(arguments: &StartRollout) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.common)?;
    let hold = duration(&arguments.hold).map_err(|why| CommandError::Usage(format!("--hold: {why}")))?;
    let steps = arguments.share.iter().map(|share| RolloutStep { share: *share, hold }).collect::<Vec<_>>();
    let wish = Wish {
        versions: arguments.versions.clone(),
        policy: arguments.policy.clone(),
        steps: Some(steps).filter(|steps| !steps.is_empty()),
        promote: arguments.promote,
    };
    let entry = plan(&at.config, &at.registry, &wish, &user()).map_err(CommandError::Usage)?;
    Rollouts::of(&at.directory).begin(entry.clone()).map_err(failed)?;
    println!("rollout {}: {}", entry.id, what(&entry));
    println!("A running server begins within a second. `synod rollout show` tells how it does, `synod rollout stop` ends it.");
    Ok(())
}

fn show(arguments: &ShowRollout, most: usize) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.common)?;
    let found = newest_first(&Rollouts::of(&at.directory)).map_err(|error| CommandError::Failed(chain(&error)))?;
    let found: Vec<RolloutEntry> = found.into_iter().take(most).collect();
    match arguments.format {
        Format::Json => print_json(&found.iter().map(|entry| Told::new(entry, None)).collect::<Vec<_>>()),
        Format::Table if found.is_empty() => {
            println!("Nothing was tried yet: `synod rollout start` begins.");
            Ok(())
        }
        Format::Table => {
            print!("{}", found.iter().map(in_words).collect::<Vec<_>>().join("\n"));
            Ok(())
        }
    }
}

fn next(common: &Common) -> Result<(), CommandError> {
    let at = Installation::open(common)?;
    let entry = step(&Rollouts::of(&at.directory), None, &user()).map_err(failed)?;
    println!("step {} of {}: a share of {}", entry.step + 1, entry.steps.len(), entry.steps[entry.step].share);
    Ok(())
}

fn promote(common: &Common) -> Result<(), CommandError> {
    let mut at = Installation::open(common)?;
    let rollouts = Rollouts::of(&at.directory);
    let entry = rollouts.under_way().map_err(|error| CommandError::Failed(chain(&error)))?;
    let entry = entry.ok_or_else(|| failed(RolloutError::None))?;
    if let Some(policy) = &entry.policy {
        return Err(CommandError::Usage(promotes_no_policy(policy)));
    }
    let by = user();
    if at.config.models.four_eyes
        && let Some(why) = refuse_own(&at.registry, &entry.versions, &by)?
    {
        return Err(CommandError::Usage(why));
    }
    judge_from_now_on(&mut at, &entry.versions, &by, "rollout")?;
    match rollouts.end(Some(&entry.id), "promoted", &by, "asked for") {
        // The server was first.
        Ok(()) | Err(RolloutError::None) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn stop(arguments: &StopRollout) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.common)?;
    Rollouts::of(&at.directory).end(None, "stopped", &user(), &arguments.why).map_err(failed)?;
    println!("The rollout has ended. A running server follows within a second.");
    Ok(())
}
