//! Sending again what was refused, once the reason is mended. Dead letters are read in the order of their ids; each document goes to its own
//! data stream under its own id, unless it is there already, and only then is its dead letter deleted. What is still refused stays, so this can be
//! ended and begun again at any time.

use super::ElkError;
use super::server::{Method, Server};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many dead letters are read at a time: each may be as large as a request, and all are in memory.
const PAGE: usize = 50;
/// How many bytes of documents are sent at a time; one that is larger goes alone.
const MOST: usize = 8 << 20;

/// What is sent again.
#[derive(Debug, Clone)]
pub(crate) struct Redelivery {
    /// Of which namespace.
    pub(crate) namespace: String,
    /// Only what was refused for this kind of error.
    pub(crate) kind: Option<String>,
    /// Only what was refused from this moment on.
    pub(crate) since: Option<String>,
    /// Nothing is sent.
    pub(crate) dry_run: bool,
}

/// What became of dead letters.
#[derive(Debug, Default)]
pub(crate) struct Redelivered {
    /// They were read.
    pub(crate) read: u64,
    /// They were taken.
    pub(crate) taken: u64,
    /// They were there already.
    pub(crate) there: u64,
    /// They are refused again, by the reasons.
    pub(crate) refused: BTreeMap<String, u64>,
    /// They cannot be sent, by the reasons.
    pub(crate) unfit: BTreeMap<String, u64>,
    /// How many there are for each data stream and kind of error.
    pub(crate) kinds: BTreeMap<(String, String), u64>,
}

impl Redelivered {
    /// How many are left.
    pub(crate) fn left(&self) -> u64 {
        self.refused.values().chain(self.unfit.values()).sum()
    }
}

/// A dead letter.
#[derive(Debug, Clone, Deserialize)]
struct Letter {
    #[serde(rename = "_index")]
    index: String,
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_source")]
    source: Value,
    sort: Value,
}

/// A document within a dead letter.
#[derive(Debug, Clone)]
struct Document {
    stream: String,
    id: String,
    text: String,
    letter: Letter,
}

impl Redelivery {
    /// Sends what there is. `done` is told how far it is after each page.
    ///
    /// # Errors
    /// When the server refuses a whole request, or none answers. What was taken until then is taken.
    pub(crate) async fn run(&self, server: &Server, done: &mut Redelivered) -> Result<(), ElkError> {
        let letters = format!("logs-synod.dead_letter-{}", self.namespace);
        if !refreshed(server, &letters).await? {
            return Ok(());
        }
        let mut after = None;
        loop {
            let page = self.page(server, &letters, after.as_ref()).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.sort.clone());
            self.deliver(server, page, done).await?;
        }
    }

    async fn page(&self, server: &Server, letters: &str, after: Option<&Value>) -> Result<Vec<Letter>, ElkError> {
        // Filebeat's dead letters have no id, and do not say where they belong.
        let mut filters = vec![json!({"exists": {"field": "event.id"}})];
        filters.extend(self.kind.as_ref().map(|kind| json!({"term": {"synod.dead_letter.type": kind}})));
        filters.extend(self.since.as_ref().map(|since| json!({"range": {"@timestamp": {"gte": since}}})));
        let mut body = json!({"size": PAGE, "query": {"bool": {"filter": filters}}, "sort": [{"event.id": "asc"}]});
        if let Some(after) = after {
            body["search_after"] = after.clone();
        }
        let answer = server.send(Method::Post, &format!("/{letters}/_search"), Some(&body)).await?.ok(letters)?;
        let strange = |error: serde_json::Error| ElkError::Strange { what: letters.to_owned(), answer: error.to_string() };
        serde_json::from_value(answer["hits"]["hits"].clone()).map_err(strange)
    }

    async fn deliver(&self, server: &Server, page: Vec<Letter>, done: &mut Redelivered) -> Result<(), ElkError> {
        done.read += page.len() as u64;
        let mut documents = Vec::new();
        for letter in page {
            let about = &letter.source["synod"]["dead_letter"];
            let word = |name: &str| about[name].as_str().unwrap_or("unknown").to_owned();
            *done.kinds.entry((word("stream"), word("type"))).or_default() += 1;
            match document(letter, &self.namespace) {
                Ok(document) => documents.push(document),
                Err(why) => *done.unfit.entry(why.to_owned()).or_default() += 1,
            }
        }
        if self.dry_run {
            return Ok(());
        }
        let (there, absent) = parted(server, documents).await?;
        done.there += there.len() as u64;
        delete(server, &there).await?;
        for parcel in parcels(absent) {
            let taken = create(server, parcel, done).await?;
            delete(server, &taken).await?;
        }
        Ok(())
    }
}

