//! HTTP/2 in its raw frames, so that a test can send what no client's library would.

use std::io::{ErrorKind, Read};

/// How a client begins, with settings of its own that change nothing.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// `:status: 200` of HPACK's static table (RFC 7541, appendix A).
pub const STATUS_200: u8 = 0x88;

/// The kind of frame that holds a body.
pub const DATA: u8 = 0;
/// The kind of frame that holds a head, or its beginning.
pub const HEADERS: u8 = 1;
/// The kind of frame that ends a stream at once.
pub const RST_STREAM: u8 = 3;
/// The kind of frame that says goodbye.
pub const GOAWAY: u8 = 7;
/// The kind of frame that goes on with a head.
pub const CONTINUATION: u8 = 9;
/// The flag of a body's or head's frame that is the stream's last.
pub const END_STREAM: u8 = 1;
/// The flag of a frame with which a head ends.
pub const END_HEADERS: u8 = 4;

/// A frame (RFC 9113, section 4.1).
///
/// # Panics
/// When it is longer than a frame can be.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a payload has a length").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// How a client begins: the preface, its settings, and the head of its first request.
#[must_use]
pub fn beginning(flags: u8, head: &[u8]) -> Vec<u8> {
    [PREFACE.to_vec(), frame(HEADERS, flags, 1, head)].concat()
}

/// A frame as it was read: its kind, and what it holds.
///
/// # Errors
/// When the connection ends, or breaks off.
pub fn read_frame(stream: &mut impl Read) -> std::io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 9];
    stream.read_exact(&mut header)?;
    let mut payload = vec![0; usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2])];
    stream.read_exact(&mut payload)?;
    Ok((header[3], payload))
}

/// The next answer's head, still compressed.
///
/// # Panics
/// When there is none.
pub fn head(stream: &mut impl Read) -> Vec<u8> {
    loop {
        let (kind, payload) = read_frame(stream).expect("the server answers");
        if kind == HEADERS {
            return payload;
        }
    }
}

/// Reads until the connection ends, and returns the error code with which the server said goodbye, if it did.
///
/// # Panics
/// When the connection does not end in the time that reading may take.
pub fn farewell(stream: &mut impl Read) -> Option<u32> {
    let mut code = None;
    loop {
        match read_frame(stream) {
            Ok((GOAWAY, payload)) => code = payload.get(4..8).map(|code| u32::from_be_bytes(code.try_into().expect("four bytes"))),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("the connection is never closed"),
            Err(_) => return code,
        }
    }
}
