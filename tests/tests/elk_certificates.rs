//! `scripts/certificates.sh`: what openssl and a TLS client make of its certificates.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;
use synod_tests::{Installation, repository};

fn run(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new("bash");
    command.arg(repository().join("scripts/certificates.sh")).args(words).current_dir(folder).output().unwrap()
}

fn ok(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    errors
}

fn openssl(folder: &Path, words: &str) -> (bool, String) {
    let output = Command::new("openssl").args(words.split(' ')).current_dir(folder).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// All files below a folder, with what they hold.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => drop(found.insert(entry.path(), fs::read(entry.path()).unwrap())),
        }
    }
    found
}

#[test]
fn services_get_certificates_that_hold_for_their_names_and_no_service_gets_the_authoritys_key() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    ok(at, &["made", "elasticsearch=es.bank.example,10.0.0.5", "kibana"]);
    for purpose in ["sslserver", "sslclient"] {
        for name in ["es.bank.example", "localhost"] {
            let words = format!(
                "verify -x509_strict -purpose {purpose} -verify_hostname {name} -CAfile made/ca.pem made/elasticsearch/elasticsearch.pem"
            );
            let (good, text) = openssl(at, &words);
            assert!(good, "{words}: {text}");
        }
    }
    assert!(openssl(at, "verify -verify_ip 10.0.0.5 -CAfile made/ca.pem made/elasticsearch/elasticsearch.pem").0);
    assert!(openssl(at, "verify -verify_ip ::1 -CAfile made/ca.pem made/kibana/kibana.pem").0);
    for wrong in ["-verify_hostname other.bank.example", "-verify_ip 10.0.0.6"] {
        assert!(!openssl(at, &format!("verify {wrong} -CAfile made/ca.pem made/elasticsearch/elasticsearch.pem")).0, "{wrong}");
    }
    // A service's certificate is no authority.
    assert!(!openssl(at, "verify -CAfile made/elasticsearch/elasticsearch.pem made/kibana/kibana.pem").0);

    let authority = fs::read(at.join("made/authority/ca.key")).unwrap();
    let mut keys = 0;
    for (path, contents) in files(&at.join("made")) {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if contents.starts_with(b"-----BEGIN PRIVATE KEY") {
            keys += 1;
            assert_eq!(mode, 0o600, "{}", path.display());
            assert_eq!(contents == authority, path.ends_with("authority/ca.key"), "{}", path.display());
        }
    }
    assert_eq!(keys, 3);
    assert_eq!(fs::read_dir(at.join("made/authority")).unwrap().count(), 1, "nothing that a service would want lies beside it");
}

#[test]
fn what_is_good_is_left_as_it_is_and_the_rest_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    ok(at, &["made", "one=one.example", "two"]);
    let first = files(&at.join("made"));
    assert_eq!(ok(at, &["made", "two", "one=one.example"]), "", "nothing to say");
    assert_eq!(files(&at.join("made")), first);

    let said = ok(at, &["made", "one=other.example", "two"]);
    assert!(said.contains("the certificate of one, for DNS:one,DNS:other.example") && !said.contains("of two"), "{said}");

    // As it is when less than 30 days are left.
    let soon = "x509 -req -in request -CA made/ca.pem -CAkey made/authority/ca.key -days 29 -out made/two/two.pem";
    assert!(openssl(at, "req -new -key made/two/two.key -subj /CN=two -out request").0);
    assert!(openssl(at, soon).0);
    let said = ok(at, &["made", "one=other.example", "two"]);
    assert!(said.contains("the certificate of two") && !said.contains("of one"), "{said}");
    assert!(openssl(at, &format!("x509 -in made/two/two.pem -noout -checkend {}", 300 * 86400)).0);

    // A key that is another's.
    fs::copy(at.join("made/one/one.key"), at.join("made/two/two.key")).unwrap();
    assert!(ok(at, &["made", "two"]).contains("the certificate of two"));

    // A new authority makes all anew.
    fs::remove_file(at.join("made/ca.pem")).unwrap();
    let said = ok(at, &["made", "one=other.example", "two"]);
    assert!(said.contains("the authority") && said.contains("of one") && said.contains("of two"), "{said}");
    assert!(openssl(at, "verify -CAfile made/ca.pem made/one/one.pem").0);

    fs::remove_file(at.join("made/authority/ca.key")).unwrap();
    let output = run(at, &["made", "one=other.example"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("bring it back"), "nothing is made from an authority whose key is elsewhere");
}

#[test]
fn wrong_words_are_told_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (words, told) in [
        (&["made"][..], "say where"),
        (&["made", "good", "../bad"], "`../bad` is no name of a service"),
        (&["made", "Bad"], "`Bad` is no name"),
        (&["made", "authority"], "call the service something else"),
        (&["made", "one=a b"], "`a b` is no list of names and addresses"),
        (&["made", "one=a,,b"], "`a,,b` is no list"),
        (&["made", "one=a\nkeyUsage=keyCertSign"], "is no list"),
    ] {
        let output = run(at, words);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && errors.contains(told), "{words:?}: {errors}");
        assert!(!at.join("made").exists(), "{words:?}");
    }
    assert!(String::from_utf8_lossy(&run(at, &["--help"]).stdout).starts_with("Makes a certificate authority"));
}

/// An Elasticsearch that has nothing, at this address, behind a certificate that was made.
fn encrypted_on(address: &str, made: &Path) -> SocketAddr {
    let file = |ending: &str| made.join("elasticsearch").join(format!("elasticsearch.{ending}"));
    let chain = vec![CertificateDer::from_pem_file(file("pem")).unwrap()];
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, PrivateKeyDer::from_pem_file(file("key")).unwrap()).unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind(address).unwrap());
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            thread::spawn(move || answer(StreamOwned::new(connection, stream)));
        }
    });
    address
}

fn answer(stream: StreamOwned<ServerConnection, TcpStream>) {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    while stream.read_line(&mut first).is_ok_and(|bytes| bytes > 0) {
        let mut line = String::new();
        while stream.read_line(&mut line).is_ok_and(|bytes| bytes > 2) {
            line.clear();
        }
        let (status, body) = if first.starts_with("GET / ") { (200, r#"{"version":{"number":"9.5.3"}}"#) } else { (404, "{}") };
        let head = format!("HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream.get_mut().write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
        first.clear();
    }
}

#[test]
fn synod_trusts_the_authority_that_it_is_given_and_no_other() {
    let at = Installation::new("");
    let folder = at.path("");
    ok(&folder, &["made", "elasticsearch"]);
    ok(&folder, &["other", "elasticsearch"]);
    let server = encrypted_on("127.0.0.1:0", &folder.join("made"));
    let url = format!("https://{server}");
    at.run(&format!("elk verify --url {url} --root made/ca.pem")).failed(3, &["20 things are not as they should be"]);
    at.run(&format!("elk verify --url {url} --root other/ca.pem")).failed(1, &["cannot be reached", "certificate"]);
    at.run(&format!("elk verify --url {url}")).failed(1, &["cannot be reached", "certificate"]);
    // The authority is the right one, and the certificate is another's.
    let server = encrypted_on("127.0.0.2:0", &folder.join("made"));
    at.run(&format!("elk verify --url https://{server} --root made/ca.pem")).failed(1, &["cannot be reached", "not valid for name"]);
}
