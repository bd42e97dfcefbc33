//! Which addresses key sets are fetched from. Whoever names a URL must not thereby reach what only this machine can reach: a cloud's service
//! for credentials, a database on the loopback interface, a neighbour (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// When a range may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Never: no provider is there.
    Never,
    /// For a provider whose configuration says `private: true`.
    Private,
}

use Open::{Never, Private};

/// IPv4 ranges that are not globally reachable (IANA's special-purpose registry, RFC 6890), narrower ones first.
#[rustfmt::skip]
const V4: &[(Ipv4Addr, u32, Open, &str)] = &[
    (Ipv4Addr::new(100, 100, 100, 200), 32, Never, "a cloud's metadata service"),
    (Ipv4Addr::new(168, 63, 129, 16), 32, Never, "a cloud's metadata service"),
    (Ipv4Addr::new(0, 0, 0, 0), 8, Never, "this network"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Private, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Private, "shared (carrier-grade NAT)"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Private, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Never, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Private, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Never, "for protocols"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Never, "for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, Never, "a 6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Private, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Private, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Never, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Never, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Never, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Never, "reserved"),
];

/// IPv6 ranges, narrower ones first. What is not in the list and not in 2000::/3 is not globally reachable either: IPv4 in other clothes
/// (`::ffff:0:0/96`, NAT64's `64:ff9b::/96`), link-local, multicast, and what was never given out.
#[rustfmt::skip]
const V6: &[(Ipv6Addr, u32, Open, &str)] = &[
    (Ipv6Addr::LOCALHOST, 128, Private, "loopback"),
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32, Never, "a cloud's metadata service"),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128, Never, "a cloud's metadata service"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Private, "unique-local"),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Never, "for protocols"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Never, "for documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Never, "6to4"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Never, "for documentation"),
];

/// Why this address is not called; nothing if it is. `private` opens what lies inside of an organisation, and nothing that no provider is at.
pub(super) fn refusal(address: IpAddr, private: bool) -> Option<&'static str> {
    let found = match address {
        IpAddr::V4(address) => V4.iter().find(|(network, length, ..)| shares(address.to_bits(), network.to_bits(), 32 - length)),
        IpAddr::V6(address) => return of_v6(address, private),
    };
    found.filter(|(_, _, open, _)| closed(*open, private)).map(|(.., what)| *what)
}

fn of_v6(address: Ipv6Addr, private: bool) -> Option<&'static str> {
    let found = V6.iter().find(|(network, length, ..)| shares(address.to_bits(), network.to_bits(), 128 - length));
    match found {
        Some((_, _, open, what)) => closed(*open, private).then_some(*what),
        None => (address.segments()[0] & 0xe000 != 0x2000).then_some("not globally reachable"),
    }
}

fn closed(open: Open, private: bool) -> bool {
    open == Never || !private
}

/// Whether two numbers are equal but for the last `bits`, which are fewer than all.
fn shares<T: std::ops::Shr<u32, Output = T> + PartialEq>(one: T, other: T, bits: u32) -> bool {
    one >> bits == other >> bits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address, and whether it is called: by any provider, by one that is private.
    #[rustfmt::skip]
    const CASES: &[(&str, bool, bool)] = &[
        ("8.8.8.8", true, true), ("1.1.1.1", true, true), ("93.184.215.14", true, true), ("223.255.255.255", true, true),
        ("9.255.255.255", true, true), ("11.0.0.0", true, true), ("172.15.255.255", true, true), ("172.32.0.0", true, true),
        ("100.63.255.255", true, true), ("100.128.0.0", true, true), ("169.253.255.255", true, true), ("192.0.1.0", true, true),
        ("127.0.0.1", false, true), ("127.255.255.255", false, true), ("10.0.0.1", false, true), ("172.16.0.1", false, true),
        ("172.31.255.255", false, true), ("192.168.1.1", false, true), ("100.64.0.1", false, true), ("100.127.255.255", false, true),
        ("198.18.0.1", false, true), ("198.19.255.255", false, true),
        ("169.254.169.254", false, false), ("169.254.0.0", false, false), ("168.63.129.16", false, false), ("100.100.100.200", false, false),
        ("0.0.0.0", false, false), ("0.1.2.3", false, false), ("192.0.0.192", false, false), ("192.0.2.1", false, false),
        ("192.88.99.1", false, false), ("198.51.100.1", false, false), ("203.0.113.1", false, false), ("224.0.0.1", false, false),
        ("239.255.255.255", false, false), ("240.0.0.1", false, false), ("255.255.255.255", false, false),
        ("2606:4700:4700::1111", true, true), ("2a00:1450::1", true, true), ("2001:200::1", true, true), ("2620:4f:8000::1", true, true),
        ("::1", false, true), ("fc00::1", false, true), ("fdff::1", false, true),
        ("fd00:ec2::254", false, false), ("fd20:ce::254", false, false), ("::", false, false), ("::2", false, false),
        ("::ffff:127.0.0.1", false, false), ("::ffff:8.8.8.8", false, false), ("::127.0.0.1", false, false), ("64:ff9b::a9fe:a9fe", false, false),
        ("64:ff9b::808:808", false, false), ("64:ff9b:1::1", false, false), ("100::1", false, false), ("2001::1", false, false),
        ("2001:20::1", false, false), ("2001:db8::1", false, false), ("2002:7f00:1::", false, false), ("3fff::1", false, false),
        ("4000::1", false, false), ("5f00::1", false, false), ("fe80::1", false, false), ("febf::1", false, false), ("fec0::1", false, false),
        ("ff02::1", false, false),
    ];

    #[test]
    fn only_what_anybody_can_reach_is_called() {
        for (text, anywhere, private) in CASES {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(refusal(address, false).is_none(), *anywhere, "{text}: {:?}", refusal(address, false));
            assert_eq!(refusal(address, true).is_none(), *private, "{text}, private: {:?}", refusal(address, true));
        }
    }
}
