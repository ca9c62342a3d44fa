//! What netfilter makes of a connection's addresses: asked of conntrack by netlink, once per connection, in the
//! network namespace that rover is in, where kube-proxy's and docker's rules are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The other end of a connection as it is behind the translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Address and port that the other end's own socket has.
    pub end: SocketAddr,
    /// What that socket has for its peer, which is this end, seen through the translation.
    pub seen: SocketAddr,
}

/// Knows translations; a replay has none.
pub trait Translating {
    /// How the connection between these two, as this end's socket has them, is translated; `None`: it is not, or
    /// nobody knows.
    fn maybe_translation(&mut self, local: SocketAddr, remote: SocketAddr, is_client: bool) -> Option<Translation>;
    /// Time has passed.
    fn refresh(&mut self) {}
}

/// For replays.
pub struct NoTranslating;

impl Translating for NoTranslating {
    fn maybe_translation(&mut self, _: SocketAddr, _: SocketAddr, _: bool) -> Option<Translation> {
        None
    }
}

const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
/// The kernel answers while it is asked: a longer wait means that it does not know the question.
const ANSWER_MS: i64 = 50;

// include/uapi/linux/netfilter/nfnetlink_conntrack.h and its like.
const CT_GET: u16 = 1 << 8 | 1;
const CT_NEW: u16 = 1 << 8;
const NLM_F_REQUEST: u16 = 1;
const NESTED: u16 = 1 << 15;
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
const HEADERS: usize = 16 + 4;

/// The kernel's connection tracking.
pub struct Conntrack {
    socket: OwnedFd,
    /// There is anything to be found.
    is_tracking: bool,
    message: Vec<u8>,
}

impl Conntrack {
    /// `None` where the kernel has no ctnetlink or the privilege is missing.
    pub fn maybe_open() -> Option<Conntrack> {
        // SAFETY: plain system calls; the descriptor is owned at once.
        let socket = unsafe {
            let fd = libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_NETFILTER);
            if fd < 0 {
                return None;
            }
            OwnedFd::from_raw_fd(fd)
        };
        let limit = libc::timeval { tv_sec: 0, tv_usec: ANSWER_MS * 1000 };
        // SAFETY: `limit` is a timeval of the size that is told.
        let is_set = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVTIMEO,
                std::ptr::from_ref(&limit).cast(),
                std::mem::size_of::<libc::timeval>() as libc::socklen_t,
            )
        };
        let mut conntrack = Conntrack { socket, is_tracking: false, message: vec![0; 4096] };
        conntrack.refresh();
        (is_set == 0).then_some(conntrack)
    }

    fn maybe_tuples(&mut self, direction: u16, source: SocketAddr, target: SocketAddr) -> Option<[Tuple; 2]> {
        let question = question(direction, source, target);
        // SAFETY: the buffer is as long as told; a netlink socket without an address sends to the kernel.
        let sent = unsafe { libc::send(self.socket.as_raw_fd(), question.as_ptr().cast(), question.len(), 0) };
        if sent < 0 {
            return None;
        }
        // SAFETY: the buffer is as long as told.
        let length =
            unsafe { libc::recv(self.socket.as_raw_fd(), self.message.as_mut_ptr().cast(), self.message.len(), 0) };
        if length < 0 {
            // No answer: not asked again before the next refresh, for the events wait meanwhile.
            self.is_tracking = false;
            return None;
        }
        let entry = maybe_entry(self.message.get(..usize::try_from(length).ok()?)?)?;
        // The answer to an earlier question may have come late.
        let asked = if direction == CTA_TUPLE_ORIG { entry[0] } else { entry[1] };
        (asked == (source, target)).then_some(entry)
    }
}

type Tuple = (SocketAddr, SocketAddr);

impl Translating for Conntrack {
    fn maybe_translation(&mut self, local: SocketAddr, remote: SocketAddr, is_client: bool) -> Option<Translation> {
        if !self.is_tracking || local.is_ipv4() != remote.is_ipv4() {
            return None;
        }
        // The entry's first tuple is what the client sent, the second what the server answers.
        let (end, seen) = if is_client {
            let [_, (from, to)] = self.maybe_tuples(CTA_TUPLE_ORIG, local, remote)?;
            (from, to)
        } else {
            let [(from, to), _] = self.maybe_tuples(CTA_TUPLE_REPLY, local, remote)?;
            (from, to)
        };
        (end != remote || seen != local).then_some(Translation { end, seen })
    }

    fn refresh(&mut self) {
        self.is_tracking = std::fs::read(COUNT).is_ok_and(|text| text.first().is_some_and(|digit| *digit != b'0'));
    }
}

