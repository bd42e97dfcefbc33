//! Everything that can go wrong, as facts with stable names.

use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// Why a plugin did not answer, or not with an answer that can be used. The detector abstains.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// The plugin used up its time.
    #[error("no answer within {after:?}")]
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// The plugin trapped: it panicked, ran out of stack, divided by zero, or reached outside of its memory.
    #[error("{what}")]
    Trap {
        /// What happened, in the runtime's words.
        what: String,
    },
    /// The plugin trapped, or did not start, after more memory was refused to it.
    #[error("more than {limit} bytes of memory are needed")]
    Memory {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The answer cannot be used: a wrong length, a number that is not finite, too many bytes, bytes that do not follow the contract.
    #[error("bad output: {what}")]
    Output {
        /// What is wrong with it.
        what: String,
    },
    /// The plugin, or this crate on its behalf, does not take what it was given. The instance is well.
    #[error("{kind}: {message}")]
    Refused {
        /// What was refused.
        kind: Refusal,
        /// Why, for people. One line, bounded.
        message: String,
    },
    /// All instances were busy, or all of the host's places taken.
    #[error("no free instance within {waited:?}")]
    Busy {
        /// How long the call waited.
        waited: Duration,
    },
    /// The runtime could not create an instance, for a reason that is none of the others.
    #[error("the plugin cannot be instantiated: {what}")]
    Instantiation {
        /// What happened, in the runtime's words.
        what: String,
    },
}

impl Failure {
    /// All that [`Self::reason`] can say, for whoever has to name it beforehand.
    pub const REASONS: [&'static str; 7] = ["timeout", "trap", "memory", "bad_output", "refused", "busy", "instantiation"];

    /// One stable word, for metrics and abstentions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Trap { .. } => "trap",
            Self::Memory { .. } => "memory",
            Self::Output { .. } => "bad_output",
            Self::Refused { .. } => "refused",
            Self::Busy { .. } => "busy",
            Self::Instantiation { .. } => "instantiation",
        }
    }

    pub(crate) fn output(what: impl Into<String>) -> Self {
        Self::Output { what: what.into() }
    }

    pub(crate) fn refused(kind: Refusal, message: impl Into<String>) -> Self {
        Self::Refused { kind, message: message.into() }
    }
}

/// What a plugin did not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A parameter.
    Parameters,
    /// The rows.
    Data,
    /// The foreign model.
    Artifact,
    /// The model bytes.
    Model,
    /// The call as such: the plugin does not explain, or does not export.
    Unsupported,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parameters => "parameters",
            Self::Data => "data",
            Self::Artifact => "artifact",
            Self::Model => "model",
            Self::Unsupported => "unsupported",
        })
    }
}

/// Why the host cannot start.
#[derive(Debug, Error)]
pub enum HostError {
    /// A setting is out of its range.
    #[error("{0}")]
    Settings(&'static str),
    /// The runtime does not work with these settings on this machine.
    #[error("the WebAssembly runtime cannot be set up: {0}")]
    Engine(String),
    /// The thread that keeps the time limits cannot be started.
    #[error("the ticker cannot be started")]
    Ticker(#[source] std::io::Error),
}

/// Why bytes are not a plugin that this host can run.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file is too large.
    #[error("{0} bytes are more than the {limit} that a component may have", limit = crate::limits::COMPONENT_BYTES)]
    TooLarge(usize),
    /// The bytes are something else.
    #[error("these bytes are not WebAssembly")]
    NotWebAssembly,
    /// The bytes are a core module.
    #[error("this is a core WebAssembly module, not a component: wrap it with `synod plugin build`")]
    CoreModule,
    /// The component does not offer the contract at all.
    #[error("the component does not export {expected}")]
    NoDetector {
        /// The interface that this host calls.
        expected: String,
    },
    /// The component offers or needs the contract in a version that does not go with the host's.
    #[error("the plugin speaks {found}, this host speaks {spoken}")]
    OtherVersion {
        /// The interface that the component names.
        found: String,
        /// The version of this host.
        spoken: String,
    },
    /// The component needs what no plugin gets.
    #[error("the plugin imports {name}: a plugin may import nothing but {allowed} and an empty WASI 0.2")]
    ForbiddenImport {
        /// The import.
        name: String,
        /// The only one of the contract.
        allowed: String,
    },
    /// The interfaces have the right names, but other functions or types.
    #[error("the plugin does not keep the contract: {0}")]
    Shape(String),
    /// The component is not valid, or uses what this host has switched off.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// The plugin does not say what it is.
    #[error("the plugin does not describe itself")]
    Describe(#[source] Failure),
    /// The plugin says about itself what cannot be.
    #[error("the plugin's description cannot be used: {0}")]
    Description(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_listed_reason() {
        let failures = [
            Failure::Timeout { after: Duration::ZERO },
            Failure::Trap { what: String::new() },
            Failure::Memory { limit: 0 },
            Failure::output(""),
            Failure::refused(Refusal::Data, ""),
            Failure::Busy { waited: Duration::ZERO },
            Failure::Instantiation { what: String::new() },
        ];
        assert_eq!(failures.map(|failure| failure.reason()), Failure::REASONS);
    }
}
