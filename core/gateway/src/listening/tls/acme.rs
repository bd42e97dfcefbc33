//! A certificate from an authority, by ACME (RFC 8555), with the challenge tls-alpn-01 (RFC 8737): the authority calls the clients' own
//! listener. The protocol, and when a certificate is renewed (at two thirds of its period), is `rustls-acme`'s; here is what surrounds it.

use super::certificate::validity;
use super::clients::roots;
use super::{TlsError, config, provider};
use crate::hexadecimal::hexadecimal;
use crate::telemetry::metrics::{Connections, Order};
use arc_swap::{ArcSwap, Guard};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use rustls_acme::acme::ACME_TLS_ALPN_NAME;
use rustls_acme::{AccountCache, AcmeConfig, AcmeState, CertCache, Event, EventError, EventOk, ResolvesServerCertAcme};
use sha2::{Digest as _, Sha256};
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use synod_store::PrivateFolder;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// How long an order may take beyond the pauses that are known. The library waits for answers of the authority without end.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long it is waited after an order that something came of. The library orders again at once what cannot be used, or has all but ended by
/// this machine's clock.
const PAUSE: Duration = Duration::from_secs(10);
/// The library doubles its pause after each failed order, up to 2^16 seconds.
const MOST_DOUBLINGS: u32 = 16;
/// An authority's words in the log are cut after so many characters.
const LONGEST_ERROR: usize = 500;

/// Which authority gives a certificate, and for whom.
#[derive(Debug, Clone)]
pub struct AcmeSettings {
    /// The address of its directory.
    pub directory: String,
    /// Whom the certificate is for.
    pub domains: Vec<String>,
    /// Whom the authority may write to, as `mailto:` addresses.
    pub contact: Vec<String>,
    /// What its own directory's certificate is verified with, in PEM; the system's roots if there is none.
    pub root: Option<PathBuf>,
    /// Where the account's key and the certificate are kept; `acme` in the data directory if there is none.
    pub cache: Option<PathBuf>,
}

impl AcmeSettings {
    /// Whether the files that they name can be used.
    pub(super) fn check(&self) -> Result<(), TlsError> {
        self.client_config().map(|_| ())
    }

    fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let roots = self.root.as_ref().map_or_else(system_roots, |path| roots("acme.root", path))?;
        let versions = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = versions.expect("the provider has cipher suites for the default versions");
        Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Some systems have roots that cannot be read among those that can.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

type State = AcmeState<io::Error, io::Error>;

/// Orders certificates, and knows the one that is served.
#[derive(Debug)]
pub(super) struct Acme {
    settings: AcmeSettings,
    client_config: Arc<ClientConfig>,
    kept: Kept,
    resolver: Arc<Resolver>,
    challenge: Arc<ServerConfig>,
    first: Mutex<Option<State>>,
}

impl Acme {
    pub(super) fn new(settings: AcmeSettings, data_directory: &Path) -> Result<Self, TlsError> {
        let client_config = settings.client_config()?;
        let path = settings.cache.clone().unwrap_or_else(|| data_directory.join("acme"));
        let folder = PrivateFolder::open(&path).map_err(|source| TlsError::Cache { path, source })?;
        let kept = Kept { folder, period: Arc::default() };
        let first = state(&settings, &client_config, &kept);
        let (ordering, serving) = (ArcSwap::new(first.resolver()), ArcSwap::new(first.resolver()));
        let resolver = Arc::new(Resolver { ordering, serving });
        let challenge = config(resolver.clone(), WebPkiClientVerifier::no_client_auth(), &[ACME_TLS_ALPN_NAME]);
        Ok(Self { settings, client_config, kept, resolver, challenge: Arc::new(challenge), first: Mutex::new(Some(first)) })
    }

    /// Shows the certificate that is there; none before the first one is.
    pub(super) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        self.resolver.clone()
    }

    /// What a handshake of the authority is done with.
    pub(super) fn challenge(&self) -> Arc<ServerConfig> {
        self.challenge.clone()
    }

