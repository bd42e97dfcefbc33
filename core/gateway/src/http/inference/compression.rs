//! Compressed bodies, as the protocol's clients send and ask for them.

use super::super::Problem;
use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::{Read, Write};

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    /// The format of zlib, in spite of its name (RFC 9110, section 8.4.1.2).
    Deflate,
}

impl Encoding {
    fn named(name: &str) -> Option<Self> {
        [Self::Gzip, Self::Deflate].into_iter().find(|encoding| name.eq_ignore_ascii_case(encoding.name()))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// The first of a request's `Accept-Encoding` that can be given. Who asks for none by its name gets none.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        lists.flat_map(|list| list.split(',')).find_map(|item| {
            let (name, weight) = item.split_once(';').map_or((item, ""), |(name, weight)| (name, weight.trim()));
            let refused = weight.strip_prefix("q=").is_some_and(|weight| weight.trim().parse::<f64>().is_ok_and(|weight| weight == 0.0));
            Self::named(name.trim()).filter(|_| !refused)
        })
    }

    pub(super) fn compressed(self, bytes: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes).ok()?;
                encoder.finish().ok()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes).ok()?;
                encoder.finish().ok()
            }
        }
    }
}

/// A body as it was before it was compressed. It may have as many bytes as one that never was.
pub(super) fn plain(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let encoding = match (encodings.next(), encodings.next()) {
        (None, _) => return Ok(body),
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"identity") => return Ok(body),
        (Some(one), None) => one.to_str().ok().and_then(Encoding::named),
        (Some(_), Some(_)) => None,
    };
    let compressed: Box<dyn Read + '_> = match encoding {
        Some(Encoding::Gzip) => Box::new(MultiGzDecoder::new(&body[..])),
        Some(Encoding::Deflate) => Box::new(ZlibDecoder::new(&body[..])),
        None => return Err(Problem::unsupported("the body's Content-Encoding is not read; gzip and deflate are, one of them")),
    };
    let mut plain = Vec::new();
    let one_more = (limit as u64).saturating_add(1);
    match compressed.take(one_more).read_to_end(&mut plain) {
        Ok(_) if plain.len() > limit => Err(Problem::too_large(limit)),
        Ok(_) => Ok(plain.into()),
        Err(error) => Err(Problem::invalid_request(format!("the body is not what its Content-Encoding says: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    fn read(encoding: &str, body: &[u8], limit: usize) -> Result<Bytes, Problem> {
        plain(&headers(header::CONTENT_ENCODING, &[encoding]), Bytes::copy_from_slice(body), limit)
    }

    #[test]
    fn what_was_compressed_is_read_within_the_limit() {
        let text = vec![b'x'; 100_000];
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let body = encoding.compressed(&text).unwrap();
            assert!(body.len() < 1000);
            assert_eq!(read(encoding.name(), &body, 100_000).unwrap(), text);
            assert_eq!(read(encoding.name(), &body, 99_999).unwrap_err().status(), 413, "a bomb goes no further than the limit");
            assert_eq!(read(encoding.name(), &body[..body.len() / 2], 100_000).unwrap_err().status(), 400);
            assert_eq!(read(encoding.name(), b"plain", 100_000).unwrap_err().status(), 400);
        }
        assert_eq!(read("identity", b"plain", 9).unwrap(), "plain");
        assert_eq!(read("br", b"", 9).unwrap_err().status(), 415);
        let two = headers(header::CONTENT_ENCODING, &["gzip", "gzip"]);
        assert_eq!(plain(&two, Bytes::new(), 9).unwrap_err().status(), 415);
    }

    #[test]
    fn an_answer_is_compressed_for_those_who_ask() {
        for (values, encoding) in [
            (&["gzip"][..], Some(Encoding::Gzip)),
            (&["br, deflate;q=0.5, gzip"], Some(Encoding::Deflate)),
            (&["br", "GZIP"], Some(Encoding::Gzip)),
            (&["gzip;q=0, deflate; q=0.0"], None),
            (&["*"], None),
            (&["identity"], None),
            (&[], None),
        ] {
            assert_eq!(Encoding::accepted(&headers(header::ACCEPT_ENCODING, values)), encoding, "{values:?}");
        }
    }
}