/// The document of a dead letter, or why it cannot be sent.
fn document(letter: Letter, namespace: &str) -> Result<Document, &'static str> {
    let about = &letter.source["synod"]["dead_letter"];
    if about["truncated"] == true {
        return Err("only their beginning was kept, as they were too large: the log has all of them");
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (stream, id) = text(&about["stream"]).zip(text(&about["id"])).ok_or("they do not say where they belong")?;
    // What anybody wrote into a dead letter must not lead elsewhere.
    let inner = stream.strip_prefix("logs-synod.").and_then(|rest| rest.strip_suffix(namespace)?.strip_suffix('-'));
    if inner.is_none_or(|inner| inner.contains(['*', ',', '-', '/'])) {
        return Err("they belong to no data stream of this namespace");
    }
    let original = text(&letter.source["event"]["original"]).ok_or("they have no original")?;
    if !serde_json::from_str::<Value>(&original).is_ok_and(|document| document.is_object()) {
        return Err("their original is no JSON object");
    }
    // One line, letter by letter: a break is never within a text.
    Ok(Document { stream, id, text: original.replace(['\n', '\r'], " "), letter })
}

/// Makes what was written visible; false if there is no such data stream.
async fn refreshed(server: &Server, name: &str) -> Result<bool, ElkError> {
    let answer = server.send(Method::Post, &format!("/{name}/_refresh"), None).await?;
    if answer.status == 404 {
        return Ok(false);
    }
    answer.ok(&format!("the refresh of {name}"))?;
    Ok(true)
}

/// Those documents that are in their data streams, in whichever of their indices, and the others. A bulk request would not notice those in an
/// index before the last one.
async fn parted(server: &Server, documents: Vec<Document>) -> Result<(Vec<Document>, Vec<Document>), ElkError> {
    let mut there = BTreeSet::new();
    let streams: BTreeSet<String> = documents.iter().map(|document| document.stream.clone()).collect();
    for stream in streams {
        if !refreshed(server, &stream).await? {
            continue;
        }
        let ids: Vec<&str> = documents.iter().filter(|document| document.stream == stream).map(|document| &*document.id).collect();
        let body = json!({"size": PAGE * 10, "_source": false, "query": {"ids": {"values": ids}}});
        let answer = server.send(Method::Post, &format!("/{stream}/_search"), Some(&body)).await?.ok(&stream)?;
        let hits = answer["hits"]["hits"].as_array().into_iter().flatten();
        there.extend(hits.filter_map(|hit| Some((stream.clone(), hit["_id"].as_str()?.to_owned()))));
    }
    Ok(documents.into_iter().partition(|document| there.contains(&(document.stream.clone(), document.id.clone()))))
}

/// Documents in parcels of a bounded size.
fn parcels(documents: Vec<Document>) -> Vec<Vec<Document>> {
    let mut parcels: Vec<Vec<Document>> = Vec::new();
    let mut size = 0;
    for document in documents {
        match parcels.last_mut() {
            Some(parcel) if size + document.text.len() <= MOST => {
                size += document.text.len();
                parcel.push(document);
            }
            _ => {
                size = document.text.len();
                parcels.push(vec![document]);
            }
        }
    }
    parcels
}

