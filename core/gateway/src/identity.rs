//! How a request's sender proves who they are: from the credentials that came with it to a [`Caller`]. What the caller may do is decided by
//! `access`; how tokens and keys are verified, by the crate `synod-identity`.

mod certificates;
pub mod keys;
pub mod login;
pub mod providers;
pub mod server;
mod verified;

use crate::access::{Caller, Roles};
use crate::auditing::{Action, AuditOutcome, AuditRecord};
use crate::config::Config;
use crate::listening::ClientCertificate;
use certificates::Certificates;
use keys::{ApiKeys, KeysError};
use login::{Login, LoginMistake};
use providers::{ProviderMistake, Providers};
use server::{AuthorisationServer, Issued, NotIssued, ServerError};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use synod_identity::{API_KEY_ISSUER, PresentedApiKey, Principal, unverified_issuer};
use synod_store::DataDirectory;
use thiserror::Error;
use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;
use verified::VerifiedTokens;

/// How often the files with keys are looked at.
const ROUND: Duration = Duration::from_millis(500);

/// What came with a request to prove who sent it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// What follows `Bearer ` in `Authorization`.
    pub bearer: Option<&'a str>,
    /// What the client showed when it connected.
    pub certificate: Option<&'a ClientCertificate>,
}

/// Why a credential is refused. The reason is for logs, metrics and the audit trail; whoever sent it is told that it is invalid, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRefused {
    /// A stable word.
    pub reason: &'static str,
}

