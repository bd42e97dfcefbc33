//! Making things be as they should, and looking whether they are. Both walk the same list; only what follows from a difference is not the same.

use super::comparing::difference;
use super::plan::{Extra, Object, STREAMS, Version, Wishes, plan, retention};
use super::server::{Answer, Method, Server};
use super::{ElkError, Kibana};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::path::Path;

/// What is done about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is mended.
    Install,
    /// What would be sent is shown.
    DryRun,
    /// It is told.
    Verify,
}

/// What became of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was not there.
    Made,
    /// It was something else: what.
    Changed(String),
    /// It is as it should be.
    Unchanged,
    /// The server does not know such things: what it said.
    LeftOut(String),
    /// It is not there.
    Missing,
    /// It is something else: what.
    Differs(String),
}

/// A thing, and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// What it is.
    pub(crate) what: String,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, detail) = match &self.outcome {
            Outcome::Made => ("made", None),
            Outcome::Changed(what) => ("changed", Some(what)),
            Outcome::Unchanged => ("unchanged", None),
            Outcome::LeftOut(why) => ("left out", Some(why)),
            Outcome::Missing => ("missing", None),
            Outcome::Differs(what) => ("differs", Some(what)),
        };
        write!(f, "{word:9}  {}", self.what)?;
        detail.map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

/// What is set up, and how.
pub(crate) struct Setup<'a> {
    /// Where.
    pub(crate) server: &'a Server,
    /// Where people look at it.
    pub(crate) kibana: Option<&'a Kibana>,
    /// Where the shipper's key is kept.
    pub(crate) key_file: Option<&'a Path>,
    /// What for.
    pub(crate) wishes: &'a Wishes,
    /// Whether anything is done.
    pub(crate) mode: Mode,
    /// Whether a key that is valid is replaced.
    pub(crate) rotate: bool,
    /// Whether data streams begin an index with what was changed.
    pub(crate) rollover: bool,
    /// Who is told, of steps and of requests that would be sent.
    pub(crate) tell: &'a dyn Fn(&dyn fmt::Display),
    /// What became of things so far.
    pub(crate) steps: RefCell<Vec<Step>>,
    /// Whether there are indices that were made before a change.
    pub(crate) stale: Cell<bool>,
}

