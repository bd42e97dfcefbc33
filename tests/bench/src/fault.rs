//! Why a measurement ended. Nothing here is recovered from, so a text is enough.

/// What went wrong.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Says what was being done when the error came.
pub(crate) trait Doing<T> {
    /// The error as "what: why".
    fn doing(self, what: impl std::fmt::Display) -> Result<T, Fault>;
}

impl<T, E: std::fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl std::fmt::Display) -> Result<T, Fault> {
        self.map_err(|error| format!("{what}: {error}").into())
    }
}
