//! The console's pages: plain HTML, one style sheet and JavaScript modules out of the binary, without a build step. A page holds no data and needs no
//! credential: what it shows comes by `/v1`, with the session or the API key of whoever looks at it.
//!
//! Another page is an HTML file here and its route, and its module beside the others in `assets/console`.

use crate::http::Problem;
use crate::http::pages::{SCRIPT, STYLE, file, page};
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderValue, header};
use axum::response::Response;

/// A file that pages ask for.
#[derive(Debug)]
pub(in crate::http) struct Asset {
    /// As it is asked for.
    pub(in crate::http) name: &'static str,
    /// Its content type.
    pub(in crate::http) kind: &'static str,
    text: &'static str,
}

macro_rules! asset {
    ($name:literal, $kind:expr) => {
        Asset { name: $name, kind: $kind, text: include_str!(concat!("../../../assets/console/", $name)) }
    };
}

/// All of them.
pub(in crate::http) const ASSETS: &[Asset] = &[
    asset!("api.js", SCRIPT),
    asset!("console.css", STYLE),
    asset!("dialogs.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("health.js", SCRIPT),
    asset!("icon.svg", "image/svg+xml"),
    asset!("markdown.js", SCRIPT),
    asset!("models.js", SCRIPT),
    asset!("report.js", SCRIPT),
    asset!("rollouts.js", SCRIPT),
    asset!("session.js", SCRIPT),
    asset!("start.js", SCRIPT),
    asset!("steps.js", SCRIPT),
    asset!("words.js", SCRIPT),
];

/// What pages may load: what is here, and nothing that is written into them. Where a browser knows trusted types, no text becomes markup or
/// a script by whatever way.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const MODELS: &str = include_str!("../../../assets/console/models.html");

/// `GET /console`, `GET /console/models`: versions of models, and rollouts.
pub(in crate::http) async fn models() -> Response {
    asked_again(page(MODELS, POLICY))
}

/// `GET /console/assets/{file}`.
pub(in crate::http) async fn asset(name: Result<Path<String>, PathRejection>) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::not_found())?;
    let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or_else(Problem::not_found)?;
    Ok(asked_again(file(asset.kind, asset.text)))
}

/// Modules of one version of Synod do not go with those of another.
fn asked_again(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The names that a text has between this and the next quotation mark.
    fn named<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    #[tokio::test]
    async fn every_file_that_is_named_is_there_and_every_file_is_named() {
        let mut asked: BTreeSet<&str> = named(MODELS, "\"/console/assets/").into_iter().collect();
        for asset in ASSETS {
            assert_eq!(super::asset(Ok(Path(asset.name.to_owned()))).await.unwrap().headers()["content-type"], asset.kind);
            asked.extend(named(asset.text, "from \"./"));
        }
        assert_eq!(asked, ASSETS.iter().map(|asset| asset.name).collect());
        for name in ["models.html", "../../../Cargo.toml", "", "api.js.map"] {
            assert_eq!(super::asset(Ok(Path(name.to_owned()))).await.unwrap_err().status(), 404, "{name}");
        }
    }

    #[tokio::test]
    async fn a_page_runs_nothing_that_is_written_into_it_and_loads_nothing_from_elsewhere() {
        let response = models().await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
        assert_eq!(response.headers()["cache-control"], "no-cache");
        for (name, text) in ASSETS.iter().map(|asset| (asset.name, asset.text)).chain([("models.html", MODELS)]) {
            // The name of a language of pictures is no address.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for elsewhere in ["http:", "https:", "\"//", "url(", "@import", "import("] {
                assert!(!text.contains(elsewhere), "{name} names `{elsewhere}`");
            }
            // What comes from the service is set as text.
            for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser", "setHTML", "srcdoc"] {
                assert!(!text.contains(markup), "{name} has `{markup}`");
            }
        }
        for inline in ["<style", " style=", " onclick=", " onload=", "javascript:", "<script>"] {
            assert!(!MODELS.contains(inline), "the page has `{inline}`");
        }
        for kept in ["localStorage", "sessionStorage", "document.cookie", "indexedDB"] {
            assert!(ASSETS.iter().all(|asset| !asset.text.contains(kept)), "a key is kept in memory alone, and not in {kept}");
        }
    }
}