impl Setup<'_> {
    /// Walks the list. What became of each thing is told at once, and is in `steps` afterwards. Returned is what was asked for beside the usual,
    /// and what the server has to say instead.
    ///
    /// # Errors
    /// At the first thing of the usual that the server refuses, or where no server answers.
    pub(crate) async fn run(&self) -> Result<Vec<String>, ElkError> {
        let version = self.server.get("/").await?.ok("Elasticsearch")?;
        let objects = plan(self.wishes, Version::of(version["version"]["number"].as_str().unwrap_or_default()));
        let refused = self.objects(&objects).await?;
        for stream in STREAMS {
            self.data_stream(stream, &objects).await?;
        }
        if let Some(path) = self.key_file {
            let outcome = self.shipper_key(path).await?;
            self.note(&format!("API key in {}", path.display()), outcome);
        }
        if let Some(kibana) = self.kibana {
            let outcome = self.saved_objects(kibana).await?;
            self.note(&"Kibana's data views, searches and dashboards", outcome);
        }
        let asked = refused.into_iter().filter(|(extra, _)| self.wishes.ask_for(*extra));
        Ok(asked.map(|(extra, why)| format!("{}: {why}", extra.option())).collect())
    }

    /// Looks after templates, policies and the pipeline, and returns what the server does not know, and what it said.
    async fn objects(&self, objects: &[Object]) -> Result<Vec<(Extra, String)>, ElkError> {
        let mut refused: Vec<(Extra, String)> = Vec::new();
        for object in objects {
            // What rests on a thing that is not there is not made either.
            if let Some((_, why)) = refused.iter().find(|(extra, _)| Some(*extra) == object.extra) {
                self.note(object, Outcome::LeftOut(why.clone()));
                continue;
            }
            match (self.object(object).await, object.extra) {
                (Ok(outcome), _) => self.note(object, outcome),
                (Err(ElkError::Refused { status: 400 | 404 | 405, reason, .. }), Some(extra)) => {
                    self.note(object, Outcome::LeftOut(reason.clone()));
                    refused.push((extra, reason));
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(refused)
    }

    fn note(&self, what: &dyn fmt::Display, outcome: Outcome) {
        let step = Step { what: what.to_string(), outcome };
        (self.tell)(&step);
        self.steps.borrow_mut().push(step);
    }

    /// What follows from what was found of a thing; what differs is sent, if anything is.
    pub(super) fn outcome(&self, is_there: bool, difference: Option<String>) -> Outcome {
        match (is_there, difference, self.mode) {
            (true, None, _) => Outcome::Unchanged,
            (false, _, Mode::Verify) => Outcome::Missing,
            (false, _, _) => Outcome::Made,
            (true, Some(what), Mode::Verify) => Outcome::Differs(what),
            (true, Some(what), _) => Outcome::Changed(what),
        }
    }

    async fn object(&self, object: &Object) -> Result<Outcome, ElkError> {
        let path = object.path();
        let answer = self.server.get(&path).await?;
        let found = if answer.status == 404 { Value::Null } else { answer.ok(&object.to_string())? };
        let found = object.within(&found);
        let outcome = self.outcome(found.is_some(), found.and_then(|found| difference(&object.wanted, found)));
        if matches!(outcome, Outcome::Made | Outcome::Changed(_)) {
            self.send(Method::Put, &path, Some(&object.wanted), &object.to_string()).await?;
        }
        Ok(outcome)
    }

    /// Sends a change, or shows it.
    pub(super) async fn send(&self, method: Method, path: &str, body: Option<&Value>, what: &str) -> Result<Value, ElkError> {
        if self.mode == Mode::DryRun {
            let body = body.map(|body| format!("\n{body:#}")).unwrap_or_default();
            (self.tell)(&format!("{} {path}{body}\n", name(method)));
            return Ok(json!({}));
        }
        self.server.send(method, path, body).await?.ok(what)
    }

    /// What a template says of a data stream holds from its next index on, and its lifecycle is that of the day when it was made: one that is
    /// there is looked after by itself.
    async fn data_stream(&self, stream: &str, objects: &[Object]) -> Result<(), ElkError> {
        let name = self.wishes.data_stream(stream);
        if !self.is_there(&name).await? {
            return Ok(());
        }
        if let Some(days) = retention(objects, stream) {
            let outcome = self.lifecycle(&name, days).await?;
            self.note(&format!("lifecycle of {name}"), outcome);
        }
        let named: Vec<String> = objects.iter().filter(|object| object.shapes(stream)).map(ToString::to_string).collect();
        let is_changed = |step: &Step| named.contains(&step.what) && matches!(step.outcome, Outcome::Made | Outcome::Changed(_));
        if self.steps.borrow().iter().any(is_changed) {
            if self.rollover {
                self.send(Method::Post, &format!("/{name}/_rollover"), None, &format!("the rollover of {name}")).await?;
                self.note(&format!("index of {name}"), Outcome::Made);
            } else {
                self.stale.set(true);
            }
        }
        Ok(())
    }

    async fn is_there(&self, name: &str) -> Result<bool, ElkError> {
        let answer = self.server.get(&format!("/_resolve/index/{name}")).await?;
        if answer.status == 404 {
            return Ok(false);
        }
        Ok(answer.ok(name)?["data_streams"].as_array().is_some_and(|streams| !streams.is_empty()))
    }

    async fn lifecycle(&self, name: &str, days: &str) -> Result<Outcome, ElkError> {
        let path = format!("/_data_stream/{name}");
        let answer = self.server.get(&path).await?;
        if is_unknown(&answer) {
            return Ok(Outcome::LeftOut(answer.reason()));
        }
        let found = answer.ok(name)?;
        let lifecycle = &found["data_streams"][0]["lifecycle"];
        let kept = lifecycle["data_retention"].as_str();
        let enabled = lifecycle["enabled"] != json!(false);
        let differs = (kept != Some(days) || !enabled).then(|| format!("documents are kept for {}, not {days}", kept.unwrap_or("ever")));
        let outcome = self.outcome(true, differs);
        if matches!(outcome, Outcome::Changed(_)) {
            let body = json!({"data_retention": days, "enabled": true});
            self.send(Method::Put, &format!("{path}/_lifecycle"), Some(&body), &format!("the lifecycle of {name}")).await?;
        }
        Ok(outcome)
    }
}

/// Whether a server has no such route.
fn is_unknown(answer: &Answer) -> bool {
    answer.status == 405 || (answer.status == 400 && answer.reason().starts_with("no handler found"))
}

pub(super) fn name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Put => "PUT",
        Method::Post => "POST",
        Method::Delete => "DELETE",
        Method::Head => "HEAD",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_line() {
        let step = |outcome| Step { what: "component template a".into(), outcome }.to_string();
        assert_eq!(step(Outcome::Made), "made       component template a");
        assert_eq!(step(Outcome::Differs("b is missing".into())), "differs    component template a: b is missing");
    }
}
