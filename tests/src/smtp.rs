//! A mail server (RFC 5321) that keeps whole messages and delivers none: what Alertmanager sends mail through in tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What does not come within that time does not come at all.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest message that is taken, in bytes.
const LARGEST: usize = 1 << 20;

/// A message as it came, with its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Head and body, with line feeds alone at the ends of lines, and without the dots that the protocol doubles.
    pub message: String,
}

impl Mail {
    /// A field of the head, unfolded, as people read it (RFC 2047).
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        let head = self.message.split("\n\n").next()?.replace("\n ", " ").replace("\n\t", " ");
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| words(value.trim()))
    }

    /// Subject, of a message that has one.
    #[must_use]
    pub fn subject(&self) -> String {
        self.field("subject").unwrap_or_default()
    }

    /// What follows the head, with the quoted-printable encoding undone (RFC 2045, 6.7). The parts of a message of several stay as they are.
    #[must_use]
    pub fn body(&self) -> String {
        self.message.split_once("\n\n").map(|(_, body)| quoted(&body.replace("=\n", ""), '=')).unwrap_or_default()
    }
}

/// The server, on a free port of the loopback, for as long as the test runs. It offers neither TLS nor authentication.
#[derive(Debug)]
pub struct MailServer {
    /// Where it listens.
    pub address: SocketAddr,
    mails: Arc<Mutex<Vec<Mail>>>,
}

impl MailServer {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let mails = Arc::<Mutex<Vec<Mail>>>::default();
        let kept = Arc::clone(&mails);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                // A client that goes away in the middle has sent nothing.
                std::thread::spawn(move || converse(stream, &kept));
            }
        });
        Self { address, mails }
    }

    /// All messages so far.
    ///
    /// # Panics
    /// Never, unless another thread panicked.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().expect("no server thread panics").clone()
    }

    /// Waits for a message.
    ///
    /// # Panics
    /// When it does not come.
    #[must_use]
    #[track_caller]
    pub fn await_mail(&self, what: &str, wanted: impl Fn(&Mail) -> bool) -> Mail {
        let started = Instant::now();
        loop {
            let mails = self.mails();
            if let Some(mail) = mails.iter().find(|mail| wanted(mail)) {
                return mail.clone();
            }
            let subjects: Vec<String> = mails.iter().map(Mail::subject).collect();
            assert!(started.elapsed() < LONGEST, "no mail: {what}; there were {subjects:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Talks with one client until it leaves.
fn converse(stream: TcpStream, mails: &Mutex<Vec<Mail>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut envelope: Option<(String, Vec<String>)> = None;
    stream.get_mut().write_all(b"220 mail.example ESMTP\r\n")?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (line, command) = (line.trim_end(), line.to_ascii_uppercase());
        let reply = match command.split_whitespace().next().unwrap_or_default() {
            "EHLO" => format!("250-mail.example\r\n250-SIZE {LARGEST}\r\n250-8BITMIME\r\n250 SMTPUTF8"),
            "HELO" => "250 mail.example".into(),
            "MAIL" => match path(line, "MAIL FROM:") {
                Some(from) => {
                    envelope = Some((from, Vec::new()));
                    "250 OK".into()
                }
                None => "501 Syntax: MAIL FROM:<address>".into(),
            },
            "RCPT" => match (&mut envelope, path(line, "RCPT TO:")) {
                (Some((_, to)), Some(recipient)) => {
                    to.push(recipient);
                    "250 OK".into()
                }
                (None, _) => "503 MAIL first".into(),
                (_, None) => "501 Syntax: RCPT TO:<address>".into(),
            },
            "DATA" => match envelope.take() {
                Some((from, to)) if !to.is_empty() => {
                    stream.get_mut().write_all(b"354 End with a dot\r\n")?;
                    match message(&mut stream)? {
                        Some(message) => {
                            mails.lock().expect("no server thread panics").push(Mail { from, to, message });
                            "250 OK: kept".into()
                        }
                        None => "552 too long".into(),
                    }
                }
                _ => "503 RCPT first".into(),
            },
            "RSET" => {
                envelope = None;
                "250 OK".into()
            }
            "NOOP" => "250 OK".into(),
            "QUIT" => return stream.get_mut().write_all(b"221 Bye\r\n"),
            _ => "502 not known here".into(),
        };
        stream.get_mut().write_all(format!("{reply}\r\n").as_bytes())?;
    }
}

fn path(line: &str, command: &str) -> Option<String> {
    let rest = line.get(command.len()..).filter(|_| line[..command.len()].eq_ignore_ascii_case(command))?;
    rest.trim_start().strip_prefix('<')?.split_once('>').map(|(path, _)| path.to_owned())
}

/// Reads a message to the line that is a dot alone; none if it is too long.
fn message(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut message = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end_matches(['\r', '\n']);
        if line == "." {
            return Ok((message.len() <= LARGEST).then_some(message));
        }
        if message.len() <= LARGEST {
            message += line.strip_prefix('.').unwrap_or(line);
            message.push('\n');
        }
    }
}

/// The encoded words of a field: `=?utf-8?q?caf=C3=A9?=`, and `b` with Base64. White space between two of them does not count.
fn words(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, encoded)) = rest.split_once("=?") {
        let mut parts = encoded.splitn(4, '?');
        let (_, encoding, content, after) = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(encoding), Some(content), Some(after)) = (encoding, content, after.and_then(|after| after.strip_prefix('='))) else {
            break;
        };
        if text.is_empty() || !before.trim().is_empty() {
            text += before;
        }
        text += &match encoding.to_ascii_lowercase().as_str() {
            "b" => String::from_utf8_lossy(&STANDARD.decode(content).unwrap_or_default()).into_owned(),
            _ => quoted(&content.replace('_', " "), '='),
        };
        rest = after;
    }
    text + rest
}

