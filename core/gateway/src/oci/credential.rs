//! Who calls a registry: by name and password from the command line, or by what `docker login` has kept.

use super::{OciError, Reference};
use crate::calling::SecretFile;
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Most bytes of Docker's configuration.
const LARGEST: u64 = 1 << 20;

/// A name and a password, or a token in its place. It is never shown.
#[derive(Clone)]
pub struct Credential {
    pub(super) name: String,
    pub(super) password: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}

impl Credential {
    /// Of this name, with the password in this file.
    ///
    /// # Errors
    /// When it cannot be read, or is no password.
    pub fn of_file(name: &str, password: &Path) -> Result<Self, OciError> {
        let secret = SecretFile::open(password).map_err(|error| OciError::Password(crate::command::chain(&error)))?;
        Ok(Self { name: name.to_owned(), password: secret.text().to_string() })
    }

    /// What `docker login` has kept for this registry, if it has.
    ///
    /// # Errors
    /// When there is something that cannot be used.
    pub fn of_docker(reference: &Reference) -> Result<Option<Self>, OciError> {
        let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".docker")));
        folder.map_or(Ok(None), |folder| Self::of_docker_file(&folder.join("config.json"), reference.authority()))
    }

    fn of_docker_file(path: &Path, host: &str) -> Result<Option<Self>, OciError> {
        let failed = |why: &str| OciError::Docker { path: path.to_owned(), why: why.to_owned() };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| failed(&error.to_string()))?,
        };
        // The library's own words may hold what a helper said.
        match get_credential_from_reader(file.take(LARGEST), host) {
            Ok(DockerCredential::UsernamePassword(name, password)) => Ok(Some(Self { name, password })),
            Ok(DockerCredential::IdentityToken(_)) => Err(failed("an identity token is kept for the registry, which is not supported")),
            Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
            Err(CredentialRetrievalError::ConfigReadError) => Err(failed("it is no configuration of Docker")),
            Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
                Err(failed(&format!("`{helper}` gives no credential for the registry: log in again")))
            }
            Err(CredentialRetrievalError::HelperCommunicationError | CredentialRetrievalError::MalformedHelperResponse) => {
                Err(failed("the credential helper that it names cannot be called"))
            }
            Err(_) => Err(failed("the credential that is kept for the registry cannot be read: log in again")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_login_keeps_is_found_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        assert!(Credential::of_docker_file(&path, "r.example").unwrap().is_none());
        let put = |text: &str| std::fs::write(&path, text).unwrap();
        put(
            r#"{"auths": {"r.example:5000": {"auth": "YW5hOnM6ZWNyZXQ="}, "t.example": {"identitytoken": "hidden"}, "b.example": {"auth": "?"}}}"#,
        );
        let found = Credential::of_docker_file(&path, "r.example:5000").unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.password.as_str()), ("ana", "s:ecret"));
        assert!(!format!("{found:?}").contains("ecret"));
        assert!(Credential::of_docker_file(&path, "r.example").unwrap().is_none(), "another port is another registry");
        for host in ["t.example", "b.example"] {
            let error = Credential::of_docker_file(&path, host).unwrap_err().to_string();
            assert!(error.contains("--password-file") && !error.contains("hidden"), "{error}");
        }
        put(r#"{"credHelpers": {"r.example": "synod-that-is-not-there"}}"#);
        assert!(Credential::of_docker_file(&path, "r.example").unwrap_err().to_string().contains("helper"));
        put("no json");
        assert!(Credential::of_docker_file(&path, "r.example").unwrap_err().to_string().contains("no configuration of Docker"));
    }
}