    /// Orders a certificate whenever there is none that lasts. It never ends.
    pub(super) async fn follow(&self) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        loop {
            let mut state = first.take().unwrap_or_else(|| state(&self.settings, &self.client_config, &self.kept));
            self.resolver.ordering.store(state.resolver());
            let mut failures = 0;
            while let Ok(Some(event)) = tokio::time::timeout(patience(failures, self.kept.renewal()), state.next()).await {
                let ordered = is_end_of_order(&event);
                self.note(event, &state, &mut failures);
                if ordered {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            tracing::error!(directory = self.settings.directory, "the certificate's authority does not answer; the order is made anew");
        }
    }

    fn note(&self, event: Event<io::Error, io::Error>, state: &State, failures: &mut u32) {
        match &event {
            Ok(EventOk::DeployedCachedCert | EventOk::DeployedNewCert) => {
                *failures = 0;
                self.resolver.serving.store(state.resolver());
            }
            Err(EventError::Order(_)) => *failures += 1,
            _ => {}
        }
        let (domains, directory) = (self.settings.domains.join(", "), &self.settings.directory);
        match event {
            Ok(EventOk::DeployedCachedCert) => tracing::info!(domains, "the certificate that was kept is served"),
            Ok(EventOk::DeployedNewCert) => {
                Connections::all().ordered(Order::Issued);
                tracing::info!(domains, directory, "a new certificate is served");
            }
            Ok(EventOk::CertCacheStore) => tracing::debug!(domains, "the certificate is kept for the next start"),
            Ok(EventOk::AccountCacheStore) => tracing::info!(directory, "an account at the certificate's authority is made"),
            Err(EventError::Order(error)) => {
                Connections::all().ordered(Order::Failed);
                let error = cut(&error.to_string());
                tracing::error!(
                    domains,
                    directory,
                    error,
                    "a certificate could not be had; what was served still is, and it is tried again"
                );
            }
            Err(EventError::NewCertParse(error)) => {
                Connections::all().ordered(Order::Failed);
                tracing::error!(domains, directory, %error, "what the certificate's authority gave is no certificate; it is tried again");
            }
            Err(EventError::CertCacheStore(error) | EventError::AccountCacheStore(error)) => {
                let folder = self.kept.folder.path().display();
                tracing::error!(%folder, %error, "what the certificate's authority gave cannot be kept; it will be asked again after a restart");
            }
            Err(EventError::CertCacheLoad(error) | EventError::AccountCacheLoad(error)) => {
                let folder = self.kept.folder.path().display();
                tracing::error!(%folder, %error, "what the certificate's authority gave earlier cannot be read; it is asked again");
            }
            Err(EventError::CachedCertParse(error)) => {
                let folder = self.kept.folder.path().display();
                tracing::error!(%folder, %error, "what was kept is no certificate; the authority is asked again");
            }
        }
    }
}

/// Whether something came of an order, be it what was ordered or not.
fn is_end_of_order(event: &Event<io::Error, io::Error>) -> bool {
    matches!(event, Ok(EventOk::CertCacheStore) | Err(EventError::CertCacheStore(_) | EventError::NewCertParse(_)))
}

fn state(settings: &AcmeSettings, client_config: &Arc<ClientConfig>, kept: &Kept) -> State {
    AcmeConfig::new_with_client_config(&settings.domains, client_config.clone())
        .directory(&settings.directory)
        .contact(&settings.contact)
        .cache(kept.clone())
        .state()
}

/// How long it may be silent: until the certificate is to be renewed, or until an order that failed is tried again, and for one order.
fn patience(failures: u32, renewal: Option<Timestamp>) -> Duration {
    let until_renewal = renewal.and_then(|renewal| Duration::try_from(renewal.duration_since(Timestamp::now())).ok());
    let pause = if failures == 0 { Duration::ZERO } else { Duration::from_secs(1 << failures.min(MOST_DOUBLINGS)) };
    PATIENCE + pause + until_renewal.unwrap_or_default()
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_ERROR).collect()
}

