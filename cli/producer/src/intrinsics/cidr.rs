//! `Fn::Cidr`: the first networks of a larger one.

use std::net::IpAddr;

use engine::yaml::Node;

use super::{Resolved, Resolver};
use crate::report::Read;
use crate::text::Text;

/// So many networks `Fn::Cidr` gives at most.
const MAX_NETWORKS: u32 = 256;

impl Resolver<'_> {
    /// A list of networks: `[10.0.0.0/16, 2, 8]` gives `10.0.0.0/24` and `10.0.1.0/24`.
    pub(super) fn cidr(&self, args: &Node) -> Read<Resolved> {
        let [block, count, bits] = self.arguments::<3>("Fn::Cidr", args)?;
        let block_text = self.need_value("the network of `Fn::Cidr`", block)?;
        let count_text = self.need_value("the number of networks of `Fn::Cidr`", count)?;
        let bits_text = self.need_value("the number of host bits of `Fn::Cidr`", bits)?;
        let parts = [&block_text, &count_text, &bits_text];
        let Some(network) = Network::parse(block_text.reveal()) else {
            let message = "`Fn::Cidr` takes a network first, such as `10.0.0.0/16`";
            return Err(self.bad(block.span, message));
        };
        let number = |text: &Text| text.reveal().parse::<u32>().ok();
        let Some(count) = number(&count_text).filter(|n| (1..=MAX_NETWORKS).contains(n)) else {
            let message = format!("`Fn::Cidr` makes 1 to {MAX_NETWORKS} networks");
            return Err(self.bad(count.span, message));
        };
        let networks = number(&bits_text).and_then(|bits| network.parts(count, bits));
        let Some(networks) = networks else {
            let message = format!("the network has no {count} parts of so many host bits");
            return Err(self.bad(bits.span, message));
        };
        let item = |text| Resolved::One(Text::made_from(text, parts));
        Ok(Resolved::Many(networks.into_iter().map(item).collect()))
    }
}

/// A network of either version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    /// The first address, as a number.
    first: u128,
    /// Bits of an address.
    width: u32,
    /// Bits that all addresses share.
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let (first, width) = match address.parse().ok()? {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
            IpAddr::V6(address) => (u128::from(address), 128),
        };
        let prefix = prefix.parse().ok().filter(|prefix| *prefix <= width)?;
        let host_bits = width - prefix;
        let kept = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Self {
            first: first & kept,
            width,
            prefix,
        })
    }

    /// The first parts of it whose addresses differ in so many bits; none when it has not so many.
    fn parts(self, count: u32, host_bits: u32) -> Option<Vec<String>> {
        let prefix = self.width.checked_sub(host_bits)?;
        let own_bits = prefix.checked_sub(self.prefix)?;
        let there_are = 1_u128.checked_shl(own_bits).unwrap_or(u128::MAX);
        if u128::from(count) > there_are {
            return None;
        }
        let part = |index: u32| {
            let offset = u128::from(index).checked_shl(host_bits).unwrap_or(0);
            format!("{}/{prefix}", self.address(self.first + offset))
        };
        Some((0..count).map(part).collect())
    }

    fn address(self, number: u128) -> IpAddr {
        match u32::try_from(number) {
            Ok(number) if self.width == 32 => IpAddr::V4(number.into()),
            Ok(_) | Err(_) => IpAddr::V6(number.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10.0.0.0/16", 2, 8, &["10.0.0.0/24", "10.0.1.0/24"])]
    #[case("192.168.0.0/24", 3, 5, &["192.168.0.0/27", "192.168.0.32/27", "192.168.0.64/27"])]
    // Bits behind the prefix do not count.
    #[case("10.1.2.3/16", 1, 8, &["10.1.0.0/24"])]
    #[case("2001:db8::/56", 2, 64, &["2001:db8::/64", "2001:db8:0:1::/64"])]
    #[case("0.0.0.0/0", 1, 32, &["0.0.0.0/0"])]
    #[case("::/0", 2, 127, &["::/1", "8000::/1"])]
    fn a_network_falls_into_parts(
        #[case] network: &str,
        #[case] count: u32,
        #[case] host_bits: u32,
        #[case] parts: &[&str],
    ) {
        let network = Network::parse(network).unwrap();
        assert_eq!(network.parts(count, host_bits).unwrap(), parts);
    }

    #[rstest]
    #[case("10.0.0.0/24", 2, 8)]
    #[case("10.0.0.0/24", 1, 9)]
    #[case("10.0.0.0/24", 1, 33)]
    #[case("::/0", 3, 127)]
    fn more_than_there_is_is_refused(#[case] network: &str, #[case] count: u32, #[case] bits: u32) {
        assert_eq!(Network::parse(network).unwrap().parts(count, bits), None);
    }

    #[rstest]
    #[case("10.0.0.0")]
    #[case("10.0.0/8")]
    #[case("10.0.0.0/33")]
    #[case("x/8")]
    fn what_is_no_network_is_refused(#[case] text: &str) {
        assert_eq!(Network::parse(text), None);
    }
}
