//! How a rollout ends.

use super::Guard;

/// How a rollout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was rolled back by itself, because a guard did not hold.
    Guard(Guard),
    /// It was rolled back by itself, because what should be tried does not load.
    NotLoaded,
    /// It was promoted, by somebody or by itself.
    Promoted,
    /// Somebody ended it.
    Stopped,
    /// Other models or another configuration were put in force meanwhile.
    Superseded,
}

impl Ending {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guard(_) | Self::NotLoaded => "rolled_back",
            Self::Promoted => "promoted",
            Self::Stopped => "stopped",
            Self::Superseded => "superseded",
        }
    }

    /// Why, in one word.
    pub fn why(self) -> &'static str {
        match self {
            Self::Guard(guard) => guard.name(),
            Self::NotLoaded => "not_loaded",
            Self::Promoted | Self::Stopped => "asked_for",
            Self::Superseded => "overtaken",
        }
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Guard::ALL.into_iter().map(Self::Guard).chain([Self::NotLoaded, Self::Promoted, Self::Stopped, Self::Superseded])
    }

    /// One that somebody else wrote down.
    pub fn written(name: &str) -> Option<Self> {
        [Self::Promoted, Self::Stopped, Self::Superseded].into_iter().find(|ending| ending.name() == name)
    }
}
