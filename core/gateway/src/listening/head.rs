//! The lines of a request's head, which must end in CR LF. The HTTP library takes a bare LF for the end of a line as well, as RFC 9112,
//! section 2.2, allows; a proxy before the service may not, and a request can be smuggled past it in the difference. It is refused here.

/// What no head can hold: the HTTP library answers it with 400.
const IMPOSSIBLE: u8 = 0;
/// How a head ends. The HTTP library may wait for it before it looks closer.
pub(super) const END: &[u8] = b"\r\n\r\n";

/// How far a head has come.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// Whether there was anything but empty lines, which may come before a request.
    begun: bool,
    ended: bool,
    /// How many bytes of CR LF CR LF were the last ones.
    matched: u8,
}

impl Head {
    /// Goes on with these bytes, puts something impossible in the place of every bare LF until the head ends, and tells whether it did. A
    /// request that is sent before the one before it is answered is not seen here: where it begins only its forerunner's length says.
    pub(super) fn check(&mut self, bytes: &mut [u8]) -> bool {
        let mut refused = false;
        for byte in bytes {
            if self.ended {
                break;
            }
            self.matched = match (*byte, self.matched) {
                (b'\r', 2) => 3,
                (b'\r', _) => 1,
                (b'\n', 1) => 2,
                (b'\n', 3) => {
                    self.ended = self.begun;
                    2
                }
                (b'\n', _) => {
                    *byte = IMPOSSIBLE;
                    refused = true;
                    0
                }
                _ => {
                    self.begun = true;
                    0
                }
            };
        }
        refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of a text that comes in pieces of this size.
    fn checked(text: &str, size: usize) -> String {
        let (mut head, mut bytes) = (Head::default(), text.as_bytes().to_vec());
        let refused = bytes.chunks_mut(size).fold(false, |refused, piece| head.check(piece) | refused);
        assert_eq!(refused, bytes.contains(&IMPOSSIBLE), "{text:?}");
        String::from_utf8(bytes).unwrap().replace('\0', "0")
    }

    #[test]
    fn a_bare_line_feed_is_made_impossible_and_a_body_is_left_alone() {
        let table = [
            ("GET / HTTP/1.1\r\na: b\r\n\r\nbo\ndy\n\n", "GET / HTTP/1.1\r\na: b\r\n\r\nbo\ndy\n\n"),
            ("GET / HTTP/1.1\na: b\r\n\r\n", "GET / HTTP/1.10a: b\r\n\r\n"),
            ("GET / HTTP/1.1\r\na: b\n\r\n\r\n", "GET / HTTP/1.1\r\na: b0\r\n\r\n"),
            ("GET / HTTP/1.1\r\na: b\r\n\nbody", "GET / HTTP/1.1\r\na: b\r\n0body"),
            ("\r\n\r\nGET / HTTP/1.1\n\r\n", "\r\n\r\nGET / HTTP/1.10\r\n"),
            ("\r\r\nGET\r\n\r\r\n\n", "\r\r\nGET\r\n\r\r\n0"),
            ("\n", "0"),
        ];
        for (text, expected) in table {
            for size in [1, 2, 3, 100] {
                assert_eq!(checked(text, size), expected, "{text:?} by {size}");
            }
        }
    }
}
