//! Ranges of internet addresses, as allow-lists name them. Arithmetic only; nothing is looked up.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// One address, or all that share its first bits (RFC 4632, RFC 4291 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `192.0.2.7`, `192.0.2.0/24` or `2001:db8::/32`. Bits behind the prefix do not count.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = width(address);
        let prefix = match prefix {
            // A sign or spaces would be read, too.
            Some(digits) if !digits.bytes().all(|byte| byte.is_ascii_digit()) => return None,
            Some(digits) => digits.parse().ok().filter(|prefix| *prefix <= width)?,
            None => width,
        };
        Some(Self { address, prefix })
    }

    /// Its first and last address and all between them.
    pub fn range(&self) -> RangeInclusive<IpAddr> {
        let beyond = u32::from(width(self.address) - self.prefix);
        let bits = bits(self.address);
        let first = bits.checked_shr(beyond).and_then(|bits| bits.checked_shl(beyond)).unwrap_or(0);
        let last = first | 1_u128.checked_shl(beyond).map_or(u128::MAX, |size| size - 1);
        self.of_bits(first)..=self.of_bits(last)
    }

    /// The address of its family that has these bits.
    fn of_bits(&self, bits: u128) -> IpAddr {
        if self.address.is_ipv4() {
            // What stands above the 32 bits of the family is none of it.
            let low = u32::try_from(bits & u128::from(u32::MAX)).unwrap_or(u32::MAX);
            IpAddr::from(low.to_be_bytes())
        } else {
            IpAddr::from(bits.to_be_bytes())
        }
    }

    /// Whether `address` is in the range. IPv4 written as IPv6 (`::ffff:192.0.2.7`) is IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let beyond = u32::from(width(self.address) - self.prefix);
        let first_bits = |address| bits(address).checked_shr(beyond).unwrap_or(0);
        width(address) == width(self.address) && first_bits(address) == first_bits(self.address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == width(self.address) {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

/// How many bits an address of this family has.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_range_holds_what_shares_its_first_bits() {
        let cases = [
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.200/24", "192.0.2.1", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "192.0.2.1", false),
            ("192.0.2.0/24", "::ffff:192.0.2.9", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("2001:db8::1", "2001:db8::1", true),
        ];
        for (range, address, expected) in cases {
            let range = Network::parse(range).unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), expected, "{range} {address}");
        }
    }

    #[test]
    fn a_range_has_a_first_and_a_last_address() {
        for (text, first, last) in [
            ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
            ("192.0.2.200/24", "192.0.2.0", "192.0.2.255"),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
            ("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            let range = Network::parse(text).unwrap().range();
            assert_eq!(range, first.parse().unwrap()..=last.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_not_read() {
        for text in ["", "x", "192.0.2", "192.0.2.1/33", "::/129", "192.0.2.1/", "1.2.3.4/+8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        for text in ["192.0.2.1/-1", "192.0.2.1/999", " 192.0.2.1", "192.0.2.1/8/8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_range_is_read_as_it_is_written(address: [u8; 16], prefix in 0..=128_u8) {
            let [a, b, c, d, ..] = address;
            for (address, prefix) in
                [(IpAddr::from(address), prefix), (IpAddr::from([a, b, c, d]), prefix % 33)]
            {
                let range = Network { address, prefix };
                prop_assert_eq!(Network::parse(&range.to_string()), Some(range));
                prop_assert!(range.contains(address) || address != address.to_canonical());
                let (first, last) = range.range().into_inner();
                prop_assert!(range.range().contains(&address) && first <= last);
                prop_assert_eq!(first.is_ipv4(), address.is_ipv4());
                for end in [first, last] {
                    prop_assert!(range.contains(end) || end != end.to_canonical());
                }
            }
        }
    }
}
