//! Addresses of hosts by their names, without the system's C library.
//!
//! A statically linked program cannot load the modules that `/etc/nsswitch.conf` names, so names are looked up here, for the
//! engine and for registries alike (docs/adr/0080-static-programs.md). Read are `/etc/hosts` and the name servers of
//! `/etc/resolv.conf`. Where no name server is named, none is asked: in particular no public one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::TcpStream;

/// Looks names up; keeps what it has read of the machine's configuration.
#[derive(Default)]
pub(super) struct Names {
    resolver: std::sync::Arc<OnceLock<TokioResolver>>,
}

impl Names {
    /// The addresses of a host, IPv4 first.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let resolver = if let Some(resolver) = self.resolver.get() {
            resolver
        } else {
            let made = resolver().map_err(|error| unknown(host, &error))?;
            self.resolver.get_or_init(|| made)
        };
        let found = resolver.lookup_ip(host).await;
        let found = found.map_err(|error| unknown(host, &error))?;
        Ok(found.iter().collect())
    }

    /// A connection to `host:port`.
    pub(super) async fn connect(&self, address: &str) -> io::Result<TcpStream> {
        let malformed = || io::Error::new(io::ErrorKind::InvalidInput, "it is no `HOST:PORT`");
        let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
        let port: u16 = port.parse().map_err(|_| malformed())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = self.addresses(host).await?;
        let addresses: Vec<SocketAddr> = addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect();
        TcpStream::connect(&addresses[..]).await
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Self {
            resolver: self.resolver.clone(),
        };
        Box::pin(async move {
            let addresses = names.addresses(name.as_str()).await?;
            let addresses = addresses.into_iter();
            let addresses: Addrs = Box::new(addresses.map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

fn resolver() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
        tracing::info!(%error, "no name server is asked");
        let nobody = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
        TokioResolver::builder_with_config(nobody, TokioRuntimeProvider::default())
    });
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

fn unknown(host: &str, error: &NetError) -> io::Error {
    let text = format!("no address of `{host}` is known: {error}");
    io::Error::new(io::ErrorKind::NotFound, text)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::v4("127.0.0.7", "127.0.0.7")]
    #[case::v6("::1", "::1")]
    #[case::local("localhost", "127.0.0.1")]
    #[tokio::test]
    async fn an_address_is_its_own_and_this_machine_is_known(
        #[case] host: &str,
        #[case] expected: &str,
    ) {
        let found = Names::default().addresses(host).await.unwrap();
        assert_eq!(found.first().unwrap().to_string(), expected);
    }

    #[rstest]
    #[case::without_port("localhost", "it is no `HOST:PORT`")]
    #[case::no_number("localhost:http", "it is no `HOST:PORT`")]
    #[case::unknown("nobody.invalid:80", "no address of `nobody.invalid` is known")]
    #[tokio::test]
    async fn what_is_wrong_with_an_address_is_said(#[case] address: &str, #[case] expected: &str) {
        let error = Names::default().connect(address).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}
