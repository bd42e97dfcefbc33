//! The section `links`.

use super::Checker;
use super::alerts::url;
use crate::config::text;
use crate::kibana::Kibana;
use url::Url;

pub(super) fn kibana(at: &mut Checker<'_>, text: &text::Links) -> Option<Kibana> {
    let written = text.kibana.as_ref()?;
    at.taken("links.kibana", place(written).map(Some), None).map(|url| Kibana::at(&url))
}

/// Where Kibana is, and not one of its pages.
fn place(text: &str) -> Result<Url, String> {
    let wrong = || {
        format!(
            "`{text}` is not where Kibana is: write it as https://kibana.example, with /s/SPACE for a space, without /app and what follows"
        )
    };
    let url = url(text).map_err(|_| wrong())?;
    let mut parts = url.path_segments().into_iter().flatten();
    if parts.any(|part| part == "app") { Err(wrong()) } else { Ok(url) }
}

#[cfg(test)]
mod tests {
    use crate::config::read;
    use std::path::Path;

    fn read_with(links: &str) -> Result<bool, Vec<String>> {
        let text = format!(
            "version: 1\nlinks: {links}\nschema: {{fields: {{a: {{type: number}}}}}}\nfeatures: {{a: {{expression: a}}}}\ndetectors: {{one: {{plugin: one}}}}\n"
        );
        let mistakes = |mistakes: Vec<crate::config::Mistake>| {
            mistakes.iter().map(ToString::to_string).filter(|mistake| mistake.contains("links")).collect::<Vec<_>>()
        };
        match read(&text, Path::new("/etc"), Vec::new()) {
            Ok(config) => Ok(config.kibana.is_some()),
            Err(found) => Err(mistakes(found)),
        }
    }

    #[test]
    fn kibana_is_a_place_and_no_page() {
        assert_eq!(read_with("{}"), Ok(false));
        for good in ["https://kibana.example", "http://kibana:5601/base/s/fraud/", "https://kibana.example/apps"] {
            assert_eq!(read_with(&format!("{{kibana: '{good}'}}")), Ok(true), "{good}");
        }
        for wrong in [
            "kibana",
            "ftp://kibana.example",
            "https://kibana.example/app/home",
            "https://kibana.example/s/fraud/app",
            "https://kibana.example/#/view",
            "https://kibana.example?x",
            "https://a:b@kibana.example",
            "javascript:alert(1)",
        ] {
            let found = read_with(&format!("{{kibana: '{wrong}'}}")).unwrap_err();
            assert!(found.len() == 1 && found[0].contains("links.kibana") && found[0].contains("without /app"), "{wrong}: {found:?}");
        }
        assert!(read_with("{grafana: 'https://grafana.example'}").unwrap_err()[0].contains("links.grafana"));
    }
}
