//! Which addresses are private: those that the IANA special-purpose registries (RFC 6890) do not call globally reachable,
//! as Python's `ipaddress` has them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and how many of its bits the net has.
type Net = (IpAddr, u32);

const PRIVATE: &[Net] = &[
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([240, 0, 0, 0], 4),
    v6(0, 127),
    v6(0x0064_ff9b_0001 << 80, 48),
    v6(0x0100 << 112, 64),
    v6(0x2001 << 112, 23),
    v6(0x2001_0db8 << 96, 32),
    v6(0xfc00 << 112, 7),
    v6(0xfe80 << 112, 10),
];
const PUBLIC: &[Net] = &[
    v4([192, 0, 0, 9], 32),
    v4([192, 0, 0, 10], 32),
    v6((0x2001_0001 << 96) + 1, 128),
    v6((0x2001_0001 << 96) + 2, 128),
    v6(0x2001_0003 << 96, 32),
    v6(0x2001_0004_0112 << 80, 48),
    v6(0x2001_0020 << 96, 28),
    v6(0x2001_0030 << 96, 28),
];

const fn v4([a, b, c, d]: [u8; 4], length: u32) -> Net {
    (IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length)
}

const fn v6(bits: u128, length: u32) -> Net {
    (IpAddr::V6(Ipv6Addr::from_bits(bits)), length)
}

/// Whether a name is a private address; one that is no address is not.
pub fn is_private(name: &str) -> bool {
    // `fe80::1%eth0`: the zone is no part of the address.
    let address = name.split('%').next().unwrap_or(name).parse();
    address
        .is_ok_and(|address: IpAddr| is_in(PRIVATE, address.to_canonical()) && !is_in(PUBLIC, address.to_canonical()))
}

fn is_in(nets: &[Net], address: IpAddr) -> bool {
    nets.iter().any(|(net, length)| {
        let same = match (net, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => (net.to_bits() ^ address.to_bits()).leading_zeros(),
            (IpAddr::V6(net), IpAddr::V6(address)) => (net.to_bits() ^ address.to_bits()).leading_zeros(),
            _ => return false,
        };
        same >= *length
    })
}

#[cfg(test)]
mod tests {
    use super::is_private;

    #[test]
    fn private_is_what_the_registries_call_so() {
        for name in [
            "10.1.2.3",
            "127.0.0.1",
            "172.31.0.1",
            "192.168.0.9",
            "169.254.1.1",
            "192.0.0.8",
            "255.255.255.255",
            "::1",
            "::",
            "fd00::1",
            "fe80::1%eth0",
            "::ffff:10.0.0.1",
            "2001:db8::7",
            "2001:5::1",
        ] {
            assert!(is_private(name), "{name}");
        }
        for name in [
            "93.184.216.34",
            "172.32.0.1",
            "100.64.0.1",
            "192.0.0.9",
            "::ffff:93.184.216.34",
            "2a00::1",
            "2001:3::1",
            "2001:200::1",
            "cart",
            "",
        ] {
            assert!(!is_private(name), "{name}");
        }
    }
}
