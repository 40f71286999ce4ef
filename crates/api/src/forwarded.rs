//! Reading what proxies say of their clients: `X-Forwarded-*` and `Forwarded` (RFC 7239). Each proxy adds to the end of a
//! list, so lists are read from there, and only as far as addresses are of trusted proxies.

use std::net::{IpAddr, SocketAddr};

/// What a proxy said.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The client; `None` when nothing usable was said, and then the proxy itself counts.
    pub(crate) client: Option<IpAddr>,
    pub(crate) encrypted: bool,
    pub(crate) host: Option<String>,
}

/// Reads `X-Forwarded-For`, `-Proto` and `-Host`.
pub(crate) fn of_x_forwarded(addresses: &str, schemes: &str, hosts: &str, is_trusted: impl Fn(IpAddr) -> bool) -> Told {
    let last = |list: &str| list.rsplit(',').next().map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned);
    Told {
        client: client_of(addresses.rsplit(','), is_trusted),
        encrypted: last(schemes).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
        host: last(hosts),
    }
}

/// Reads `Forwarded`.
pub(crate) fn of_forwarded(elements: &str, is_trusted: impl Fn(IpAddr) -> bool) -> Told {
    let pair = |element: &str, name: &str| {
        element.split(';').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let addresses: Vec<String> = elements.rsplit(',').map(|element| pair(element, "for").unwrap_or_default()).collect();
    let last = elements.rsplit(',').next().unwrap_or_default();
    Told {
        client: client_of(addresses.iter().map(String::as_str), is_trusted),
        encrypted: pair(last, "proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
        host: pair(last, "host").filter(|host| !host.is_empty()),
    }
}

/// The first address, from the nearest on, that is not of a trusted proxy; the farthest proxy when all are. What can't be
/// read ends the search: whatever is said beyond it may be made up.
fn client_of<'a>(nearest_first: impl Iterator<Item = &'a str>, is_trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut found = None;
    for word in nearest_first {
        let Some(address) = address_of(word) else { break };
        found = Some(address);
        if !is_trusted(address) {
            break;
        }
    }
    found
}

/// `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`, quoted or not.
fn address_of(word: &str) -> Option<IpAddr> {
    let word = word.trim().trim_matches('"');
    let plain = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
    let address = plain.parse::<IpAddr>().or_else(|_| word.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}
