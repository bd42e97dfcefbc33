//! One cell of a row as it arrives, from whatever carried it.

/// A value before the schema has looked at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Absent, null or an empty cell.
    Missing,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A real number.
    Number(f64),
    /// Text, which is never taken for a number.
    Text(&'a str),
    /// A cell of an untyped file: a number where the schema wants one, text where it wants text.
    Raw(&'a str),
    /// A moment, in microseconds since 1970 (UTC).
    Time(i64),
    /// Something that no field can hold; the text says what ("a list", "an object", "a number beyond 2^63").
    Unusable(&'static str),
}

impl Value<'_> {
    /// What it is, for an error message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "nothing",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Number(_) => "a number",
            Self::Text(_) | Self::Raw(_) => "text",
            Self::Time(_) => "a time",
            Self::Unusable(what) => what,
        }
    }
}
