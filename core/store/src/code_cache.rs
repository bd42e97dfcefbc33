//! The cache of compiled plugins. Running compiled code is as good as trusting it, so the cache gives back nothing that it did not write
//! itself: every entry carries an HMAC-SHA256 (RFC 2104) under a secret that is made at first use and never leaves the directory.
//!
//! ```text
//! cache/key           32 random bytes, for the owner alone
//! cache/<name>.code   magic, HMAC of (plugin, engine, code), code; the name is the SHA-256 of plugin and engine
//! ```
//!
//! Entries depend on the plugin and on the engine (its version, settings and target). The whole folder may be deleted at any time; what is
//! lost is the time of a compilation. No failure here needs to fail the caller.

use crate::data_directory::DataDirectory;
use crate::digest::sha256;
use crate::draft::{self, Readers};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Names the format of an entry; another one is a stranger's.
const MAGIC: &[u8; 8] = b"synodc01";
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + MAC_BYTES;
/// More than any installation has plugins; beyond it the oldest entries go.
const MAXIMUM_ENTRIES: usize = 64;
const MAXIMUM_BYTES: u64 = 2 << 30;

/// What can go wrong with the cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodeCacheError {
    /// The system gave no random bytes for the secret.
    #[error("cannot make the secret {path}")]
    Secret {
        /// Where it belongs.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be read or is not a regular file.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An entry was not written by this cache, or was changed since.
    #[error("{path} was not written by this cache, or was changed since; it has been deleted")]
    Forged {
        /// The entry.
        path: PathBuf,
    },
}

/// What a look into the cache gave.
#[derive(Debug)]
pub enum Lookup {
    /// The code, just as it was put.
    Hit(Vec<u8>),
    /// Nothing is known.
    Miss,
    /// Something was there that is not used, and why. This deserves a line in the log.
    Rejected(CodeCacheError),
}

impl Lookup {
    /// The code, if it was there.
    pub fn hit(self) -> Option<Vec<u8>> {
        match self {
            Self::Hit(code) => Some(code),
            Self::Miss | Self::Rejected(_) => None,
        }
    }
}

/// Compiled plugins, by plugin and engine. Several processes may use one cache at a time.
pub struct CodeCache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
    maximum_entries: usize,
}

impl std::fmt::Debug for CodeCache {
    /// Leaves the secret out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeCache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl CodeCache {
    /// Opens the cache of this directory, and makes its secret at the first use. A secret that is damaged is made anew; what was written
    /// under the old one is rejected then.
    ///
    /// # Errors
    /// When the secret can neither be read nor made.
    pub fn open(directory: &DataDirectory) -> Result<Self, CodeCacheError> {
        let folder = directory.cache();
        let _lock = lock(&folder)?;
        let key = secret(&folder.join("key"))?;
        Ok(Self { folder, key, maximum_entries: MAXIMUM_ENTRIES })
    }

    /// The code that was put for this plugin (its digest, say) and this engine. An entry that cannot be verified is deleted.
    pub fn get(&self, plugin: &str, engine: &str) -> Lookup {
        let path = self.path(plugin, engine);
        let entry = match draft::read_regular(&path) {
            Ok(Some(entry)) => entry,
            Ok(None) => return Lookup::Miss,
            Err(source) => return Lookup::Rejected(CodeCacheError::Read { path, source }),
        };
        match self.verify(plugin, engine, entry) {
            Some(code) => Lookup::Hit(code),
            None => {
                // If it cannot be deleted it will be rejected again, or replaced by the next `put`.
                let _ = fs::remove_file(&path);
                Lookup::Rejected(CodeCacheError::Forged { path })
            }
        }
    }

    /// Remembers code, replacing what was there, and removes the oldest entries if there are too many.
    ///
    /// # Errors
    /// When it cannot be written. The cache is then as it was.
    pub fn put(&self, plugin: &str, engine: &str, code: &[u8]) -> Result<(), CodeCacheError> {
        let path = self.path(plugin, engine);
        let mac = self.authenticate(plugin, engine, code).finalize().into_bytes();
        let entry = [MAGIC, mac.as_slice(), code].concat();
        let _lock = lock(&self.folder)?;
        let failed = |source| CodeCacheError::Write { path: path.clone(), source };
        draft::remove_leftovers(&self.folder).map_err(failed)?;
        draft::write(&path, &entry, Readers::Owner).map_err(failed)?;
        self.remove_oldest(&path).map_err(failed)
    }

