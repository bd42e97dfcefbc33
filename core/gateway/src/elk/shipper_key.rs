//! The API key that the shipper calls with. It may add documents to the data streams of one namespace, and look up whether they are there; it can
//! neither change nor delete anything. Its text is in a file that its owner alone can read, and nowhere else.

use super::ElkError;
use super::installing::{Mode, Outcome, Setup};
use super::server::{Credential, Method, key_id};
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the key may do.
pub(super) fn roles(namespace: &str) -> Value {
    json!({"synod_shipper": {
        "cluster": ["monitor"],
        "indices": [{
            "names": [format!("logs-synod.*-{namespace}")],
            // maintenance is for a refresh, after which what was sent before a crash is found; read is for finding it.
            "privileges": ["auto_configure", "create_doc", "read", "maintenance"],
        }],
    }})
}

/// What became of a key.
enum Found {
    None,
    Valid(String),
    Wrong(String, String),
}

impl Setup<'_> {
    /// Makes a key, unless the file holds one that is valid.
    pub(super) async fn shipper_key(&self, path: &Path) -> Result<Outcome, ElkError> {
        let found = self.found(path).await?;
        let (outcome, former) = match found {
            Found::None => (self.outcome(false, None), None),
            Found::Valid(id) if self.rotate => (self.outcome(true, Some("rotated".into())), Some(id)),
            Found::Valid(_) => (Outcome::Unchanged, None),
            Found::Wrong(id, why) => (self.outcome(true, Some(why)), Some(id)),
        };
        if matches!(outcome, Outcome::Made | Outcome::Changed(_)) {
            must_have_a_place(path)?;
            self.make(path).await?;
            // Only now: until the new one is in its place, the shipper goes on with this.
            if let Some(id) = former {
                let body = json!({"ids": [id]});
                self.send(Method::Delete, "/_security/api_key", Some(&body), "the end of the former API key").await?;
            }
        }
        Ok(outcome)
    }

    async fn found(&self, path: &Path) -> Result<Found, ElkError> {
        if !path.exists() {
            return Ok(Found::None);
        }
        // What is no key is somebody's file, and is not written over.
        let Credential::ApiKey(encoded) = Credential::api_key(path)? else { return Ok(Found::None) };
        let Some(id) = key_id(&encoded) else { return Ok(Found::None) };
        let answer = self.server.get(&format!("/_security/api_key?id={}", url_part(&id))).await?;
        if answer.status == 404 {
            return Ok(Found::None);
        }
        let answer = answer.ok("the API key")?;
        Ok(match answer["api_keys"].as_array().and_then(|keys| keys.first()) {
            None => Found::None,
            Some(key) => match self.wrong(key) {
                None => Found::Valid(id),
                Some(why) => Found::Wrong(id, why),
            },
        })
    }

    /// Why a key is not good enough, or too good.
    fn wrong(&self, key: &Value) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let roles = roles(&self.wishes.namespace);
        if key["invalidated"] == true {
            return Some("it was revoked".into());
        }
        if key["expiration"].as_u64().is_some_and(|end| end <= now) {
            return Some("it has expired".into());
        }
        let given = key["role_descriptors"].as_object();
        let same = given.is_some_and(|given| {
            given.len() == 1 && given.get("synod_shipper").is_some_and(|given| is_granted(&roles["synod_shipper"], given))
        });
        (!same).then(|| "its privileges are others".to_owned())
    }

    async fn make(&self, path: &Path) -> Result<(), ElkError> {
        let namespace = &self.wishes.namespace;
        let body = json!({
            "name": format!("synod-shipper-{namespace}"),
            "role_descriptors": roles(namespace),
            "metadata": {"managed_by": "synod"},
        });
        let made = self.send(Method::Post, "/_security/api_key", Some(&body), "an API key").await?;
        if self.mode == Mode::DryRun {
            return Ok(());
        }
        // Shown is nothing of an answer that may hold a secret.
        let strange = || ElkError::Strange { what: "an API key".into(), answer: "an answer without a key in `encoded`".into() };
        let encoded = made["encoded"].as_str().filter(|encoded| key_id(encoded).is_some()).ok_or_else(strange)?;
        synod_store::write_private_file(path, format!("{encoded}\n").as_bytes())
            .map_err(|source| ElkError::KeyFile { path: path.to_owned(), source })
    }
}

/// A key that cannot be kept is not made.
fn must_have_a_place(path: &Path) -> Result<(), ElkError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let there = std::fs::metadata(folder).and_then(|folder| if folder.is_dir() { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) });
    there.map_err(|source| ElkError::KeyFile { path: path.to_owned(), source })
}

/// Whether a role has these privileges on these indices and no others; the server writes its defaults beside them.
fn is_granted(wanted: &Value, given: &Value) -> bool {
    let set = |value: &Value| {
        let mut texts: Vec<String> = value.as_array().into_iter().flatten().map(ToString::to_string).collect();
        texts.sort();
        texts
    };
    let indices = given["indices"].as_array().map_or(&[][..], Vec::as_slice);
    let [index] = indices else { return false };
    let wanted_index = &wanted["indices"][0];
    set(&wanted["cluster"]) == set(&given["cluster"])
        && set(&wanted_index["names"]) == set(&index["names"])
        && set(&wanted_index["privileges"]) == set(&index["privileges"])
}

/// A text as a part of a query.
fn url_part(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_can_add_and_find_documents_of_one_namespace_alone() {
        let roles = roles("north");
        assert_eq!(roles.as_object().unwrap().len(), 1);
        let index = &roles["synod_shipper"]["indices"][0];
        assert_eq!(index["names"], json!(["logs-synod.*-north"]));
        let privileges: Vec<_> = index["privileges"].as_array().unwrap().iter().map(|privilege| privilege.as_str().unwrap()).collect();
        assert!(!privileges.iter().any(|privilege| ["all", "write", "index", "delete", "manage"].contains(privilege)), "{privileges:?}");
    }

    #[test]
    fn more_or_fewer_privileges_are_others() {
        let wanted = &roles("default")["synod_shipper"];
        let mut given = wanted.clone();
        given["indices"][0]["allow_restricted_indices"] = json!(false);
        given["indices"][0]["privileges"].as_array_mut().unwrap().reverse();
        assert!(is_granted(wanted, &given));
        for (path, value) in [("/indices/0/privileges", json!(["all"])), ("/cluster", json!(["all"])), ("/indices/0/names", json!(["*"]))] {
            let mut given = wanted.clone();
            *given.pointer_mut(path).unwrap() = value;
            assert!(!is_granted(wanted, &given), "{path}");
        }
    }
}
