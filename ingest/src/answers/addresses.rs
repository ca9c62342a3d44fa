//! Which addresses are private: those that the IANA special-purpose registries (RFC 6890) do not call globally reachable,
//! as Python's `ipaddress` has them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const PRIVATE_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([240, 0, 0, 0], 4),
];
const PUBLIC_V4: &[([u8; 4], u32)] = &[([192, 0, 0, 9], 32), ([192, 0, 0, 10], 32)];
const PRIVATE_V6: &[([u16; 8], u32)] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 127),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
];
const PUBLIC_V6: &[([u16; 8], u32)] = &[
    ([0x2001, 1, 0, 0, 0, 0, 0, 1], 128),
    ([0x2001, 1, 0, 0, 0, 0, 0, 2], 128),
    ([0x2001, 3, 0, 0, 0, 0, 0, 0], 32),
    ([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48),
    ([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28),
    ([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28),
];

/// Whether a name is a private address; one that is no address is not.
pub fn is_private(name: &str) -> bool {
    // `fe80::1%eth0`: the zone is no part of the address.
    match name.split('%').next().unwrap_or(name).parse() {
        Ok(IpAddr::V4(address)) => is_private_v4(address),
        Ok(IpAddr::V6(address)) => address.to_ipv4_mapped().map_or_else(|| is_private_v6(address), is_private_v4),
        Err(_) => false,
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let is_in = |nets: &[([u8; 4], u32)]| {
        let shared = |net: &[u8; 4]| (Ipv4Addr::from(*net).to_bits() ^ address.to_bits()).leading_zeros();
        nets.iter().any(|(net, length)| shared(net) >= *length)
    };
    is_in(PRIVATE_V4) && !is_in(PUBLIC_V4)
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let is_in = |nets: &[([u16; 8], u32)]| {
        let shared = |net: &[u16; 8]| (Ipv6Addr::from(*net).to_bits() ^ address.to_bits()).leading_zeros();
        nets.iter().any(|(net, length)| shared(net) >= *length)
    };
    is_in(PRIVATE_V6) && !is_in(PUBLIC_V6)
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
