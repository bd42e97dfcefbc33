//! Permissions, as they are written in roles, scopes and API keys.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What can be allowed. As text: `action:object`, or for a detector `score:detector/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// `score`: rows by the policy and by every detector.
    Score,
    /// `score:policy`: rows by all detectors, for a verdict.
    ScorePolicy,
    /// `score:detector/NAME`: rows by this detector alone.
    ScoreDetector(String),
    /// `read:decisions`: decisions, and their outcomes.
    ReadDecisions,
    /// `read:scores`: the scores and votes in any answer.
    ReadScores,
    /// `read:explanations`: reasons, features and contributions in any answer.
    ReadExplanations,
    /// `read:detectors`: which detectors there are.
    ReadDetectors,
    /// `read:entities`: what is remembered of an entity.
    ReadEntities,
    /// `read:quality`: precision and recall.
    ReadQuality,
    /// `read:audit`: who did what.
    ReadAudit,
    /// `label:decisions`: what the truth about a decision is.
    LabelDecisions,
    /// `manage:keys`: API keys.
    ManageKeys,
    /// `manage:models`: which versions of models judge.
    ManageModels,
    /// `operate:service`: what an operator does with the running service.
    OperateService,
}

/// A text that is no permission.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no permission; there are score, score:policy, score:detector/NAME, {}", Permission::plain_names().join(", "))]
pub struct PermissionMistake {
    text: String,
}

impl Permission {
    /// All that need no name, beside those that begin with `score`.
    pub const PLAIN: [Self; 11] = [
        Self::ReadDecisions,
        Self::ReadScores,
        Self::ReadExplanations,
        Self::ReadDetectors,
        Self::ReadEntities,
        Self::ReadQuality,
        Self::ReadAudit,
        Self::LabelDecisions,
        Self::ManageKeys,
        Self::ManageModels,
        Self::OperateService,
    ];

    /// Whether whoever holds this may do what `asked` stands for.
    pub fn covers(&self, asked: &Self) -> bool {
        self == asked || (*self == Self::Score && matches!(asked, Self::ScorePolicy | Self::ScoreDetector(_)))
    }

    fn plain_names() -> Vec<String> {
        Self::PLAIN.iter().map(Self::to_string).collect()
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Score => "score",
            Self::ScorePolicy => "score:policy",
            Self::ScoreDetector(name) => return write!(f, "score:detector/{name}"),
            Self::ReadDecisions => "read:decisions",
            Self::ReadScores => "read:scores",
            Self::ReadExplanations => "read:explanations",
            Self::ReadDetectors => "read:detectors",
            Self::ReadEntities => "read:entities",
            Self::ReadQuality => "read:quality",
            Self::ReadAudit => "read:audit",
            Self::LabelDecisions => "label:decisions",
            Self::ManageKeys => "manage:keys",
            Self::ManageModels => "manage:models",
            Self::OperateService => "operate:service",
        })
    }
}

impl FromStr for Permission {
    type Err = PermissionMistake;

    fn from_str(text: &str) -> Result<Self, PermissionMistake> {
        if let Some(name) = text.strip_prefix("score:detector/").filter(|name| !name.is_empty()) {
            return Ok(Self::ScoreDetector(name.to_owned()));
        }
        let known = [Self::Score, Self::ScorePolicy].into_iter().chain(Self::PLAIN);
        known
            .into_iter()
            .find(|known| known.to_string() == text)
            .ok_or_else(|| PermissionMistake { text: crate::redaction::redacted(text).chars().take(64).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_read_as_they_are_written() {
        let named = [Permission::Score, Permission::ScorePolicy, Permission::ScoreDetector("a-b_1".into())];
        for permission in named.into_iter().chain(Permission::PLAIN) {
            assert_eq!(permission.to_string().parse(), Ok(permission));
        }
        for text in ["", "Score", "score:", "score:detector/", "score:detector", "read", "read:*", "*", " score"] {
            assert!(text.parse::<Permission>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn scoring_covers_the_policy_and_every_detector_and_nothing_else_covers_more() {
        let forest = Permission::ScoreDetector("forest".into());
        assert!(Permission::Score.covers(&forest) && Permission::Score.covers(&Permission::ScorePolicy));
        assert!(!forest.covers(&Permission::Score) && !forest.covers(&Permission::ScorePolicy));
        assert!(!Permission::ScorePolicy.covers(&forest), "a verdict tells less than a vote alone");
        assert!(!forest.covers(&Permission::ScoreDetector("other".into())));
    }
}