fn push(out: &mut Vec<u8>, kind: u16, body: &[u8]) {
    out.extend_from_slice(&(body.len() as u16 + 4).to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(body);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn question(direction: u16, source: SocketAddr, target: SocketAddr) -> Vec<u8> {
    let (mut ip, mut proto, mut tuple) = (Vec::new(), Vec::new(), Vec::new());
    let mut push_ip = |address: IpAddr, v4: u16, v6: u16| match address {
        IpAddr::V4(address) => push(&mut ip, v4, &address.octets()),
        IpAddr::V6(address) => push(&mut ip, v6, &address.octets()),
    };
    push_ip(source.ip(), CTA_IP_V4_SRC, CTA_IP_V6_SRC);
    push_ip(target.ip(), CTA_IP_V4_DST, CTA_IP_V6_DST);
    push(&mut proto, CTA_PROTO_NUM, &[libc::IPPROTO_TCP as u8]);
    push(&mut proto, CTA_PROTO_SRC_PORT, &source.port().to_be_bytes());
    push(&mut proto, CTA_PROTO_DST_PORT, &target.port().to_be_bytes());
    push(&mut tuple, CTA_TUPLE_IP | NESTED, &ip);
    push(&mut tuple, CTA_TUPLE_PROTO | NESTED, &proto);
    let mut out = vec![0; HEADERS];
    push(&mut out, direction | NESTED, &tuple);
    let length = out.len() as u32;
    let family = if source.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    out[..4].copy_from_slice(&length.to_ne_bytes());
    out[4..6].copy_from_slice(&CT_GET.to_ne_bytes());
    out[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    out[16] = family as u8;
    out
}

/// Kind and content of each attribute; ends at the first that makes no sense.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?) & 0x3fff;
        let body = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, body))
    })
}

fn maybe_entry(message: &[u8]) -> Option<[Tuple; 2]> {
    let kind = u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?);
    if kind != CT_NEW {
        return None; // an error: no such entry
    }
    let body = message.get(HEADERS..)?;
    let tuple = |wanted| attributes(body).find(|(kind, _)| *kind == wanted).and_then(|(_, body)| maybe_tuple(body));
    Some([tuple(CTA_TUPLE_ORIG)?, tuple(CTA_TUPLE_REPLY)?])
}

fn maybe_tuple(body: &[u8]) -> Option<Tuple> {
    let part = |wanted| attributes(body).find(|(kind, _)| *kind == wanted).map(|(_, body)| body);
    let (ip, proto) = (part(CTA_TUPLE_IP)?, part(CTA_TUPLE_PROTO)?);
    let address = |v4: u16, v6: u16| {
        attributes(ip).find_map(|(kind, body)| match (kind, body.len()) {
            (kind, 4) if kind == v4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(body).ok()?))),
            (kind, 16) if kind == v6 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(body).ok()?))),
            _ => None,
        })
    };
    let port = |wanted| {
        let (_, body) = attributes(proto).find(|(kind, _)| *kind == wanted)?;
        Some(u16::from_be_bytes(body.get(..2)?.try_into().ok()?))
    };
    Some((
        SocketAddr::new(address(CTA_IP_V4_SRC, CTA_IP_V6_SRC)?, port(CTA_PROTO_SRC_PORT)?),
        SocketAddr::new(address(CTA_IP_V4_DST, CTA_IP_V6_DST)?, port(CTA_PROTO_DST_PORT)?),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entry(tuples: [(&str, &str); 2]) -> Vec<u8> {
        let mut out = vec![0; HEADERS];
        for (kind, (from, to)) in [(CTA_TUPLE_ORIG, tuples[0]), (CTA_TUPLE_REPLY, tuples[1])] {
            out.extend_from_slice(&question(kind, from.parse().unwrap(), to.parse().unwrap())[HEADERS..]);
        }
        out[4..6].copy_from_slice(&CT_NEW.to_ne_bytes());
        out
    }

    #[test]
    fn an_entry_has_both_tuples_in_either_family() {
        for tuples in [
            [("10.0.0.1:1000", "10.96.0.1:80"), ("10.0.0.2:8080", "10.0.0.1:1000")],
            [("[fd00::1]:1000", "[fd00::96]:80"), ("[fd00::2]:8080", "[fd00::1]:1000")],
        ] {
            let parsed = tuples.map(|(from, to)| (from.parse().unwrap(), to.parse().unwrap()));
            assert_eq!(maybe_entry(&entry(tuples)), Some(parsed));
        }
    }

    #[test]
    fn an_error_and_every_cut_message_is_no_entry() {
        let whole = entry([("10.0.0.1:1", "10.0.0.2:2"), ("10.0.0.3:3", "10.0.0.1:1")]);
        for length in 0..whole.len() {
            assert_eq!(maybe_entry(&whole[..length]), None, "{length}");
        }
        let mut error = whole;
        error[4..6].copy_from_slice(&2u16.to_ne_bytes());
        assert_eq!(maybe_entry(&error), None);
    }
}
