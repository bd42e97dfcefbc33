//! A Kibana: its saved objects are compared with ours by exporting them, and brought by importing the file.

use super::embedded::KIBANA;
use super::installing::{Mode, Outcome, Setup};
use super::server::{Answer, Credential, address};
use super::{ElkError, comparing};
use crate::calling::{call_up_to, client};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use url::Url;

/// An import takes a while.
const LONGEST: Duration = Duration::from_secs(120);
/// The most that is read of an answer: all objects, several times.
const MOST: usize = 4 << 20;
/// What parts a form: nothing in the file begins a line so.
const BOUNDARY: &str = "synod-1f7e2c64b0a94d5e8a3f";

/// A saved object's type and id.
type Key = (String, String);

/// What links to decisions begin with in the file: nothing, as if Synod were at Kibana's own host.
const LINK: &str = r#"urlTemplate\":\"/v1/decisions/"#;

/// A Kibana.
#[derive(Debug)]
pub(crate) struct Kibana {
    url: Url,
    /// What it imports.
    objects: String,
    client: Client,
    credential: Credential,
}

/// What differs from ours.
#[derive(Debug, Default)]
struct Differences {
    missing: usize,
    other: Vec<String>,
}

impl Kibana {
    /// One at this address, which may have a path, that of a space say. Links to decisions lead to `synod`, if that is given.
    ///
    /// # Errors
    /// When an address is none, or the certificates are.
    pub(crate) fn new(url: &str, root: Option<&Path>, credential: Credential, synod: Option<&str>) -> Result<Self, ElkError> {
        let objects = match synod {
            Some(synod) => KIBANA.replace(LINK, &LINK.replace("/v1/", &format!("{}/v1/", address(synod)?.as_str().trim_end_matches('/')))),
            None => KIBANA.to_owned(),
        };
        Ok(Self { url: address(url)?, objects, client: client(root, LONGEST, None)?, credential })
    }

    async fn post(&self, path: &str, form: &str, body: Vec<u8>) -> Result<Answer, ElkError> {
        let url = format!("{}{path}", self.url.as_str().trim_end_matches('/'));
        // Without this Kibana takes a request for one that a browser was lured into.
        let request = self.client.post(url).header("kbn-xsrf", "true").header(CONTENT_TYPE, form).body(body);
        let received = call_up_to(self.signed(request), MOST).await;
        let received = received.map_err(|source| ElkError::Kibana { server: self.url.to_string(), source })?;
        Ok(Answer::new(received.status, String::from_utf8_lossy(&received.body).into_owned()))
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.credential {
            Credential::None => request,
            Credential::User(name, password) => request.basic_auth(name, Some(password)),
            Credential::ApiKey(encoded) => request.header(AUTHORIZATION, format!("ApiKey {encoded}")),
        }
    }

    /// Those of these objects that are there.
    async fn export(&self, keys: &BTreeSet<Key>) -> Result<BTreeMap<Key, Value>, ElkError> {
        let mut asked = keys.clone();
        // The second time nobody is asked for what the first answer said is missing.
        for _ in 0..2 {
            if asked.is_empty() {
                break;
            }
            let objects: Vec<Value> = asked.iter().map(|(kind, id)| json!({"type": kind, "id": id})).collect();
            let body = json!({"objects": objects, "excludeExportDetails": true, "includeReferencesDeep": false});
            let answer = self.post("/api/saved_objects/_export", "application/json", body.to_string().into_bytes()).await?;
            if answer.status == 200 {
                return lines(&answer.text);
            }
            let missing = answer.json["attributes"]["objects"].as_array().cloned().unwrap_or_default();
            if answer.status != 400 || missing.is_empty() {
                return Err(ElkError::Refused { what: "Kibana's export".into(), status: answer.status, reason: answer.reason() });
            }
            asked.retain(|key| !missing.iter().any(|object| self::key(object).as_ref() == Some(key)));
        }
        Ok(BTreeMap::new())
    }

    async fn import(&self) -> Result<(), ElkError> {
        let form = format!("multipart/form-data; boundary={BOUNDARY}");
        let answer =
            self.post("/api/saved_objects/_import?overwrite=true", &form, multipart(&self.objects)).await?.ok("Kibana's import")?;
        if answer["success"] == true {
            return Ok(());
        }
        let errors = answer["errors"].as_array().map_or(&[][..], Vec::as_slice);
        let told: Vec<String> =
            errors.iter().take(3).map(|error| format!("{} {}: {}", error["type"], error["id"], error["error"])).collect();
        let reason = format!("{} objects were not taken: {}", errors.len(), told.join("; "));
        Err(ElkError::Refused { what: "Kibana's import".into(), status: 200, reason })
    }
}