    fn path(&self, plugin: &str, engine: &str) -> PathBuf {
        let name = [&length(plugin.as_bytes()), plugin.as_bytes(), engine.as_bytes()].concat();
        self.folder.join(format!("{}.code", sha256(&name)))
    }

    /// Lengths come before their texts, so that no two different triples give the same bytes.
    fn authenticate(&self, plugin: &str, engine: &str, code: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("an HMAC takes keys of every length");
        for part in [plugin.as_bytes(), engine.as_bytes(), code] {
            mac.update(&length(part));
            mac.update(part);
        }
        mac
    }

    /// The code of an entry, if all of it is what [`CodeCache::put`] wrote. The comparison takes the same time for every wrong answer.
    fn verify(&self, plugin: &str, engine: &str, mut entry: Vec<u8>) -> Option<Vec<u8>> {
        let (header, code) = entry.split_at_checked(HEADER_BYTES)?;
        let mac = header.strip_prefix(MAGIC)?;
        self.authenticate(plugin, engine, code).verify_slice(mac).ok()?;
        entry.drain(..HEADER_BYTES);
        Some(entry)
    }

    /// Keeps the newest entries within the bounds, and `newest` in any case.
    fn remove_oldest(&self, newest: &Path) -> io::Result<()> {
        let mut entries = self.entries()?;
        entries.retain(|entry| entry.path != newest);
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.modified));
        let (mut count, mut bytes) = (1, fs::metadata(newest)?.len());
        for entry in entries {
            count += 1;
            bytes += entry.bytes;
            if count > self.maximum_entries || bytes > MAXIMUM_BYTES {
                fs::remove_file(entry.path)?;
            }
        }
        Ok(())
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "code") {
                let metadata = fs::symlink_metadata(&path)?;
                entries.push(Entry { path, modified: metadata.modified()?, bytes: metadata.len() });
            }
        }
        Ok(entries)
    }
}

struct Entry {
    path: PathBuf,
    modified: SystemTime,
    bytes: u64,
}

fn length(bytes: &[u8]) -> [u8; 8] {
    (bytes.len() as u64).to_le_bytes()
}

fn lock(folder: &Path) -> Result<File, CodeCacheError> {
    let path = folder.join(".lock");
    draft::open_lock(&path).and_then(|file| file.lock().map(|()| file)).map_err(|source| CodeCacheError::Write { path, source })
}

/// Reads the secret, or makes one. Called under the lock, so that two processes at their first use agree on one.
fn secret(path: &Path) -> Result<[u8; KEY_BYTES], CodeCacheError> {
    let found = draft::read_regular(path).map_err(|source| CodeCacheError::Read { path: path.to_owned(), source })?;
    if let Some(key) = found.and_then(|found| found.try_into().ok()).filter(|_| is_private(path)) {
        return Ok(key);
    }
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| CodeCacheError::Secret { path: path.to_owned(), source: error.into() })?;
    draft::write(path, &key, Readers::Owner).map_err(|source| CodeCacheError::Write { path: path.to_owned(), source })?;
    Ok(key)
}