/// Why credentials cannot be verified at all.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The API keys cannot be used.
    #[error("API keys")]
    Keys(#[from] KeysError),
    /// The embedded authorisation server cannot be used.
    #[error("authorisation server")]
    Server(#[from] ServerError),
    /// An identity provider cannot be asked.
    #[error(transparent)]
    Provider(#[from] ProviderMistake),
    /// There can be no login.
    #[error(transparent)]
    Login(#[from] LoginMistake),
}

/// Everything that credentials are verified with.
#[derive(Debug)]
pub struct Identity {
    roles: Roles,
    anonymous: Caller,
    keys: ApiKeys,
    server: Option<AuthorisationServer>,
    certificates: Certificates,
    providers: Arc<Providers>,
    login: Option<Login>,
    verified: VerifiedTokens,
}

impl Identity {
    /// What is configured, with the keys of the data directory.
    ///
    /// # Errors
    /// When keys cannot be read or made.
    pub fn open(config: &Config, directory: &DataDirectory) -> Result<Arc<Self>, IdentityError> {
        let roles = &config.identity.roles;
        let providers = Arc::new(Providers::new(&config.identity.providers)?);
        let login = config.identity.login.clone().map(|login| Login::new(login, &providers, roles)).transpose()?;
        let server = config.identity.server.clone().map(|server| AuthorisationServer::open(server, directory, now()));
        Ok(Arc::new(Self {
            anonymous: Caller::anonymous(&config.identity.anonymous, roles),
            keys: ApiKeys::open(config, directory)?,
            server: server.transpose()?,
            certificates: Certificates::new(&config.identity.certificates, roles),
            providers,
            login,
            verified: VerifiedTokens::default(),
            roles: roles.clone(),
        }))
    }

    /// The identity providers.
    pub fn providers(&self) -> &Arc<Providers> {
        &self.providers
    }

    /// The console's login, if there is one.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Which roles there are.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// The API keys.
    pub fn keys(&self) -> &ApiKeys {
        &self.keys
    }

    /// The embedded authorisation server, if it is enabled.
    pub fn server(&self) -> Option<&AuthorisationServer> {
        self.server.as_ref()
    }

    /// Who sent a request. A request without credentials is somebody's who is allowed what the configuration says; one with a bad credential
    /// is refused, and not taken for one without. What was sent with the request goes before what the connection has shown.
    ///
    /// # Errors
    /// When a credential came that does not hold.
    pub async fn caller(&self, credentials: Credentials<'_>) -> Result<Caller, CredentialRefused> {
        let caller = match (credentials.bearer, credentials.certificate) {
            (Some(key), _) if PresentedApiKey::is_meant(key) => self.of_key(key, now()),
            (Some(token), _) => self.of_token(token, now()).await,
            (None, Some(certificate)) => self.of_certificate(certificate, now()),
            (None, None) => return Ok(self.anonymous.clone()),
        };
        caller.map_err(|reason| CredentialRefused { reason })
    }

    fn of_key(&self, text: &str, now: u64) -> Result<Caller, &'static str> {
        let presented = PresentedApiKey::parse(text).map_err(synod_identity::ApiKeyRefused::code)?;
        self.keys.verify(&presented, now)
    }

    fn of_certificate(&self, certificate: &ClientCertificate, now: u64) -> Result<Caller, &'static str> {
        let Some(caller) = self.certificates.caller(certificate) else { return Ok(self.anonymous.clone()) };
        // It held when the connection was opened, which may be long ago.
        match u64::try_from(certificate.not_after).is_ok_and(|end| now <= end) {
            true => Ok(caller.clone()),
            false => Err("certificate_expired"),
        }
    }

    async fn of_token(&self, token: &str, now: u64) -> Result<Caller, &'static str> {
        let digest = VerifiedTokens::digest(token);
        // Before anything is verified: what changes meanwhile makes it old.
        let generation = self.generation();
        if let Some(caller) = self.verified.get(&digest, generation, now) {
            return Ok(caller);
        }
        let issuer = unverified_issuer(token).ok_or("not_a_token")?;
        let (principal, until) = match &self.server {
            Some(server) if server.issuer() == issuer => self.of_own_token(server, token, now)?,
            _ if self.providers.knows(&issuer) => {
                let principal = self.providers.verify(token, &issuer, now).await.map_err(|refused| refused.code())?;
                let until = principal.expires;
                (principal, until)
            }
            _ => return Err("unknown_issuer"),
        };
        let caller = Caller::known(principal, &self.roles);
        self.verified.put(digest, caller.clone(), until, generation, now);
        Ok(caller)
    }

    /// A token of the embedded server speaks for its key, within its own scopes: it is who the key is, and ends when the key does.
    fn of_own_token(&self, server: &AuthorisationServer, token: &str, now: u64) -> Result<(Principal, u64), &'static str> {
        let (principal, until) = server.verify(token, now).map_err(synod_identity::Refused::code)?;
        let id = principal.subject.parse().map_err(|_| "malformed_sub")?;
        let standing = self.keys.standing(id).ok_or("key_unknown")?;
        standing.check(now)?;
        // Without a scope that we know it would be limited by nothing.
        if principal.scopes.is_empty() {
            return Err("missing_scopes");
        }
        let terms = &standing.key.terms;
        let until = until.min(terms.expires);
        let principal =
            Principal { issuer: API_KEY_ISSUER.to_owned(), tenant: terms.tenant.clone(), roles: terms.roles.clone(), ..principal };
        Ok((principal, until))
    }

    /// Gives an access token to whoever proves to have a key, whose id is `client`.
    ///
    /// # Errors
    /// When there is no server, the secret is not that key's, or the scopes are more than it has.
    pub fn issue(&self, client: &str, secret: &str, scope: Option<&str>) -> Result<Issued, TokenRefused> {
        let server = self.server.as_ref().ok_or(TokenRefused::NoServer)?;
        let refused = |reason| TokenRefused::Client(CredentialRefused { reason });
        let presented = PresentedApiKey::parse(secret).map_err(|why| refused(why.code()))?;
        if presented.id().to_string() != client {
            return Err(refused("key_of_another_client"));
        }
        let standing = self.keys.verified(&presented, now()).map_err(refused)?;
        let terms = &standing.key.terms;
        let grants = self.roles.grants(terms.roles.iter().map(String::as_str), terms.scopes.iter().map(String::as_str));
        server.issue(&standing.key, &grants, scope, now()).map_err(|why| match why {
            NotIssued::Scope(detail) => TokenRefused::Scope(detail),
            NotIssued::Signing(error) => TokenRefused::Fault(error.to_string()),
        })
    }

    /// What was done with keys elsewhere than over HTTP since this was asked last, to be audited.
    pub fn take_acts(&self) -> Vec<AuditRecord> {
        let mut acts = self.keys.take_acts();
        if self.server.as_ref().is_some_and(AuthorisationServer::has_made_key) {
            acts.push(AuditRecord::new(Action::SIGNING_KEY_CREATED, AuditOutcome::Allowed));
        }
        acts
    }

    /// Changes whenever something does that tokens are verified with. Each part only grows, and so does the sum.
    fn generation(&self) -> u64 {
        self.keys.generation() + self.server.as_ref().map_or(0, AuthorisationServer::generation) + self.providers.generation()
    }

    /// Reads the files with keys again whenever they change, and when `asked`. It never ends.
    pub async fn follow(self: Arc<Self>, mut asked: Signal) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let at_once = tokio::select! {
                _ = rounds.tick() => false,
                Some(()) = asked.recv() => true,
            };
            let identity = self.clone();
            let look = move || {
                identity.keys.look(at_once);
                if let Some(server) = &identity.server {
                    server.look(at_once, now());
                }
            };
            // At the end of the service it is cancelled, which is no fault.
            if let Err(error) = tokio::task::spawn_blocking(look).await
                && error.is_panic()
            {
                tracing::error!(%error, "looking for other keys failed");
            }
        }
    }
}

/// Why no access token is given.
#[derive(Debug)]
pub enum TokenRefused {
    /// The server is not enabled.
    NoServer,
    /// The client is not who it says.
    Client(CredentialRefused),
    /// A scope is unknown, or more than the client has.
    Scope(String),
    /// A fault of Synod's own.
    Fault(String),
}

/// The time, in Unix seconds.
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
