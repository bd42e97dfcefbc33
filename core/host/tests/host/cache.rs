//! Compiled code is kept, found again, and compiled afresh where what was kept is of no use.

use crate::support::template_bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use synod_host::{CodeCache, CodeKey, Host, HostSettings};

#[derive(Default)]
struct Memory {
    entries: Mutex<HashMap<CodeKey, Vec<u8>>>,
    puts: Mutex<Vec<CodeKey>>,
}

impl CodeCache for Memory {
    fn get(&self, key: &CodeKey) -> Option<Vec<u8>> {
        self.entries.lock().unwrap().get(key).cloned()
    }

    fn put(&self, key: &CodeKey, code: &[u8]) {
        self.entries.lock().unwrap().insert(key.clone(), code.to_vec());
        self.puts.lock().unwrap().push(key.clone());
    }
}

fn load(cache: &Arc<Memory>, settings: &HostSettings) -> String {
    let host = Host::new(settings, Some(Arc::<Memory>::clone(cache) as _)).unwrap();
    host.load(&template_bytes()).unwrap().digest().to_owned()
}

#[test]
fn code_is_compiled_once() {
    let (cache, settings) = (Arc::new(Memory::default()), HostSettings { instances: 2, ..HostSettings::default() });
    let digest = load(&cache, &settings);
    load(&cache, &settings);
    let puts = cache.puts.lock().unwrap().clone();
    assert_eq!(puts.len(), 1);
    assert_eq!((&puts[0].plugin, puts[0].engine.len()), (&digest, 64));
}

#[test]
fn code_that_cannot_be_read_is_compiled_afresh() {
    let (cache, settings) = (Arc::new(Memory::default()), HostSettings { instances: 2, ..HostSettings::default() });
    load(&cache, &settings);
    for damage in [Vec::new(), b"not code".to_vec()] {
        cache.entries.lock().unwrap().values_mut().for_each(|code| *code = damage.clone());
        load(&cache, &settings);
        assert!(cache.entries.lock().unwrap().values().all(|code| code.len() > 1000));
    }
    assert_eq!(cache.puts.lock().unwrap().len(), 3);
}
