//! A real Elasticsearch, in a process of its own. `scripts/elasticsearch.sh` prepares its folder.

use crate::http::{Answer, send};
use crate::installation::wait;
use crate::ports::free_port;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What takes longer does not happen.
const LONGEST: Duration = Duration::from_secs(120);
/// A server is started beside others on a small machine: it needs little memory, and no time to make its code fast.
const MACHINE: [&str; 5] = ["-Xms384m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

/// An Elasticsearch on free ports of the loopback, with a folder of its own. It is ended when this is dropped.
#[derive(Debug)]
pub struct Elasticsearch {
    folder: TempDir,
    prepared: PathBuf,
    settings: Vec<String>,
    /// Where it listens, also after it was started again.
    pub address: SocketAddr,
    process: Option<Child>,
}

/// Where the newest one is prepared: `$SYNOD_ELASTICSEARCH`, or the tools beside the folder of this test's profile.
fn prepared() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("SYNOD_ELASTICSEARCH") {
        return Some(folder.into());
    }
    let test = std::env::current_exe().expect("a running test has a file");
    // target/<profile>/deps/<test>
    let tools = test.ancestors().nth(3).expect("a test lies in the folder of its profile").join("tools");
    let folders = fs::read_dir(tools).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_it = |folder: &PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().starts_with("elasticsearch-");
        name && folder.join("complete").is_file()
    };
    folders.filter(is_it).max()
}

impl Elasticsearch {
    /// Starts one with these settings (`http.max_content_length=1mb`, say), and waits until it is ready; none if it was not prepared, which it
    /// says. It has the component template `synod@custom`, by which Synod's index templates ask it for nothing that it does not have.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(settings: &[&str]) -> Option<Self> {
        let Some(prepared) = prepared() else {
            eprintln!("skipped: it needs Elasticsearch, which is not prepared: run scripts/elasticsearch.sh");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut all = vec![format!("http.port={}", address.port()), format!("transport.port={}", free_port())];
        all.extend(settings.iter().map(|&setting| setting.to_owned()));
        let mut elasticsearch = Self { folder, prepared, settings: all, address, process: None };
        elasticsearch.resume();
        // The library of the codec that Synod's templates ask for is not among the jars.
        elasticsearch.put("/_component_template/synod@custom", &json!({"template": {"settings": {"index.codec": "default"}}}));
        Some(elasticsearch)
    }

    /// Starts it again, on the same ports and with what it had stored, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not start.
    pub fn resume(&mut self) {
        let home = self.prepared.join("home");
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).expect("the folder takes files");
        let mut command = Command::new(self.prepared.join("java"));
        command
            .current_dir(self.folder.path())
            .args(MACHINE)
            .arg("--module-path")
            .arg(home.join("lib"))
            .args(["--add-modules", "ALL-MODULE-PATH", "-cp"])
            .arg(self.prepared.join("classes/launcher"))
            .arg("Launcher")
            .arg(home)
            .arg(self.folder.path().join("data"))
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log);
        self.process = Some(command.spawn().expect("it can be started"));
        self.await_ready();
    }

    fn await_ready(&mut self) {
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() || self.get("/_cluster/health?wait_for_status=yellow&timeout=1s").status != 200 {
            let ended = self.process.as_mut().is_none_or(|process| process.try_wait().expect("a child can be asked").is_some());
            assert!(!ended && started.elapsed() < LONGEST, "it does not start:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it at once, as a crash would: what it acknowledged, it has when it is started again.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it can be killed");
            process.wait().expect("it ends");
        }
    }

    /// Ends it in good order.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let sent = Command::new("kill").arg("-TERM").arg(process.id().to_string()).status();
        assert!(sent.expect("kill can be started").success(), "the signal cannot be sent");
        wait(&mut process, LONGEST).expect("it ends when it is asked to");
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Sends it a GET request.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        send(self.address, "GET", path, &[], b"")
    }

    /// Sends it a request with JSON.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, body: &Value) -> Answer {
        send(self.address, method, path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Puts something to a place: a template, a setting of an index, a document with its id.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Value {
        let answer = self.request("PUT", path, body);
        assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.body);
        answer.json()
    }

    /// Deletes something.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Value {
        send(self.address, "DELETE", path, &[], b"").ok()
    }

    /// Sends documents to an index or a data stream by one bulk request of the operation `create`, each with its id, and returns what became of
    /// each: its `status`, and its `error` if it was refused.
    ///
    /// # Panics
    /// When the request as a whole is refused.
    #[track_caller]
    pub fn create(&self, target: &str, documents: &[(&str, Value)]) -> Vec<Value> {
        let lines = |(id, document): &(&str, Value)| format!("{}\n{document}\n", json!({"create": {"_id": id}}));
        let body: String = documents.iter().map(lines).collect();
        let answer =
            send(self.address, "POST", &format!("/{target}/_bulk"), &[("content-type", "application/x-ndjson")], body.as_bytes()).ok();
        answer["items"].as_array().expect("an item for each document").iter().map(|item| item["create"].clone()).collect()
    }

    /// Makes what was indexed visible to searches.
    ///
    /// # Panics
    /// When it is refused, also where there is no such index.
    #[track_caller]
    pub fn refresh(&self, target: &str) {
        let answer = send(self.address, "POST", &format!("/{target}/_refresh"), &[], b"").ok();
        assert_eq!(answer["_shards"]["failed"], 0, "{answer}");
    }

    /// How many documents there are, as of now; none where there is no such index yet.
    ///
    /// # Panics
    /// When it does not say.
    #[track_caller]
    pub fn count(&self, target: &str) -> u64 {
        let answer = send(self.address, "POST", &format!("/{target}/_refresh"), &[], b"");
        if answer.status == 404 {
            return 0;
        }
        answer.ok();
        self.get(&format!("/{target}/_count")).ok()["count"].as_u64().expect("a number")
    }

    /// What a search finds: its `hits`, each with `_id`, `_index` and `_source`. What was indexed just now may not be found; see
    /// [`Self::refresh`].
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn search(&self, target: &str, body: &Value) -> Vec<Value> {
        let answer = self.request("POST", &format!("/{target}/_search"), body).ok();
        assert_eq!((&answer["timed_out"], &answer["_shards"]["failed"]), (&json!(false), &json!(0)), "{answer}");
        answer["hits"]["hits"].as_array().expect("a list of hits").clone()
    }

    /// The paths of all fields that an index or a data stream has, each with its type, in the order of their names; several backing indices as
    /// one.
    ///
    /// # Panics
    /// When it does not say.
    #[track_caller]
    pub fn mapped(&self, target: &str) -> Vec<(String, String)> {
        let answer = self.get(&format!("/{target}/_mapping")).ok();
        let mut fields = Vec::new();
        for index in answer.as_object().expect("an entry for each index").values() {
            paths("", &index["mappings"], &mut fields);
        }
        fields.sort();
        fields.dedup();
        fields
    }
}

/// Notes the path of each leaf of a mapping.
fn paths(before: &str, mapping: &Value, fields: &mut Vec<(String, String)>) {
    for (name, field) in mapping["properties"].as_object().into_iter().flatten() {
        let path = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        match field["type"].as_str() {
            Some(kind) if kind != "object" => fields.push((path, kind.to_owned())),
            _ => paths(&path, field, fields),
        }
    }
}

impl Drop for Elasticsearch {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