/// Undoes an encoding of bytes as a sign and two hexadecimal digits.
fn quoted(text: &str, sign: char) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(sign) {
        bytes.extend_from_slice(before.as_bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.extend_from_slice(sign.to_string().as_bytes());
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_read() {
        let message =
            "Subject: =?utf-8?q?[FIRING:1]_Gr=C3=B6=C3=9Fe?=\n =?utf-8?b?IG9r?=\nTo: a@b\n\n<a href=3D\"x\">caf=C3=A9 =\nhere</a> 1 = 1\n";
        let mail = Mail { from: String::new(), to: Vec::new(), message: message.into() };
        assert_eq!(mail.subject(), "[FIRING:1] Größe ok");
        assert_eq!(mail.body(), "<a href=\"x\">café here</a> 1 = 1\n");
    }

    #[test]
    fn a_message_is_kept_whole() {
        let server = MailServer::start();
        let mut stream = BufReader::new(TcpStream::connect(server.address).unwrap());
        let mut say = |text: &str, code: &str| {
            stream.get_mut().write_all(text.as_bytes()).unwrap();
            let mut line = String::new();
            while !line.starts_with(code) {
                line.clear();
                assert!(stream.read_line(&mut line).unwrap() > 0, "no {code} after {text}");
            }
        };
        say("", "220 ");
        say("EHLO test\r\n", "250 ");
        say("DATA\r\n", "503 ");
        say("MAIL FROM:<a@b> SIZE=9\r\n", "250 ");
        say("rcpt to:<c@d>\r\n", "250 ");
        say("RCPT TO:<e@f>\r\n", "250 ");
        say("DATA\r\n", "354 ");
        say("Subject: x\r\n\r\n..\r\n.one\r\ntwo\r\n.\r\n", "250 ");
        say("QUIT\r\n", "221 ");
        let mail = server.await_mail("the one that was sent", |_| true);
        let expected = Mail { from: "a@b".into(), to: vec!["c@d".into(), "e@f".into()], message: "Subject: x\n\n.\none\ntwo\n".into() };
        assert_eq!(mail, expected);
    }
}
