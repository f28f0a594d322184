//! Calling webhooks: no further than to addresses that everybody can reach, unless the operator allows others, and never
//! in plain text over a network.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use serde::Deserialize;
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::limits::{SUBSCRIPTION_TEXT_MAX_BYTES, WEBHOOK_ANSWER_MAX_BYTES, WEBHOOK_TIMEOUT};

/// Which addresses webhooks may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Those that everybody can reach, over TLS.
    #[default]
    Public,
    /// Those of private networks, too, over TLS, and those of this machine.
    Private,
}

/// Why a webhook can't be at an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Rejected(&'static str);

/// What a webhook answers where it has done all at once.
#[derive(Debug, Default, Deserialize)]
struct Answer {
    #[serde(default)]
    done: bool,
}

impl Reach {
    /// Fails where no webhook may be at `url`, as far as its text tells.
    pub fn check(self, url: &str) -> Result<(), Rejected> {
        if url.len() > SUBSCRIPTION_TEXT_MAX_BYTES {
            return Err(Rejected("the address is too long"));
        }
        let uri: Uri = url.parse().map_err(|_| Rejected("expected an address, https://HOST/PATH"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Rejected("expected an address, https://HOST/PATH"));
        };
        if authority.as_str().contains('@') {
            return Err(Rejected("expected an address without a user or password"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let is_here = host == "localhost" || host.ends_with(".localhost");
        let address = host.parse::<IpAddr>().ok();
        let is_plain = match scheme {
            "https" => false,
            "http" => true,
            _ => return Err(Rejected("expected https")),
        };
        if is_plain && !is_here && !address.is_some_and(|address| address.to_canonical().is_loopback()) {
            return Err(Rejected("expected https: what a webhook is told goes over no network in plain text"));
        }
        let refused = is_here && self == Reach::Public || address.is_some_and(|it| !self.allows(it, is_plain));
        if refused { Err(Rejected("it is at an address of a private network, or of this machine")) } else { Ok(()) }
    }

    /// Whether a webhook may be at this address; in plain text only on this machine.
    fn allows(self, address: IpAddr, in_plain_text: bool) -> bool {
        let address = address.to_canonical();
        let is_unicast = !address.is_multicast() && !address.is_unspecified();
        match self {
            Reach::Public => !in_plain_text && is_public(address),
            Reach::Private => is_unicast && (!in_plain_text || address.is_loopback()),
        }
    }
}

/// Whether everybody can reach this address.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let other = match address.octets() {
        // This network, carriers' networks, protocols, 6to4 relays, benchmarks, reserved.
        [0, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [240..=255, ..] => {
            true
        }
        _ => address.is_private() || address.is_loopback() || address.is_link_local(),
    };
    !other && !address.is_multicast() && !address.is_broadcast() && !address.is_documentation()
}

/// Only what is given out to networks of the Internet; not what stands for another address, which may be anybody's.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Protocols (Teredo among them), documentation, 6to4.
        [0x2001, ..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x2002, ..] | [0x3fff, ..=0x0fff, ..] => false,
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

/// Looks names up, and gives out only addresses that are allowed: these very ones are connected to.
#[derive(Debug)]
struct Checked {
    reach: Reach,
    resolver: DefaultResolver,
}

impl Resolver for Checked {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        let in_plain_text = uri.scheme_str() != Some("https");
        let mut allowed = self.empty();
        for address in found.iter().filter(|address| self.reach.allows(address.ip(), in_plain_text)) {
            allowed.push(*address);
        }
        if allowed.is_empty() {
            let why = "its address is of a private network, or of this machine";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why).into());
        }
        Ok(allowed)
    }
}

/// Calls webhooks.
#[derive(Debug, Clone)]
pub struct Webhooks {
    agent: Agent,
}

impl Webhooks {
    /// Calls those within `reach`.
    pub fn new(reach: Reach) -> Webhooks {
        let config = Agent::config_builder()
            .timeout_global(Some(WEBHOOK_TIMEOUT))
            // An answer elsewhere could lead anywhere, and a proxy would look the name up again.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .http_status_as_error(false)
            // A connection that is kept would be to an address that was checked another time.
            .max_idle_connections(0)
            .user_agent(concat!("chatroom/", env!("CARGO_PKG_VERSION")))
            .build();
        let resolver = Checked { reach, resolver: DefaultResolver::default() };
        Webhooks { agent: Agent::with_parts(config, DefaultConnector::default(), resolver) }
    }

    /// Calls the webhook at `url`, and says whether it has done all at once. Fails where it does not answer that it was
    /// told.
    pub fn call(&self, url: &str, signature: &str, body: &str) -> Result<bool, String> {
        let request = self.agent.post(url).header("content-type", "application/json");
        let sent = request.header("webhook-signature", signature).send(body);
        let mut response = sent.map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("it answers {}", response.status()));
        }
        let mut answer = Vec::new();
        let read = response.body_mut().as_reader().take(WEBHOOK_ANSWER_MAX_BYTES).read_to_end(&mut answer);
        // It was told. Only what is certain to say so is an acknowledgement.
        Ok(read.is_ok() && serde_json::from_slice::<Answer>(&answer).is_ok_and(|answer| answer.done))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_everybody_can_reach_are_public() {
        for public in ["1.1.1.1", "93.184.215.14", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "2001:4860::8888"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::10.0.0.1",
            "64:ff9b::a00:1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn an_address_tells_where_a_webhook_may_not_be() {
        let public = ["https://example.org/x", "https://example.org:8443/", "https://[2606:4700::1111]/"];
        let private = [
            "https://10.0.0.1/",
            "https://localhost/",
            "https://[fd00::1]/",
            "http://127.0.0.1:1/x",
            "http://localhost/",
        ];
        let never = [
            "",
            "x",
            "/x",
            "ftp://example.org/",
            "http://example.org/",
            "http://10.0.0.1/hook",
            "https://224.0.0.1/",
            "https://a:b@example.org/",
        ];
        for url in public {
            assert_eq!((Reach::Public.check(url), Reach::Private.check(url)), (Ok(()), Ok(())), "{url}");
        }
        for url in private {
            assert!(Reach::Public.check(url).is_err() && Reach::Private.check(url).is_ok(), "{url}");
        }
        for url in never {
            assert!(Reach::Public.check(url).is_err() && Reach::Private.check(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_name_is_no_way_around() {
        // A name that is in every hosts file, asked for as one of the Internet would be.
        let told = Webhooks::new(Reach::Public).call("https://localhost:1/", "", "{}").unwrap_err();
        assert!(told.contains("private network"), "{told}");
    }
}