/// Whether only the owner can read and write the file: a secret that others could have read is none.
fn is_private(path: &Path) -> bool {
    #[cfg(unix)]
    return fs::metadata(path).is_ok_and(|metadata| std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 == 0);
    #[cfg(not(unix))]
    return path.exists();
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        _folder: tempfile::TempDir,
        directory: DataDirectory,
        cache: CodeCache,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let directory = DataDirectory::open(folder.path()).unwrap();
            let cache = CodeCache::open(&directory).unwrap();
            Self { _folder: folder, directory, cache }
        }

        fn entry(&self) -> PathBuf {
            self.cache.path("forest", "engine 48")
        }

        fn get(&self) -> Lookup {
            self.cache.get("forest", "engine 48")
        }
    }

    #[test]
    fn what_was_put_is_got_also_after_a_restart() {
        let bench = Bench::new();
        assert!(matches!(bench.get(), Lookup::Miss));
        bench.cache.put("forest", "engine 48", b"machine code").unwrap();
        assert_eq!(bench.get().hit().unwrap(), b"machine code");
        let again = CodeCache::open(&bench.directory).unwrap();
        assert_eq!(again.get("forest", "engine 48").hit().unwrap(), b"machine code");
        assert!(matches!(bench.cache.get("forest", "engine 49"), Lookup::Miss));
        assert!(matches!(bench.cache.get("forestengine", " 48"), Lookup::Miss));
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_rejected_and_deleted() {
        let bench = Bench::new();
        bench.cache.put("forest", "engine 48", b"machine code").unwrap();
        let good = fs::read(bench.entry()).unwrap();
        let flipped = (0..good.len()).map(|at| {
            let mut entry = good.clone();
            entry[at] ^= 1;
            entry
        });
        let cut = (0..good.len()).map(|length| good[..length].to_vec());
        for entry in flipped.chain(cut).chain([[good.as_slice(), b"!"].concat()]) {
            fs::write(bench.entry(), entry).unwrap();
            assert!(matches!(bench.get(), Lookup::Rejected(CodeCacheError::Forged { .. })));
            assert!(matches!(bench.get(), Lookup::Miss));
        }
        fs::write(bench.entry(), &good).unwrap();
        assert!(bench.get().hit().is_some());
    }

    #[test]
    fn an_entry_of_another_plugin_engine_or_directory_is_rejected() {
        let (bench, other) = (Bench::new(), Bench::new());
        for (cache, plugin, engine) in
            [(&other.cache, "forest", "engine 48"), (&bench.cache, "loda", "engine 48"), (&bench.cache, "forest", "engine 47")]
        {
            cache.put(plugin, engine, b"machine code").unwrap();
            fs::copy(cache.path(plugin, engine), bench.entry()).unwrap();
            assert!(matches!(bench.get(), Lookup::Rejected(_)), "{plugin}, {engine}");
        }
    }

    #[test]
    fn a_damaged_secret_is_made_anew_and_old_entries_are_rejected() {
        let bench = Bench::new();
        bench.cache.put("forest", "engine 48", b"machine code").unwrap();
        fs::write(bench.cache.folder.join("key"), b"short").unwrap();
        let again = CodeCache::open(&bench.directory).unwrap();
        assert!(matches!(again.get("forest", "engine 48"), Lookup::Rejected(_)));
        again.put("forest", "engine 48", b"machine code").unwrap();
        assert!(again.get("forest", "engine 48").hit().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_could_read_is_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let bench = Bench::new();
        let key = bench.cache.folder.join("key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert_ne!(CodeCache::open(&bench.directory).unwrap().key, bench.cache.key);
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let bench = Bench::new();
        bench.cache.put("forest", "engine 48", b"machine code").unwrap();
        let outside = bench.directory.path().join("outside");
        fs::rename(bench.entry(), &outside).unwrap();
        std::os::unix::fs::symlink(&outside, bench.entry()).unwrap();
        assert!(matches!(bench.get(), Lookup::Rejected(CodeCacheError::Read { .. })));
    }

    #[test]
    fn the_oldest_entries_go() {
        let mut bench = Bench::new();
        bench.cache.maximum_entries = 3;
        for number in 0..5_u64 {
            let plugin = format!("plugin {number}");
            bench.cache.put(&plugin, "engine", b"code").unwrap();
            let entry = File::options().write(true).open(bench.cache.path(&plugin, "engine")).unwrap();
            entry.set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number)).unwrap();
        }
        let kept = |number: u64| bench.cache.get(&format!("plugin {number}"), "engine").hit().is_some();
        assert_eq!((0..5).map(kept).collect::<Vec<_>>(), [false, false, true, true, true]);
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_and_no_panic() {
        let bench = Bench::new();
        fs::remove_dir_all(&bench.cache.folder).unwrap();
        assert!(bench.cache.put("forest", "engine 48", b"code").is_err());
        assert!(matches!(bench.get(), Lookup::Miss));
    }

    /// RFC 4231, test case 2, through the same calls that entries use.
    #[test]
    fn known_answer_of_the_authentication() {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        mac.update(b"what do ya want for nothing?");
        let found = crate::digest::hexadecimal(&mac.finalize().into_bytes());
        assert_eq!(found, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
