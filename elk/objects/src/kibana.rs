//! Kibana's saved objects: data views, saved searches, visualisations and dashboards, as one file that Kibana imports. They are made from small
//! builders and the list of fields, at the lowest versions that Kibana 8.12 takes, and with ids that never change: who imports them again gets
//! the new ones in the place of the old ones, and links keep leading where they did.

mod audit;
mod column;
mod dashboard;
mod data_view;
mod decisions;
mod lens;
mod object;
mod operations;
pub mod rules;
mod search;

pub use self::dashboard::COLUMNS;
pub use self::data_view::View;
pub use self::object::Kind;

use self::object::Object;
use crate::Artifact;
use crate::fields::Fields;

/// Where the file is kept.
const PATH: &str = "elk/kibana/synod.ndjson";
/// What links to decisions begin with, unless somebody says something else: nothing, so that they lead to Kibana's own host, where a proxy can
/// have Synod beside Kibana.
pub const CONSOLE: &str = "";

/// The file.
pub(super) fn artifact() -> Artifact {
    Artifact { path: PATH.into(), contents: file(&Fields::read(), CONSOLE) }
}

/// What Kibana imports: one saved object in each line. `console` is what links to decisions begin with: where people reach Synod, as
/// `https://synod.example`, without a slash at its end.
pub fn file(fields: &Fields, console: &str) -> String {
    objects(fields, console).iter().map(Object::line).collect()
}

/// All of them, each after those that it uses.
fn objects(fields: &Fields, console: &str) -> Vec<Object> {
    let dashboards = [decisions::dashboard(), operations::dashboard(), audit::dashboard()];
    let views = View::ALL.into_iter().map(|view| data_view::object(view, fields, console));
    let searches = search::ALL.iter().map(search::Search::object);
    let lenses = dashboards.iter().flat_map(dashboard::Dashboard::lenses).map(|lens| lens.object(fields));
    let boards = dashboards.iter().map(|dashboard| dashboard.object(&dashboards));
    views.chain(searches).chain(lenses).chain(boards).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository;

    #[test]
    fn the_file_is_what_is_generated() {
        let Artifact { path, contents } = artifact();
        let found = std::fs::read_to_string(repository().join(&path)).unwrap_or_default();
        assert!(found == contents, "{} is not what is generated: run `cargo run -p synod-elk`", path.display());
    }

    #[test]
    fn links_to_decisions_begin_as_is_said() {
        let fields = Fields::read();
        let template =
            |console: &str| file(&fields, console).contains(&format!(r#"\"urlTemplate\":\"{console}/v1/decisions/{{{{value}}}}\""#));
        assert!(template("") && template("https://synod.example"));
        assert_eq!(file(&fields, "https://synod.example").replace("https://synod.example", ""), file(&fields, ""));
    }
}
