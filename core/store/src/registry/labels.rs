//! Which version of each detector is live, which was before it, and which may be next. Who moved a label is kept until somebody has written it
//! into an audit log.

use super::{Registry, RegistryError, read};
use crate::kept_list::{FileStamp, Kept};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Acts that are kept of a detector until they are taken; older ones make room.
const MOST_ACTS: usize = 100;

/// The labels of a detector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// Whose.
    pub detector: String,
    /// The version in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<u64>,
    /// The version that was in use before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<u64>,
    /// The version that may be next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<u64>,
    /// Who proposed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_by: Option<String>,
    /// The highest serial of a signed version that was ever taken from elsewhere or signed here. It outlives the versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<u64>,
    /// What was done and is not audited yet, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts: Vec<LabelAct>,
}

/// That somebody moved a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelAct {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// What was done, in one word: `fit`, `promote`, `rollback`, `propose`, `withdraw` ...
    pub act: String,
    /// The version that had the label before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The version that has it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// More about it: who signed, or why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whether it was refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

impl LabelAct {
    /// That somebody does something now.
    pub(super) fn new(by: &str, act: &str) -> Self {
        Self { at: Timestamp::now(), by: by.to_owned(), act: act.to_owned(), from: None, to: None, about: None, refused: false }
    }
}

impl Kept for Labels {
    const FILE: &'static str = "models.json";
    const LOCK: &'static str = "models.lock";
    const FORMAT: u64 = 1;
    const MOST: usize = 10_000;
}

impl Labels {
    fn go_live(&mut self, version: u64, by: &str, act: &str) {
        let from = self.live;
        if from != Some(version) {
            (self.previous, self.live) = (from, Some(version));
        }
        if self.candidate == Some(version) {
            (self.candidate, self.proposed_by) = (None, None);
        }
        self.note(by, act, from, self.live);
    }

    pub(super) fn propose(&mut self, version: Option<u64>, by: &str) -> Option<u64> {
        self.proposed_by = version.map(|_| by.to_owned());
        std::mem::replace(&mut self.candidate, version)
    }

    fn note(&mut self, by: &str, act: &str, from: Option<u64>, to: Option<u64>) {
        self.note_act(LabelAct { from, to, ..LabelAct::new(by, act) });
    }

    pub(super) fn note_act(&mut self, act: LabelAct) {
        self.acts.push(act);
        let surplus = self.acts.len().saturating_sub(MOST_ACTS);
        self.acts.drain(..surplus);
    }

    /// The labels of a version: `live`, `previous`, `candidate`.
    pub fn of(&self, version: u64) -> Vec<&'static str> {
        let named = [("live", self.live), ("previous", self.previous), ("candidate", self.candidate)];
        named.into_iter().filter(|(_, of)| *of == Some(version)).map(|(label, _)| label).collect()
    }
}

impl Registry {
    /// What the labels are known by; it changes whenever one is moved.
    pub fn labels_stamp(&self) -> FileStamp {
        self.labels.stamp()
    }

    /// The labels of a detector; all empty if it is not known.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn labels_of(&self, detector: &str) -> Result<Labels, RegistryError> {
        self.folder(detector)?;
        let known = self.labels.read()?.into_iter().find(|labels| labels.detector == detector);
        match known {
            Some(labels) => Ok(labels),
            None => self.before_labels(detector),
        }
    }

    /// The version in use; none if no version is live.
    ///
    /// # Errors
    /// When the labels cannot be read.
    pub fn live_version(&self, detector: &str) -> Result<Option<u64>, RegistryError> {
        Ok(self.labels_of(detector)?.live)
    }

    /// Makes versions live, all at once: each is checked before, manifest and artifact. What was live is `previous` then. `act` is one word for it.
    ///
    /// # Errors
    /// When a version is not there or damaged, or the labels cannot be written; then nothing is moved.
    pub fn go_live(&self, versions: &[(&str, u64)], by: &str, act: &str) -> Result<(), RegistryError> {
        for (detector, version) in versions {
            self.load::<IgnoredAny>(detector, Some(*version))?;
        }
        let detectors: Vec<&str> = versions.iter().map(|(detector, _)| *detector).collect();
        self.move_labels(&detectors, |place, labels| {
            labels.go_live(versions[place].1, by, act);
            Ok(())
        })
    }

    /// Makes a version the candidate, or says that there is none.
    ///
    /// # Errors
    /// When there is no such version or it is damaged, or the labels cannot be written.
    pub fn propose(&self, detector: &str, version: Option<u64>, by: &str) -> Result<(), RegistryError> {
        if let Some(version) = version {
            self.load::<IgnoredAny>(detector, Some(version))?;
        }
        self.move_labels(&[detector], |_, labels| {
            let from = labels.propose(version, by);
            labels.note(by, if version.is_some() { "propose" } else { "withdraw" }, from, version);
            Ok(())
        })
    }

    /// What was done to labels and is not audited yet.
    ///
    /// # Errors
    /// When the labels cannot be read.
    pub fn acts(&self) -> Result<Vec<(String, LabelAct)>, RegistryError> {
        let of = |labels: Labels| labels.acts.into_iter().map(move |act| (labels.detector.clone(), act));
        Ok(self.labels.read()?.into_iter().flat_map(of).collect())
    }

    /// Notes that acts are audited.
    ///
    /// # Errors
    /// When the labels cannot be written.
    pub fn forget_acts(&self, audited: &[(String, LabelAct)]) -> Result<(), RegistryError> {
        let gone = |detector: &str, act: &LabelAct| audited.iter().any(|(of, audited)| of == detector && audited == act);
        let forgotten = self.labels.change(|all| {
            all.iter_mut().for_each(|labels| labels.acts.retain(|act| !gone(&labels.detector, act)));
            Ok::<_, std::convert::Infallible>(())
        });
        forgotten.map(|done| done.unwrap_or_else(|never| match never {})).map_err(Into::into)
    }

    /// Changes the labels of these detectors, all or none.
    pub(super) fn move_labels(
        &self,
        detectors: &[&str],
        mut of: impl FnMut(usize, &mut Labels) -> Result<(), RegistryError>,
    ) -> Result<(), RegistryError> {
        let mut fresh = detectors.iter().map(|detector| self.before_labels(detector)).collect::<Result<Vec<_>, _>>()?;
        let moved = self.labels.change(|all| {
            for (place, detector) in detectors.iter().enumerate() {
                let known = all.iter().position(|labels| labels.detector == *detector).unwrap_or_else(|| {
                    all.push(std::mem::take(&mut fresh[place]));
                    all.len() - 1
                });
                of(place, &mut all[known])?;
            }
            Ok::<_, RegistryError>(())
        });
        moved?
    }

    /// What a detector's `live` file says, which was there before there were labels.
    fn before_labels(&self, detector: &str) -> Result<Labels, RegistryError> {
        let path = self.folder(detector)?.join("live");
        let none = Labels { detector: detector.to_owned(), ..Labels::default() };
        let Some(text) = read(&path)? else { return Ok(none) };
        let version = std::str::from_utf8(&text).ok().and_then(|text| text.trim_ascii().parse().ok());
        let live = version.ok_or_else(|| RegistryError::Malformed { path, problem: "it holds no version number".into() })?;
        Ok(Labels { live: Some(live), ..none })
    }
}
