//! `/docs` (Swagger UI) and `/redoc` (Redoc): the document for people. Both come whole out of the binary, and run under a policy that lets
//! them load nothing from elsewhere.

use crate::http::Problem;
use crate::http::pages::{SCRIPT, STYLE, file, kind, page};
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use flate2::read::GzDecoder;
use std::io::Read;
use std::sync::OnceLock;

/// Files of Swagger UI by their names.
macro_rules! swagger_ui {
    [$($name:literal),+] => { [$(($name, Packed::new(include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz"))))),+] };
}

/// The files that Swagger UI's page asks for, and what they are.
pub(super) const SWAGGER_UI_FILES: &[(&str, &str)] = &[
    ("favicon-32x32.png", "image/png"),
    ("index.css", STYLE),
    ("start.js", SCRIPT),
    ("swagger-ui-bundle.js", SCRIPT),
    ("swagger-ui.css", STYLE),
];
/// Those of Redoc's page.
pub(super) const REDOC_FILES: &[(&str, &str)] = &[("redoc.standalone.js", SCRIPT), ("start.css", STYLE), ("start.js", SCRIPT)];

/// What Swagger UI may load. Its pictures are written into its style sheet.
const FOR_SWAGGER_UI: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                              base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What Redoc may load. It makes a style element with nothing in it (the first hash is that of nothing) and fills it by script, one with the
/// style of its scroll bars (the second hash), and searches in a worker that it makes itself. Its makers' logo would come from elsewhere, and
/// does not.
const FOR_REDOC: &str = "default-src 'none'; script-src 'self'; worker-src blob:; \
                         style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' \
                         'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='; img-src 'self' data:; connect-src 'self'; \
                         base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static REDOC: Packed = Packed::new(include_bytes!("../../../assets/redoc.standalone.js.gz"));

/// Of `SWAGGER_UI_FILES` those that are Swagger UI's own: `build.rs` takes them from the release that the workspace names.
static SWAGGER_UI: [(&str, Packed); 4] = swagger_ui!["favicon-32x32.png", "index.css", "swagger-ui-bundle.js", "swagger-ui.css"];

/// A file that lies in the binary as gzip.
struct Packed {
    gzip: &'static [u8],
    plain: OnceLock<Bytes>,
}

pub(in crate::http) async fn swagger_ui() -> Response {
    page(include_str!("../../../assets/swagger-ui.html"), FOR_SWAGGER_UI)
}

pub(in crate::http) async fn redoc() -> Response {
    page(include_str!("../../../assets/redoc.html"), FOR_REDOC)
}

pub(in crate::http) async fn swagger_ui_file(name: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::not_found())?;
    let kind = kind(SWAGGER_UI_FILES, &name).ok_or_else(Problem::not_found)?;
    match name.as_str() {
        "start.js" => Ok(file(kind, include_str!("../../../assets/swagger-ui.js"))),
        name => {
            let (_, packed) = SWAGGER_UI.iter().find(|(known, _)| *known == name).ok_or_else(Problem::not_found)?;
            Ok(packed.answer(kind, takes_gzip(&headers)))
        }
    }
}

pub(in crate::http) async fn redoc_file(name: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::not_found())?;
    let kind = kind(REDOC_FILES, &name).ok_or_else(Problem::not_found)?;
    match name.as_str() {
        "start.js" => Ok(file(kind, include_str!("../../../assets/redoc.js"))),
        "start.css" => Ok(file(kind, include_str!("../../../assets/redoc.css"))),
        _ => Ok(REDOC.answer(kind, takes_gzip(&headers))),
    }
}

impl Packed {
    const fn new(gzip: &'static [u8]) -> Self {
        Self { gzip, plain: OnceLock::new() }
    }

    /// The file, as it lies in the binary if the client can take that.
    fn answer(&self, kind: &'static str, as_it_is: bool) -> Response {
        let mut response = if as_it_is { file(kind, self.gzip) } else { file(kind, self.plain().clone()) };
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        if as_it_is {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    /// Unpacked once, when somebody first asks for it so.
    fn plain(&self) -> &Bytes {
        self.plain.get_or_init(|| {
            let mut plain = Vec::new();
            GzDecoder::new(self.gzip).read_to_end(&mut plain).expect("what is in the binary was compressed whole");
            plain.into()
        })
    }
}

/// Whether the client says that it takes gzip (RFC 9110, section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let codings =
        headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut named = codings.filter_map(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok()).unwrap_or(0.0);
        name.trim().eq_ignore_ascii_case("gzip").then_some(weight > 0.0)
    });
    named.next_back().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_ask_for_it() {
        let takes = |text: &str| takes_gzip(&[(header::ACCEPT_ENCODING, text.parse().unwrap())].into_iter().collect());
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("deflate,gzip ; q=1"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("gzip;q=0.0") && !takes("") && !takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn every_file_that_a_page_names_is_there() {
        for (html, files, folder) in [
            (include_str!("../../../assets/swagger-ui.html"), SWAGGER_UI_FILES, "docs/"),
            (include_str!("../../../assets/redoc.html"), REDOC_FILES, "redoc/"),
        ] {
            let named: Vec<&str> = html.split('"').filter_map(|text| text.strip_prefix(folder)).collect();
            assert_eq!(named.len(), files.len(), "{folder}");
            assert!(named.iter().all(|name| kind(files, name).is_some()), "{named:?}");
        }
        for (name, _) in SWAGGER_UI_FILES {
            assert!(swagger_ui_file(Ok(Path((*name).to_owned())), HeaderMap::new()).await.is_ok(), "{name}");
        }
        for (name, _) in REDOC_FILES {
            assert!(redoc_file(Ok(Path((*name).to_owned())), HeaderMap::new()).await.is_ok(), "{name}");
        }
        for name in ["index.html", "../Cargo.toml", "", "swagger-initializer.js"] {
            assert_eq!(swagger_ui_file(Ok(Path(name.to_owned())), HeaderMap::new()).await.unwrap_err().status(), 404, "{name}");
        }
    }
}
