//! As much of HTTP/1.1 as a server needs that thinks as little as possible: heads, bodies by length or in chunks, gzip or not.

use std::io::{self, BufRead, Read, Write};

/// Longer heads and bodies are refused: no shipper sends them.
const LONGEST_HEAD: usize = 64 << 10;
const LONGEST_BODY: u64 = 256 << 20;

/// What is needed of a request's head.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: String,
    length: u64,
    chunked: bool,
    gzip: bool,
    /// The client waits to be told that its body is wanted.
    waits: bool,
    pub(crate) closes: bool,
}

impl Head {
    /// Reads a head; none where the connection ends.
    ///
    /// # Errors
    /// When the connection fails, or what comes is no head.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut limited = from.take(LONGEST_HEAD as u64);
        let mut line = String::new();
        if limited.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(malformed("the first line is no request")) };
        let mut head = Self { method: method.to_owned(), target: target.to_owned(), ..Self::default() };
        loop {
            line.clear();
            limited.read_line(&mut line)?;
            match line.trim_end() {
                "" if line.ends_with('\n') => return Ok(Some(head)),
                "" => return Err(malformed("the head does not end")),
                field => head.take(field)?,
            }
        }
    }

    fn take(&mut self, field: &str) -> io::Result<()> {
        let (name, value) = field.split_once(':').ok_or_else(|| malformed("a field without a colon"))?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => self.length = value.parse().map_err(|_| malformed("content-length is no number"))?,
            "transfer-encoding" => self.chunked = value.eq_ignore_ascii_case("chunked"),
            "content-encoding" => self.gzip = value.eq_ignore_ascii_case("gzip"),
            "expect" => self.waits = value.eq_ignore_ascii_case("100-continue"),
            "connection" => self.closes = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
        Ok(())
    }

    /// Reads the body into `body`, unpacked. `wire` is where it is kept as it came, so that no request allocates.
    ///
    /// # Errors
    /// When the connection fails, or what comes is no such body.
    pub(crate) fn body<S: BufRead>(&self, from: &mut S, answer: &mut impl Write, wire: &mut Vec<u8>, body: &mut Vec<u8>) -> io::Result<()> {
        wire.clear();
        body.clear();
        if self.waits {
            answer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let whole = if self.gzip { &mut *wire } else { &mut *body };
        match self.chunked {
            true => chunks(from, whole)?,
            false => exactly(from, self.length, whole)?,
        }
        match self.gzip {
            true => flate2::read::GzDecoder::new(wire.as_slice()).take(LONGEST_BODY).read_to_end(body).map(drop),
            false => Ok(()),
        }
    }
}

fn exactly(from: &mut impl BufRead, length: u64, into: &mut Vec<u8>) -> io::Result<()> {
    if into.len() as u64 + length > LONGEST_BODY {
        return Err(malformed("the body is too long"));
    }
    let read = from.take(length).read_to_end(into)?;
    if read as u64 == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn chunks(from: &mut impl BufRead, into: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        from.take(1024).read_line(&mut line)?;
        let length = line.split(';').next().unwrap_or_default().trim();
        let length = u64::from_str_radix(length, 16).map_err(|_| malformed("a chunk without a length"))?;
        exactly(from, length, into)?;
        exactly(from, 2, into)?;
        into.truncate(into.len() - 2);
        if length == 0 {
            return Ok(());
        }
    }
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn read(bytes: &[u8]) -> (String, Vec<u8>, Vec<u8>) {
        let (mut from, mut answer) = (bytes, Vec::new());
        let head = Head::read(&mut from).unwrap().unwrap();
        let (mut wire, mut body) = (Vec::new(), Vec::new());
        head.body(&mut from, &mut answer, &mut wire, &mut body).unwrap();
        assert!(from.is_empty(), "all is read");
        (format!("{} {}", head.method, head.target), body, answer)
    }

    #[test]
    fn bodies_come_by_length_in_chunks_and_compressed() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"{}\n").unwrap();
        let gzip = gzip.finish().unwrap();
        let packed =
            [format!("PUT /a HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", gzip.len()).as_bytes(), &gzip].concat();
        type Case<'a> = (&'a [u8], &'a str, &'a [u8], &'a [u8]);
        let table: [Case<'_>; 4] = [
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /", b"", b""),
            (
                b"POST /_bulk HTTP/1.1\r\ncontent-length: 3\r\nExpect: 100-continue\r\n\r\n{}\n",
                "POST /_bulk",
                b"{}\n",
                b"HTTP/1.1 100 Continue\r\n\r\n",
            ),
            (b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n1;x\r\n\n\r\n0\r\n\r\n", "POST /b", b"{}\n", b""),
            (&packed, "PUT /a", b"{}\n", b""),
        ];
        for (bytes, line, body, answer) in table {
            assert_eq!(read(bytes), (line.to_owned(), body.to_vec(), answer.to_vec()));
        }
    }

    #[test]
    fn what_is_no_request_is_an_error_and_an_end_is_none() {
        assert_eq!(Head::read(&mut &b""[..]).unwrap(), None);
        for bytes in [&b"\r\n\r\n"[..], b"GET / HTTP/1.1\r\nHost: a", b"GET / HTTP/1.1\r\nHost\r\n\r\n"] {
            assert!(Head::read(&mut &*bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