/// Shows an authority what it asked for, and clients the certificate. They are two when an order is made anew while one is served.
#[derive(Debug)]
struct Resolver {
    ordering: ArcSwap<ResolvesServerCertAcme>,
    serving: ArcSwap<ResolvesServerCertAcme>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let resolver: Guard<_> = if rustls_acme::is_tls_alpn_challenge(&hello) { self.ordering.load() } else { self.serving.load() };
        resolver.resolve(hello)
    }
}

/// What is kept on disk: the account's key, and the certificate with its key. The names of the files tell settings apart.
#[derive(Debug, Clone)]
struct Kept {
    folder: PrivateFolder,
    /// For which period the certificate holds.
    period: Arc<Mutex<Option<[Timestamp; 2]>>>,
}

impl Kept {
    /// When the certificate is to be renewed, if there is one.
    fn renewal(&self) -> Option<Timestamp> {
        let [begin, end] = (*self.period.lock().unwrap_or_else(PoisonError::into_inner))?;
        end.checked_sub(end.duration_since(begin) / 3).ok()
    }

    fn note(&self, pem: &[u8]) {
        // The key comes first in it, then the chain with the own certificate first.
        let own = CertificateDer::pem_slice_iter(pem).next().and_then(Result::ok);
        let period = own.and_then(|own| validity(&own));
        match period {
            Some([_, end]) => Connections::all().certificate_ends(end.as_second()),
            None => tracing::warn!("it cannot be read when the certificate ends"),
        }
        *self.period.lock().unwrap_or_else(PoisonError::into_inner) = period;
    }

    async fn read(&self, name: String) -> io::Result<Option<Vec<u8>>> {
        let folder = self.folder.clone();
        blocking(move || folder.read(&name)).await
    }

    async fn write(&self, name: String, bytes: &[u8]) -> io::Result<()> {
        let (folder, bytes) = (self.folder.clone(), bytes.to_vec());
        blocking(move || folder.write(&name, &bytes)).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A file's name: what it holds, and a digest of what it was got for.
fn file(what: &str, parts: &[String], directory: &str, ending: &str) -> String {
    let mut digest = Sha256::new();
    for part in parts.iter().map(String::as_str).chain([directory]) {
        digest.update(part);
        digest.update([0]);
    }
    format!("{what}-{}.{ending}", &hexadecimal(&digest.finalize())[..32])
}

#[async_trait]
impl CertCache for Kept {
    type EC = io::Error;

    async fn load_cert(&self, domains: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        let pem = self.read(file("certificate", domains, directory, "pem")).await?;
        pem.iter().for_each(|pem| self.note(pem));
        Ok(pem)
    }

    async fn store_cert(&self, domains: &[String], directory: &str, pem: &[u8]) -> io::Result<()> {
        self.note(pem);
        self.write(file("certificate", domains, directory, "pem"), pem).await
    }
}

#[async_trait]
impl AccountCache for Kept {
    type EA = io::Error;

    async fn load_account(&self, contact: &[String], directory: &str) -> io::Result<Option<Vec<u8>>> {
        self.read(file("account", contact, directory, "key")).await
    }

    async fn store_account(&self, contact: &[String], directory: &str, key: &[u8]) -> io::Result<()> {
        self.write(file("account", contact, directory, "key"), key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_borne_for_as_long_as_it_is_meant() {
        let hours = |hours: i64| Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        assert_eq!(patience(0, None), PATIENCE);
        assert_eq!(patience(0, Some(hours(-5))), PATIENCE, "a renewal that is due");
        assert!(patience(0, Some(hours(48))) > Duration::from_secs(48 * 3600));
        // The pause after the sixteenth failure and all later ones.
        assert_eq!(patience(40, None), PATIENCE + Duration::from_secs(65_536));
    }

    #[test]
    fn other_settings_have_other_files() {
        let names = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let of = |parts: &[&str], directory| file("certificate", &names(parts), directory, "pem");
        let all = [of(&["a", "b"], "c"), of(&["ab"], "c"), of(&["a"], "bc"), of(&["a", "b"], "d")];
        assert!((0..4).all(|one| (0..one).all(|other| all[one] != all[other])), "{all:?}");
        assert!(all.iter().all(|name| name.len() == 48), "{all:?}");
    }
}
