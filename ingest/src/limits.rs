//! How often one peer may do what is cheap for it and costs the server something: connect, call, offer a wrong token.
//! A stream, however much comes on it, is one call: flow control bounds what it takes.
//!
//! A peer is an address, of IPv6 a /64: that is what one host has to itself. Behind a gateway many daemons are one peer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::net::TcpStream;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::server::TcpIncoming;

use crate::stats::Counters;

/// What is limited; the number is the place in [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Connect,
    Call,
    WrongToken,
}

/// Wrong tokens a second that are told to be wrong: far too few to guess one. As the page has it.
const WRONG_TOKENS_PER_SECOND: f64 = 20.0;
/// What may come at once, as after a restart of the server, in seconds of the steady rate.
const BURST_SECONDS: f64 = 10.0;
/// Peers that are remembered, about 150 bytes each; those that were quiet longest are forgotten.
const PEERS: usize = 8192;

/// What is left to one peer, by act, and since when it has been growing.
#[derive(Debug)]
struct Left {
    left: [f64; 3],
    at: Instant,
}

/// The account of all peers.
#[derive(Debug)]
pub struct Limits {
    /// A second, by act; 0: no limit.
    rates: [f64; 3],
    peers: Mutex<HashMap<IpAddr, Left>>,
}

impl Limits {
    /// `connections` and `calls` a second of one peer; 0: no limit.
    pub fn new(connections: f64, calls: f64) -> Limits {
        Limits { rates: [connections, calls, WRONG_TOKENS_PER_SECOND], peers: Mutex::default() }
    }

    /// Whether `peer` may do it once more; counts it if so.
    pub fn take(&self, peer: IpAddr, act: Act, now: Instant) -> bool {
        let most = self.rates.map(|rate| (rate * BURST_SECONDS).max(1.0));
        let rate = self.rates.get(act as usize).copied().unwrap_or_default();
        if rate <= 0.0 {
            return true;
        }
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = host(peer);
        if peers.len() >= PEERS && !peers.contains_key(&peer) {
            forget(&mut peers);
        }
        let account = peers.entry(peer).or_insert(Left { left: most, at: now });
        let passed = now.saturating_duration_since(account.at).as_secs_f64();
        account.at = now;
        for ((left, most), rate) in account.left.iter_mut().zip(most).zip(self.rates) {
            *left = (*left + passed * rate).min(most);
        }
        match account.left.get_mut(act as usize) {
            Some(left) if *left >= 1.0 => {
                *left -= 1.0;
                true
            }
            _ => false,
        }
    }
}

/// A share of the peers at once, so that it does not happen at every call.
fn forget(peers: &mut HashMap<IpAddr, Left>) {
    let mut since: Vec<Instant> = peers.values().map(|account| account.at).collect();
    let share = since.len() / 4;
    let (_, limit, _) = since.select_nth_unstable(share);
    let limit = *limit;
    peers.retain(|_, account| account.at > limit);
}

fn host(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// Connections of peers within their limit; the others are closed before a byte is read.
pub struct Admitted {
    pub incoming: TcpIncoming,
    pub limits: Arc<Limits>,
    pub counters: Arc<Counters>,
}

impl Stream for Admitted {
    type Item = std::io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let next = Pin::new(&mut self.incoming).poll_next(context);
            let Poll::Ready(Some(Ok(stream))) = &next else { return next };
            let Ok(peer) = stream.peer_addr() else { continue }; // gone already
            if self.limits.take(peer.ip(), Act::Connect, Instant::now()) {
                return next;
            }
            Counters::add(&self.counters.limited_connections);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn taken(limits: &Limits, peer: IpAddr, act: Act, at: Instant, times: usize) -> usize {
        (0..times).filter(|_| limits.take(peer, act, at)).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        let (limits, begin) = (Limits::new(2.0, 5.0), Instant::now());
        assert_eq!(taken(&limits, PEER, Act::Connect, begin, 100), 20);
        assert_eq!(taken(&limits, PEER, Act::Connect, begin + Duration::from_secs(3), 100), 6);
        assert_eq!(taken(&limits, PEER, Act::Connect, begin + Duration::from_secs(3600), 100), 20);
    }

    #[test]
    fn acts_and_peers_do_not_take_from_each_other() {
        let (limits, begin) = (Limits::new(2.0, 5.0), Instant::now());
        assert_eq!(taken(&limits, PEER, Act::Connect, begin, 100), 20);
        assert_eq!(taken(&limits, PEER, Act::Call, begin, 100), 50);
        assert_eq!(taken(&limits, PEER, Act::WrongToken, begin, 1000), 200);
        assert_eq!(taken(&limits, "10.0.0.2".parse().unwrap(), Act::Connect, begin, 100), 20);
    }

    #[test]
    fn zero_is_no_limit() {
        let (limits, begin) = (Limits::new(0.0, 0.0), Instant::now());
        assert_eq!(taken(&limits, PEER, Act::Call, begin, 100_000), 100_000);
        assert_eq!(taken(&limits, PEER, Act::WrongToken, begin, 1000), 200, "wrong tokens always have one");
    }

    #[test]
    fn a_host_has_one_account_whatever_address_of_its_own_it_takes() {
        let (limits, begin) = (Limits::new(1.0, 1.0), Instant::now());
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(taken(&limits, of("2001:db8::1"), Act::Call, begin, 100), 10);
        assert_eq!(taken(&limits, of("2001:db8::ffff:1"), Act::Call, begin, 100), 0);
        assert_eq!(taken(&limits, of("2001:db8:0:1::1"), Act::Call, begin, 100), 10);
        assert_eq!(taken(&limits, of("10.0.0.1"), Act::Call, begin, 100), 10);
        assert_eq!(taken(&limits, of("::ffff:10.0.0.1"), Act::Call, begin, 100), 0);
    }

    #[test]
    fn who_was_quiet_longest_is_forgotten_first() {
        let (limits, begin) = (Limits::new(1.0, 1.0), Instant::now());
        for number in 0..3 * PEERS as u32 {
            let now = begin + Duration::from_millis(u64::from(number));
            assert!(limits.take(IpAddr::V4((0x0a00_0000 + number).into()), Act::Call, now));
            assert!(number % 100 != 0 || taken(&limits, IpAddr::V4(0x0900_0001.into()), Act::Call, now, 20) < 20);
        }
        let peers = limits.peers.lock().unwrap();
        assert!(peers.len() <= PEERS && peers.contains_key(&IpAddr::V4(0x0900_0001.into())), "{}", peers.len());
    }
}
