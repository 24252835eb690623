//! How a request came: from which address, and whether encrypted. Headers about it are believed
//! only from the proxies that the operator lists; anyone else may write what he likes in them.

use std::net::{IpAddr, SocketAddr};

use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use domain::Network;
use domain::access::Arrival;

/// The other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The addresses that a request passed through, each noted by the next.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// How it reached the proxy.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// How the request of `head` came, for `method`. We listen for plain HTTP only, so encryption is
/// known from a trusted proxy or not at all.
pub(crate) fn of<'a>(head: &Parts, method: &'a str, trusted: &[Network]) -> Arrival<'a> {
    let address = address_of(&head.headers, &head.extensions, trusted);
    let https = is_https(&head.headers, &head.extensions, trusted);
    Arrival { address, https, method }
}

/// From which address a request came; `None` when a proxy noted none.
pub(crate) fn address_of(
    headers: &HeaderMap,
    extensions: &Extensions,
    trusted: &[Network],
) -> Option<IpAddr> {
    let &Peer(peer) = extensions.get::<Peer>()?;
    if is_trusted(peer, trusted) {
        client(headers, peer, |address| is_trusted(address, trusted))
    } else {
        Some(peer)
    }
}

/// Whether a request was encrypted on its way.
pub(crate) fn is_https(headers: &HeaderMap, extensions: &Extensions, trusted: &[Network]) -> bool {
    let peer = extensions.get::<Peer>();
    let last_proto = items(headers, FORWARDED_PROTO).next_back();
    peer.is_some_and(|&Peer(peer)| is_trusted(peer, trusted))
        && last_proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// The nearest address that is no trusted proxy; `None` when what a proxy noted is no address. A
/// request that only passed through proxies is the farthest one's own.
fn client(
    headers: &HeaderMap,
    peer: IpAddr,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let mut farthest = peer;
    for item in items(headers, FORWARDED_FOR).rev() {
        farthest = address(item)?;
        if !is_trusted(farthest) {
            break;
        }
    }
    Some(farthest)
}

/// An address as proxies write it, some with the port.
fn address(item: &str) -> Option<IpAddr> {
    item.parse().or_else(|_| item.parse::<SocketAddr>().map(|address| address.ip())).ok()
}

/// The items of a header that may be there several times, in their order. Text that is none is an
/// item that nothing can be read from.
fn items<'a>(headers: &'a HeaderMap, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
    let values = headers.get_all(name).iter();
    let lines: Vec<&str> = values.map(|value| value.to_str().unwrap_or("?")).collect();
    lines.into_iter().flat_map(|line| line.split(',').map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    /// How a request from `peer` with these headers came, as `address https?`.
    fn came(peer: &str, headers: &[(&str, &str)]) -> (Option<IpAddr>, bool) {
        let mut request = Request::builder().extension(Peer(peer.parse().unwrap()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let trusted = ["10.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
        let arrival = of(&head, "QuickSend", &trusted);
        (arrival.address, arrival.https)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let lies = [(FORWARDED_FOR, "192.0.2.1"), (FORWARDED_PROTO, "https")];
        assert_eq!(came("203.0.113.9", &lies), (Some(ip("203.0.113.9")), false));
    }

    #[test]
    fn the_nearest_untrusted_address_is_the_client() {
        let cases: &[(&[&str], Option<IpAddr>)] = &[
            (&["192.0.2.1"], Some(ip("192.0.2.1"))),
            (&["6.6.6.6, 192.0.2.1"], Some(ip("192.0.2.1"))),
            (&["6.6.6.6, 192.0.2.1", "10.1.2.3"], Some(ip("192.0.2.1"))),
            (&["192.0.2.1:4711,10.0.0.2"], Some(ip("192.0.2.1"))),
            (&["[2001:db8::7]:4711"], Some(ip("2001:db8::7"))),
            (&["10.0.0.9"], Some(ip("10.0.0.9"))),
            (&[], Some(ip("10.0.0.1"))),
            (&["192.0.2.1, unknown"], None),
            (&["192.0.2.1, "], None),
            (&["\u{fe}"], None),
        ];
        for (lines, expected) in cases {
            let headers: Vec<_> = lines.iter().map(|line| (FORWARDED_FOR, *line)).collect();
            assert_eq!(came("10.0.0.1", &headers).0, *expected, "{lines:?}");
        }
        assert_eq!(came("::1", &[(FORWARDED_FOR, "192.0.2.1")]).0, Some(ip("192.0.2.1")));
    }

    #[test]
    fn encryption_is_what_the_last_proxy_says() {
        for (told, expected) in
            [("https", true), ("HTTPS", true), ("http", false), ("https, http", false), ("", false)]
        {
            assert_eq!(came("10.0.0.1", &[(FORWARDED_PROTO, told)]).1, expected, "{told}");
        }
        assert!(!came("10.0.0.1", &[]).1);
    }

    #[test]
    fn without_a_connection_nobody_knows() {
        let (head, ()) = Request::new(()).into_parts();
        let arrival = of(&head, "QuickSend", &[Network::parse("0.0.0.0/0").unwrap()]);
        assert_eq!((arrival.address, arrival.https), (None, false));
    }
}
