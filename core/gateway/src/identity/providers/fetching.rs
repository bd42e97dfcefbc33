//! Fetching from an identity provider: nowhere but where the configuration allows, not for long, and not much.

use super::address;
use crate::calling::{ClientMistake, tls};
use crate::telemetry::tracing::propagated;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, Response, redirect};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use thiserror::Error;
use url::{Host, Url};

/// From the look-up of the name to the last byte.
const LONGEST: Duration = Duration::from_secs(5);
/// The most that is read of an answer.
const MOST: usize = 256 << 10;
/// Connections that are kept for the next fetch.
const IDLE: usize = 2;

/// Fetches from one provider, by connections of its own.
#[derive(Debug)]
pub(in crate::identity) struct Fetcher {
    client: Client,
    private: bool,
}

/// Why a fetch failed.
#[derive(Debug, Error)]
pub(in crate::identity) enum FetchError {
    /// The URL is none that may be fetched.
    #[error(transparent)]
    Url(#[from] UrlMistake),
    /// The name leads to addresses that are not called, and to no others.
    #[error("{0}")]
    Address(AddressRefused),
    /// It took too long.
    #[error("no whole answer within {LONGEST:?}")]
    Late,
    /// There is no connection, or it broke.
    #[error("cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The status is not that of an answer. Redirects are not followed.
    #[error("answered with status {0}")]
    Status(u16),
    /// More than is read.
    #[error("answered with more than {MOST} bytes")]
    TooLarge,
}

impl FetchError {
    /// A stable word for metrics.
    pub(in crate::identity) fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "refused_url",
            Self::Address(_) => "refused_address",
            Self::Late => "late",
            Self::Unreachable(_) => "unreachable",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
        }
    }

    fn of(error: reqwest::Error) -> Self {
        let causes = std::iter::successors(error.source(), |cause| (*cause).source());
        match causes.filter_map(|cause| cause.downcast_ref::<AddressRefused>()).next() {
            Some(refused) => Self::Address(refused.clone()),
            None if error.is_timeout() => Self::Late,
            // A URL may hold what is nobody's business.
            None => Self::Unreachable(error.without_url()),
        }
    }
}

/// Why a URL is not fetched.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlMistake {
    /// It is not encrypted.
    #[error("the URL must begin with https:// (or, with `private: true`, http:// and a loopback address)")]
    Scheme,
    /// It holds a user or a password.
    #[error("the URL must not hold a user or a password")]
    User,
    /// It holds a fragment, which no server sees.
    #[error("the URL must not hold a #")]
    Fragment,
    /// Its host is an address that is not called.
    #[error("the URL's address {0} is not called: it is {1}{hint}", hint = HINT)]
    Address(IpAddr, &'static str),
}

/// A name that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the name leads to {address}, which is not called: it is {what}{hint}", hint = HINT)]
pub(in crate::identity) struct AddressRefused {
    address: IpAddr,
    what: &'static str,
}

const HINT: &str = "; a provider inside of the organisation needs `private: true`";

/// Whether a URL may be fetched, as far as can be told without looking up its host.
///
/// # Errors
/// When it may not.
pub fn permitted(url: &Url, private: bool) -> Result<(), UrlMistake> {
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) | None => None,
    };
    let here = literal.is_some_and(|address| address.is_loopback());
    if url.scheme() != "https" && !(url.scheme() == "http" && here && private) {
        Err(UrlMistake::Scheme)
    } else if !url.username().is_empty() || url.password().is_some() {
        Err(UrlMistake::User)
    } else if url.fragment().is_some() {
        Err(UrlMistake::Fragment)
    } else {
        match literal.and_then(|address| Some((address, address::refusal(address, private)?))) {
            Some((address, what)) => Err(UrlMistake::Address(address, what)),
            None => Ok(()),
        }
    }
}

impl Fetcher {
    /// A fetcher that trusts the certificates of this file, or those that the system trusts. `private` opens addresses inside of the
    /// organisation.
    pub(super) fn new(root: Option<&Path>, private: bool) -> Result<Self, ClientMistake> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls(root)?)
            .dns_resolver(Resolver { private })
            // A redirect could lead where the configuration did not.
            .redirect(redirect::Policy::none())
            // A proxy would look up the name by itself, and its own address is nobody's whom the configuration names.
            .no_proxy()
            .timeout(LONGEST)
            .pool_max_idle_per_host(IDLE)
            .user_agent(concat!("synod/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { client: client.map_err(|error| ClientMistake::Client(error.into()))?, private })
    }

    /// The body of what is at this URL.
    pub(in crate::identity) async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        permitted(url, self.private)?;
        let (status, body) = answer(self.client.get(url.clone())).await?;
        if status == 200 { Ok(body) } else { Err(FetchError::Status(status)) }
    }

    /// Sends a form, with a user and a password if there are any; returns status and body of the answer.
    pub(in crate::identity) async fn post(
        &self,
        url: &Url,
        form: String,
        basic: Option<(&str, &str)>,
    ) -> Result<(u16, Vec<u8>), FetchError> {
        permitted(url, self.private)?;
        let request = self.client.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        answer(match basic {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        })
        .await
    }
}

