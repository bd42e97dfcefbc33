//! From which address a request comes: the connection's, or, where a trusted proxy asks for somebody, the one that it names.

use crate::config::ProxyField;
use axum::http::header::FORWARDED;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Proxies in a row; what is said before them is not read.
const MOST_HOPS: usize = 32;

/// The address of the client of a request. It is put into each request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Whose word is taken for whom they ask for, and the one field in which they say it. The other field is not read: a proxy that does not
/// know it passes on what the client wrote there.
#[derive(Debug, Clone)]
pub struct Proxies {
    trusted: Vec<IpNet>,
    field: ProxyField,
}

impl Proxies {
    /// These are trusted, and write this field.
    pub fn new(trusted: Vec<IpNet>, field: ProxyField) -> Self {
        Self { trusted, field }
    }

    /// Whether what this peer says about others is believed.
    pub fn are_trusted(&self, peer: IpAddr) -> bool {
        within(&self.trusted, peer.to_canonical())
    }

    /// The client of a request that came from `peer`. Every proxy adds to the right whom it was asked by, so that what is said is read from
    /// the right for as long as it was said by a trusted one: the first that is not trusted is the client, whatever stands to its left.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.to_canonical();
        if !self.are_trusted(client) {
            return ClientAddress(client);
        }
        let name = match self.field {
            ProxyField::XForwardedFor => X_FORWARDED_FOR,
            ProxyField::Forwarded => FORWARDED,
        };
        let fields = headers.get_all(name).iter().rev().map(|value| value.to_str().unwrap_or_default());
        let hops = fields.flat_map(|text| parts(text, ',').into_iter().rev()).take(MOST_HOPS);
        for hop in hops {
            let said = match self.field {
                ProxyField::XForwardedFor => read(hop),
                ProxyField::Forwarded => element(hop),
            };
            // A hop that is not named ends what is known: the last one that is has to answer for it.
            let Some(address) = said else { break };
            client = address;
            if !within(&self.trusted, client) {
                break;
            }
        }
        ClientAddress(client)
    }
}

/// Whether an address lies in one of these networks.
pub(super) fn within(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// The parts of a text between separators that stand outside of quotes.
fn parts(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == separator && !quoted => return true,
            _ => {}
        }
        false
    })
    .map(str::trim)
    .collect()
}

/// Whom an element of `Forwarded` is for: `for=192.0.2.60;proto=https` or `for="[2001:db8::1]:4711"`.
fn element(text: &str) -> Option<IpAddr> {
    let mut pairs = parts(text, ';').into_iter().filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    read(value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value))
}

/// An address, with or without a port, and with or without brackets.
fn read(text: &str) -> Option<IpAddr> {
    let alone = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(alone).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(field: ProxyField, trusted: &[&str], peer: &str, said: &[&str]) -> String {
        let trusted = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let name = if field == ProxyField::Forwarded { FORWARDED } else { X_FORWARDED_FOR };
        let headers: HeaderMap = said.iter().map(|text| (name.clone(), text.parse().unwrap())).collect();
        Proxies::new(trusted, field).client(peer.parse().unwrap(), &headers).0.to_string()
    }

    const TRUSTED: [&str; 2] = ["10.0.0.0/8", "2001:db8:ffff::/48"];

    #[test]
    fn whom_a_trusted_proxy_names_is_the_client() {
        let table: [(&str, &[&str], &str); 16] = [
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("2001:db8:ffff::1", &["203.0.113.9"], "203.0.113.9"),
            // Not trusted: nothing that it says counts.
            ("192.0.2.1", &["203.0.113.9"], "192.0.2.1"),
            ("2001:db8:fffe::1", &["203.0.113.9"], "2001:db8:fffe::1"),
            // The client wrote the first one itself; the proxy added the second.
            ("10.0.0.1", &["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["10.0.0.7, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["127.0.0.1", "203.0.113.9"], "203.0.113.9"),
            // Two trusted proxies in a row.
            ("10.0.0.1", &["127.0.0.1, 203.0.113.9,10.0.0.2"], "203.0.113.9"),
            // Somebody within: the leftmost of those who are trusted.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9, nonsense, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("10.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1"),
        ];
        for (peer, said, expected) in table {
            assert_eq!(client(ProxyField::XForwardedFor, &TRUSTED, peer, said), expected, "{peer} says {said:?}");
        }
        assert_eq!(
            client(ProxyField::XForwardedFor, &[], "127.0.0.1", &["203.0.113.9"]),
            "127.0.0.1",
            "nobody is trusted unless it is said"
        );
        let long = "10.0.0.2,".repeat(5000) + "10.0.0.2";
        assert_eq!(client(ProxyField::XForwardedFor, &TRUSTED, "10.0.0.1", &["203.0.113.9", &long]), "10.0.0.2");
    }

    #[test]
    fn the_standard_field_is_read_where_proxies_write_it() {
        let table: [(&[&str], &str); 11] = [
            (&["for=203.0.113.9"], "203.0.113.9"),
            (&["For=\"203.0.113.9:80\""], "203.0.113.9"),
            (&["for=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            (&["for=\"[2001:db8:cafe::17]\""], "2001:db8:cafe::17"),
            (&["proto=http; by=10.0.0.1; for=203.0.113.9"], "203.0.113.9"),
            (&["for=127.0.0.1, for=203.0.113.9;host=x"], "203.0.113.9"),
            (&["for=127.0.0.1", "for=203.0.113.9"], "203.0.113.9"),
            (&["for=203.0.113.9;host=\"a,for=127.0.0.1\""], "203.0.113.9"),
            (&["for=203.0.113.9;host=\"a\\\",for=127.0.0.1\""], "203.0.113.9"),
            (&["for=203.0.113.9, for=_hidden"], "10.0.0.1"),
            (&["for=unknown"], "10.0.0.1"),
        ];
        for (said, expected) in table {
            assert_eq!(client(ProxyField::Forwarded, &TRUSTED, "10.0.0.1", said), expected, "{said:?}");
        }
        // The field that the proxies do not write is the client's.
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED, "for=127.0.0.1".parse().unwrap());
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()], ProxyField::XForwardedFor);
        assert_eq!(proxies.client("10.0.0.1".parse().unwrap(), &headers).0.to_string(), "10.0.0.1");
    }
}
