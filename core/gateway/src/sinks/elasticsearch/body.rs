//! The body of a bulk request: for each document a line that says what is to be done, and the document.

use super::parcel::Item;
use crate::config::Compression;
use crate::documents::{Origin, Stream};
use axum::body::Bytes;
use flate2::write::GzEncoder;
use std::io::Write;

/// The body, and how it is encoded.
pub(super) fn of(items: &[Item], origin: &Origin, compression: Compression) -> (Bytes, Option<&'static str>) {
    // Names of streams and ids have nothing in them that JSON would write otherwise.
    let actions = Stream::ALL.map(|stream| format!("{{\"create\":{{\"_index\":\"{}\",\"_id\":\"", origin.data_stream(stream)));
    let length: usize = items.iter().map(|item| item.document.json.len() + 160).sum();
    let mut body = Vec::with_capacity(length);
    for Item { document, .. } in items {
        body.extend_from_slice(actions[document.stream as usize].as_bytes());
        body.extend_from_slice(document.id.as_bytes());
        body.extend_from_slice(b"\"}}\n");
        body.extend_from_slice(&document.json);
        body.push(b'\n');
    }
    match compression {
        Compression::None => (body.into(), None),
        Compression::Gzip => (compressed(&body).into(), Some("gzip")),
    }
}

fn compressed(body: &[u8]) -> Vec<u8> {
    // The fastest level: documents repeat their names, which any level finds.
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 6), flate2::Compression::fast());
    // Writing into memory does not fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
