//! The table of all fields in `elk/README.md`.

use crate::fields::{Fields, Stream};
use crate::{Artifact, repository};
use std::fmt::Write as _;
use std::fs;

const PATH: &str = "elk/README.md";
/// What stands around the table.
const MARKS: (&str, &str) = ("<!-- fields: made from fields.yaml -->\n", "<!-- end of fields -->\n");

/// The file with a table as it should be. A file without the marks is left as it is, and a test notices.
pub(super) fn artifact(fields: &Fields) -> Artifact {
    let text = fs::read_to_string(repository().join(PATH)).unwrap_or_default();
    let contents = match text.split_once(MARKS.0).and_then(|(before, rest)| Some((before, rest.split_once(MARKS.1)?.1))) {
        Some((before, after)) => format!("{before}{}{}{}{after}", MARKS.0, table(fields), MARKS.1),
        None => text,
    };
    Artifact { path: PATH.into(), contents }
}

fn table(fields: &Fields) -> String {
    let mut table = "| field | type | of | says |\n| --- | --- | --- | --- |\n".to_owned();
    for field in &fields.fields {
        let of: Vec<&str> = Stream::ALL.into_iter().filter(|stream| field.is_of(*stream)).map(name).collect();
        let of = if of.len() == Stream::ALL.len() { "all".to_owned() } else { of.join(", ") };
        let many = if field.many { ", several" } else { "" };
        let kind = format!("{:?}", field.kind).to_lowercase();
        let _ = writeln!(table, "| `{}` | {kind}{many} | {of} | {} |", field.name, field.text.replace('|', "\\|"));
    }
    table
}

fn name(stream: Stream) -> &'static str {
    stream.dataset().strip_prefix("synod.").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_that_of_the_list() {
        let fields = Fields::read();
        let found = fs::read_to_string(repository().join(PATH)).unwrap_or_default();
        assert!(found.contains(&table(&fields)), "{PATH} has another table: run `cargo run -p synod-elk`");
        assert_eq!(artifact(&fields).contents, found);
    }
}