async fn answer(request: RequestBuilder) -> Result<(u16, Vec<u8>), FetchError> {
    let response = propagated(request).header(ACCEPT, "application/json").send().await.map_err(FetchError::of)?;
    Ok((response.status().as_u16(), bounded(response).await?))
}

/// A body, read for as long as it is not too large.
async fn bounded(mut response: Response) -> Result<Vec<u8>, FetchError> {
    if response.content_length().is_some_and(|length| length > MOST as u64) {
        return Err(FetchError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(FetchError::of)? {
        if body.len() + chunk.len() > MOST {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Looks names up, and leaves out what is not called. The connection is made to what is left, so that a second look-up with another answer
/// changes nothing.
#[derive(Debug)]
struct Resolver {
    private: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private = self.private;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(called(found, private)?.into_iter()) as Addrs)
        })
    }
}

/// The addresses that are called. If there is none, why not.
fn called(found: Vec<SocketAddr>, private: bool) -> Result<Vec<SocketAddr>, AddressRefused> {
    let mut refused = None;
    let mut called = Vec::new();
    for address in found {
        match address::refusal(address.ip(), private) {
            None => called.push(address),
            Some(what) => refused = Some(AddressRefused { address: address.ip(), what }),
        }
    }
    match refused {
        Some(refused) if called.is_empty() => Err(refused),
        _ => Ok(called),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_out_unless_they_may_lead_in() {
        let address = |text: &str, what| Err(UrlMistake::Address(text.parse().unwrap(), what));
        #[rustfmt::skip]
        let cases = [
            ("https://issuer.example/keys", Ok(()), Ok(())),
            ("https://issuer.example:8443/keys?tenant=a", Ok(()), Ok(())),
            ("https://8.8.8.8/keys", Ok(()), Ok(())),
            ("http://issuer.example/keys", Err(UrlMistake::Scheme), Err(UrlMistake::Scheme)),
            ("http://localhost/keys", Err(UrlMistake::Scheme), Err(UrlMistake::Scheme)),
            ("http://10.0.0.1/keys", Err(UrlMistake::Scheme), Err(UrlMistake::Scheme)),
            ("http://127.0.0.1:4000/keys", Err(UrlMistake::Scheme), Ok(())),
            ("http://[::1]:4000/keys", Err(UrlMistake::Scheme), Ok(())),
            ("https://127.0.0.1/keys", address("127.0.0.1", "loopback"), Ok(())),
            ("https://0x7f.1/keys", address("127.0.0.1", "loopback"), Ok(())),
            ("https://2130706433/keys", address("127.0.0.1", "loopback"), Ok(())),
            ("https://10.1.2.3/keys", address("10.1.2.3", "private"), Ok(())),
            ("https://169.254.169.254/keys", address("169.254.169.254", "link-local"), address("169.254.169.254", "link-local")),
            ("https://[::ffff:127.0.0.1]/", address("::ffff:127.0.0.1", "not globally reachable"), address("::ffff:127.0.0.1", "not globally reachable")),
            ("https://ana:secret@issuer.example/", Err(UrlMistake::User), Err(UrlMistake::User)),
            ("https://issuer.example/#keys", Err(UrlMistake::Fragment), Err(UrlMistake::Fragment)),
            ("file:///etc/passwd", Err(UrlMistake::Scheme), Err(UrlMistake::Scheme)),
            ("ftp://issuer.example/", Err(UrlMistake::Scheme), Err(UrlMistake::Scheme)),
        ];
        for (text, anywhere, private) in cases {
            let url = Url::parse(text).unwrap();
            assert_eq!(permitted(&url, false), anywhere, "{text}");
            assert_eq!(permitted(&url, true), private, "{text}, private");
        }
    }

    #[test]
    fn of_the_addresses_of_a_name_only_good_ones_are_called() {
        let of = |texts: &[&str]| texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect::<Vec<_>>();
        assert_eq!(called(of(&["8.8.8.8", "10.0.0.1"]), false), Ok(of(&["8.8.8.8"])));
        assert_eq!(called(of(&["::1", "127.0.0.1"]), true), Ok(of(&["::1", "127.0.0.1"])));
        assert_eq!(called(Vec::new(), false), Ok(Vec::new()));
        let refused = called(of(&["127.0.0.1"]), false).unwrap_err();
        assert!(refused.to_string().contains("127.0.0.1") && refused.to_string().contains("loopback"), "{refused}");
    }

    #[tokio::test]
    async fn an_address_that_leads_home_is_not_called() {
        let (fetcher, url) = (Fetcher::new(None, false).unwrap(), Url::parse("https://127.0.0.1:1/").unwrap());
        assert_eq!(fetcher.get(&url).await.unwrap_err().code(), "refused_url");
        assert_eq!(fetcher.post(&url, String::new(), None).await.unwrap_err().code(), "refused_url");
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_not_called() {
        // Nobody listens there; were it called, the error would be another one.
        let error = Fetcher::new(None, false).unwrap().get(&Url::parse("https://localhost:1/").unwrap()).await.unwrap_err();
        assert_eq!(error.code(), "refused_address", "{error:?}");
        let error = Fetcher::new(None, true).unwrap().get(&Url::parse("https://localhost:1/").unwrap()).await.unwrap_err();
        assert_eq!(error.code(), "unreachable", "{error:?}");
    }
}