impl Setup<'_> {
    /// Imports ours, unless they are there.
    pub(super) async fn saved_objects(&self, kibana: &Kibana) -> Result<Outcome, ElkError> {
        let ours = lines(&kibana.objects)?;
        let found = kibana.export(&ours.keys().cloned().collect()).await?;
        let differences = differences(&ours, &found);
        let outcome = self.outcome(!found.is_empty(), differences.told());
        if matches!(outcome, Outcome::Made | Outcome::Changed(_)) {
            match self.mode {
                Mode::DryRun => (self.tell)(&"POST /api/saved_objects/_import?overwrite=true\n(the file elk/kibana/synod.ndjson)\n"),
                _ => kibana.import().await?,
            }
        }
        Ok(outcome)
    }
}

impl Differences {
    fn told(&self) -> Option<String> {
        let missing = (self.missing > 0).then(|| format!("{} are missing", self.missing));
        let other = self.other.first().map(|first| match self.other.len() {
            1 => first.clone(),
            more => format!("{first}, and {} more", more - 1),
        });
        let told: Vec<String> = missing.into_iter().chain(other).collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

fn differences(ours: &BTreeMap<Key, Value>, found: &BTreeMap<Key, Value>) -> Differences {
    let mut differences = Differences::default();
    for (key, wanted) in ours {
        match found.get(key) {
            None => differences.missing += 1,
            Some(there) => differences.other.extend(difference(wanted, there).map(|what| format!("{} {}: {what}", key.0, key.1))),
        }
    }
    differences
}

/// How an object differs from ours. A newer Kibana migrates what it imports; then only what people call it is compared.
fn difference(wanted: &Value, found: &Value) -> Option<String> {
    let migrated = wanted["typeMigrationVersion"] != found["typeMigrationVersion"];
    let part = |object: &Value| match migrated {
        true => json!({"attributes": {"title": object["attributes"]["title"]}}),
        false => json!({"attributes": unfolded(&object["attributes"]), "references": object["references"]}),
    };
    comparing::difference(&part(wanted), &part(found))
}

/// Attributes with what is JSON within texts spread out, so that its spelling is no difference.
fn unfolded(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            object.iter().map(|(name, value)| (name.clone(), unfolded(value))).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(values) => values.iter().map(unfolded).collect(),
        Value::String(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).map_or_else(|_| value.clone(), |inner: Value| unfolded(&inner))
        }
        other => other.clone(),
    }
}

fn key(object: &Value) -> Option<Key> {
    Some((object["type"].as_str()?.to_owned(), object["id"].as_str()?.to_owned()))
}

/// Saved objects, one in each line.
fn lines(text: &str) -> Result<BTreeMap<Key, Value>, ElkError> {
    let strange = |line: &str| ElkError::Strange { what: "Kibana's export".into(), answer: line.chars().take(80).collect() };
    let object = |line: &str| {
        let object: Value = serde_json::from_str(line).map_err(|_| strange(line))?;
        Ok((key(&object).ok_or_else(|| strange(line))?, object))
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(object).collect()
}

/// A file as a form with one part.
fn multipart(file: &str) -> Vec<u8> {
    let head = "content-disposition: form-data; name=\"file\"; filename=\"synod.ndjson\"\r\ncontent-type: application/ndjson";
    format!("--{BOUNDARY}\r\n{head}\r\n\r\n{file}\r\n--{BOUNDARY}--\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_objects_are_as_they_are_whatever_the_spelling() {
        let ours = lines(KIBANA).unwrap();
        assert!(ours.len() > 10);
        assert!(!KIBANA.contains(BOUNDARY) && KIBANA.contains(LINK));
        assert_eq!(differences(&ours, &ours).told(), None);
        let (key, first) = ours.iter().find(|(_, object)| object["attributes"]["panelsJSON"].is_string()).unwrap();
        let mut found = ours.clone();
        let spelt: Value = serde_json::from_str(first["attributes"]["panelsJSON"].as_str().unwrap()).unwrap();
        found.get_mut(key).unwrap()["attributes"]["panelsJSON"] = json!(format!("{spelt:#}"));
        found.get_mut(key).unwrap()["updated_at"] = json!("2026-01-01");
        assert_eq!(differences(&ours, &found).told(), None);
    }

    #[test]
    fn what_is_missing_or_another_is_named() {
        let ours = lines(KIBANA).unwrap();
        let keys: Vec<Key> = ours.keys().cloned().collect();
        let mut found = ours.clone();
        found.remove(&keys[0]);
        found.get_mut(&keys[1]).unwrap()["attributes"]["title"] = json!("Another");
        let told = differences(&ours, &found).told().unwrap();
        assert!(told.starts_with("1 are missing; ") && told.contains(&keys[1].1) && told.contains("attributes.title is Another"), "{told}");
        // A migrated one is only asked what it is called.
        found.get_mut(&keys[2]).unwrap()["typeMigrationVersion"] = json!("99.0.0");
        found.get_mut(&keys[2]).unwrap()["attributes"]["more"] = json!(1);
        assert!(!differences(&ours, &found).told().unwrap().contains(&keys[2].1));
    }
}