/// Sends documents, and returns those that were taken.
async fn create(server: &Server, documents: Vec<Document>, done: &mut Redelivered) -> Result<Vec<Document>, ElkError> {
    let mut lines = String::new();
    for document in &documents {
        let action = json!({"create": {"_index": document.stream, "_id": document.id}});
        lines += &format!("{action}\n{}\n", document.text);
    }
    let items = items(server, lines, documents.len()).await?;
    let mut taken = Vec::new();
    for (document, item) in documents.into_iter().zip(items) {
        let item = &item["create"];
        match item["status"].as_u64() {
            // Elasticsearch says so of what it keeps among its own failures as well.
            Some(200..=299) if item["failure_store"] != "used" => {
                done.taken += 1;
                taken.push(document);
            }
            Some(409) => {
                done.there += 1;
                taken.push(document);
            }
            _ => *done.refused.entry(why(item)).or_default() += 1,
        }
    }
    Ok(taken)
}

/// The kind of an item's error.
fn why(item: &Value) -> String {
    if item["failure_store"] == "used" {
        return "kept by Elasticsearch's failure store".to_owned();
    }
    item["error"]["type"].as_str().map_or_else(|| format!("status {}", item["status"]), str::to_owned)
}

/// Deletes the dead letters of these documents, in the very index in which each was found.
async fn delete(server: &Server, documents: &[Document]) -> Result<(), ElkError> {
    if documents.is_empty() {
        return Ok(());
    }
    let line = |document: &Document| format!("{}\n", json!({"delete": {"_index": document.letter.index, "_id": document.letter.id}}));
    let items = items(server, documents.iter().map(line).collect(), documents.len()).await?;
    let failed = items.iter().map(|item| &item["delete"]).find(|item| !matches!(item["status"].as_u64(), Some(200..=299 | 404)));
    match failed {
        None => Ok(()),
        Some(item) => {
            let status = item["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
            let reason = item["error"]["reason"].as_str().unwrap_or("no reason given").to_owned();
            Err(ElkError::Refused { what: "the deletion of a dead letter whose document was taken".into(), status, reason })
        }
    }
}

/// What became of each line of a bulk request.
async fn items(server: &Server, lines: String, count: usize) -> Result<Vec<Value>, ElkError> {
    let answer = server.bulk(lines.into_bytes()).await?.ok("a bulk request")?;
    match answer["items"].as_array() {
        Some(items) if items.len() == count => Ok(items.clone()),
        _ => Err(ElkError::Strange { what: "a bulk request".into(), answer: "another number of items than were sent".into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(about: Value, original: &str) -> Letter {
        let source = json!({"synod": {"dead_letter": about}, "event": {"original": original}});
        Letter { index: ".ds-x".into(), id: "1".into(), source, sort: json!(["1"]) }
    }

    #[test]
    fn a_document_goes_where_it_came_from_and_nowhere_else() {
        let document = |stream: &str| document(letter(json!({"stream": stream, "id": "a"}), "{\n\"b\": 1}"), "a-b");
        assert_eq!(document("logs-synod.decision-a-b").unwrap().text, r#"{ "b": 1}"#);
        for bad in
            ["logs-synod.decision-b", "logs-synod.decision-a-b,logs-x", "other-a-b", "logs-synod.*-a-b", "logs-synod.x-y-a-b", ".security"]
        {
            assert!(document(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        let document = |about: Value, original: &str| document(letter(about, original), "default").unwrap_err();
        let place = json!({"stream": "logs-synod.app-default", "id": "a"});
        let truncated = json!({"stream": "logs-synod.app-default", "id": "a", "truncated": true});
        assert!(document(truncated, "{}").contains("too large"));
        assert!(document(json!({}), "{}").contains("where they belong"));
        assert!(document(place.clone(), "{\"a").contains("no JSON"));
        assert!(document(place, "[]").contains("no JSON"));
    }

    #[test]
    fn parcels_are_bounded() {
        let document =
            |size: usize| Document { stream: String::new(), id: String::new(), text: "x".repeat(size), letter: letter(json!({}), "") };
        let sizes = |documents: &[usize]| -> Vec<usize> {
            parcels(documents.iter().map(|size| document(*size)).collect()).iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&[]), Vec::<usize>::new());
        assert_eq!(sizes(&[1, 2, 3]), [3]);
        assert_eq!(sizes(&[MOST * 2, 1, MOST - 1, 1]), [1, 2, 1]);
    }
}
