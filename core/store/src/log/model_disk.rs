//! A file system in memory for tests. It forgets what was not synced when its power is cut, in the ways that real ones do, and it fails
//! when it is told to. Everything follows from one seed.

use super::disk::{Access, Disk, DiskFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Small, so that small logs have many.
const PAGE: usize = 64;

/// Numbers that look random: SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `below - 1`.
    pub(super) fn below(&mut self, below: usize) -> usize {
        (self.next() % below.max(1) as u64) as usize
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// What happens at an operation that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Injection {
    /// The power goes: it may have happened in part, and everything after it fails.
    PowerCut,
    /// It fails; a write may have happened in part, and what a sync did not write is forgotten without a word.
    Error(ErrorKind),
}

#[derive(Debug, Default, Clone)]
struct File {
    /// What programs see.
    seen: Vec<u8>,
    /// What survives.
    safe: Vec<u8>,
    /// Pages in which they differ and that the next sync will write.
    dirty: BTreeSet<usize>,
}

#[derive(Debug)]
struct World {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    safe_names: BTreeMap<String, usize>,
    operations: u64,
    injections: Vec<(Range<u64>, Injection)>,
    off: bool,
    random: Random,
}

/// The file system. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct ModelDisk(Arc<Mutex<World>>);

#[derive(Debug)]
struct OpenFile {
    disk: ModelDisk,
    file: usize,
}

impl ModelDisk {
    pub(super) fn new(seed: u64) -> Self {
        Self::of(Vec::new(), BTreeMap::new(), Random(seed))
    }

    fn of(files: Vec<File>, names: BTreeMap<String, usize>, random: Random) -> Self {
        let safe_names = names.clone();
        let world = World { files, names, safe_names, operations: 0, injections: Vec::new(), off: false, random };
        Self(Arc::new(Mutex::new(world)))
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many operations have changed something, or tried to.
    pub(super) fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Plans what happens at operations with these numbers.
    pub(super) fn inject(&self, operations: Range<u64>, injection: Injection) {
        self.lock().injections.push((operations, injection));
    }

    pub(super) fn heal(&self) {
        self.lock().injections.clear();
    }

    pub(super) fn is_off(&self) -> bool {
        self.lock().off
    }

    /// Cuts the power, and returns what is found when it comes back.
    pub(super) fn power_cut(&self) -> Self {
        let mut world = self.lock();
        world.off = true;
        let scattered = world.random.one_in(2);
        let stale: Vec<u8> = world.files.iter().flat_map(|file| file.safe.clone()).collect();
        let mut random = world.random.clone();
        let files = world.files.iter().map(|file| file.after_power_cut(&mut random, scattered, &stale)).collect();
        let mut names = world.safe_names.clone();
        for (name, _) in world.names.iter().chain(&world.safe_names) {
            if world.names.get(name) != world.safe_names.get(name) && random.one_in(2) {
                match world.names.get(name) {
                    Some(file) => names.insert(name.clone(), *file),
                    None => names.remove(name),
                };
            }
        }
        Self::of(files, names, random)
    }

    /// A copy of what programs see, all of it safe.
    pub(super) fn copy(&self) -> Self {
        let world = self.lock();
        let files = world.files.iter().map(|file| File { safe: file.seen.clone(), seen: file.seen.clone(), ..File::default() });
        Self::of(files.collect(), world.names.clone(), world.random.clone())
    }

    pub(super) fn contents(&self, name: &str) -> Vec<u8> {
        let world = self.lock();
        world.files[world.names[name]].seen.clone()
    }

    pub(super) fn put(&self, name: &str, contents: &[u8]) {
        let mut world = self.lock();
        let (file, place) = (File { seen: contents.to_vec(), safe: contents.to_vec(), ..File::default() }, world.files.len());
        world.files.push(file);
        world.names.insert(name.to_owned(), place);
        world.safe_names.insert(name.to_owned(), place);
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }

    fn change<T>(&self, happens: impl FnOnce(&mut World) -> io::Result<T>, half: impl FnOnce(&mut World)) -> io::Result<T> {
        let mut world = self.lock();
        world.require_power()?;
        let number = world.operations;
        world.operations += 1;
        match world.injections.iter().find(|(range, _)| range.contains(&number)).map(|(_, injection)| *injection) {
            None => happens(&mut world),
            Some(Injection::PowerCut) => {
                half(&mut world);
                world.off = true;
                Err(io::Error::other("the power is off"))
            }
            Some(Injection::Error(kind)) => {
                half(&mut world);
                Err(kind.into())
            }
        }
    }
}

impl World {
    fn require_power(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    fn file(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.names.remove(from).ok_or(ErrorKind::NotFound)?;
        self.names.insert(to.to_owned(), file);
        Ok(())
    }
}

impl File {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / PAGE..end.div_ceil(PAGE));
    }

    fn truncate(&mut self, length: usize) {
        self.seen.truncate(length);
        self.dirty.retain(|page| page * PAGE < length);
        // A page that was cut in the middle has to be written again.
        self.dirty.extend((!length.is_multiple_of(PAGE)).then_some(length / PAGE));
    }

    fn sync(&mut self) {
        self.safe.resize(self.seen.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            self.write_page(page);
        }
    }

    /// Some pages are written, and the rest are called clean.
    fn fail_to_sync(&mut self, random: &mut Random) {
        for page in std::mem::take(&mut self.dirty) {
            if random.one_in(2) {
                self.safe.resize(self.safe.len().max((page * PAGE + PAGE).min(self.seen.len())), 0);
                self.write_page(page);
            }
        }
    }

    fn write_page(&mut self, page: usize) {
        let range = page * PAGE..(page * PAGE + PAGE).min(self.seen.len());
        if let (Some(from), Some(to)) = (self.seen.get(range.clone()), self.safe.get_mut(range)) {
            to.copy_from_slice(from);
        }
    }

    /// Synced bytes are there. Of the others pages are there from the first on, or here and there; the rest is old, zero, or anything.
    fn after_power_cut(&self, random: &mut Random, scattered: bool, stale: &[u8]) -> Self {
        let (short, long) = (self.seen.len().min(self.safe.len()), self.seen.len().max(self.safe.len()));
        let length = short + random.below(long - short + 1);
        let synced = self.safe.len();
        let mut file = self.clone();
        file.safe.resize(length, 0);
        let written = random.below(self.dirty.len() + 1);
        for (index, page) in self.dirty.iter().enumerate() {
            if if scattered { random.one_in(2) } else { index < written } {
                let end = (page * PAGE + PAGE).min(self.seen.len()).min(length);
                for at in page * PAGE..end {
                    file.safe[at] = self.seen[at];
                }
            } else if random.one_in(2) {
                let from = (page * PAGE).max(synced).min(length);
                let end = (page * PAGE + PAGE).min(length).max(from);
                let garbage = garbage(random, stale, end - from);
                file.safe[from..end].copy_from_slice(&garbage);
            }
        }
        File { seen: file.safe.clone(), safe: file.safe, dirty: BTreeSet::new() }
    }
}

/// Noise, or what the disk held there before: pieces of other files.
fn garbage(random: &mut Random, stale: &[u8], length: usize) -> Vec<u8> {
    let from = random.below(stale.len().saturating_sub(length) + 1);
    match stale.get(from..from + length) {
        Some(stale) if random.one_in(2) => stale.to_vec(),
        _ => random.bytes(length),
    }
}

impl Disk for ModelDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let world = self.lock();
        world.require_power()?;
        Ok(world.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let made = |world: &mut World| match world.names.get(name).copied() {
            Some(file) => {
                world.files[file].truncate(0);
                Ok(file)
            }
            None => {
                world.files.push(File::default());
                world.names.insert(name.to_owned(), world.files.len() - 1);
                Ok(world.files.len() - 1)
            }
        };
        let file = self.change(made, |_| {})?;
        Ok(Arc::new(OpenFile { disk: self.clone(), file }))
    }

    fn open(&self, name: &str, _access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let world = self.lock();
        world.require_power()?;
        Ok(Arc::new(OpenFile { disk: self.clone(), file: world.file(name)? }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let half = |world: &mut World| {
            if world.random.one_in(2) {
                let _ = world.rename(from, to);
            }
        };
        self.change(|world| world.rename(from, to), half)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(|world| world.names.remove(name).map(|_| ()).ok_or_else(|| ErrorKind::NotFound.into()), |_| {})
    }

    fn sync_folder(&self) -> io::Result<()> {
        let synced = |world: &mut World| {
            world.safe_names = world.names.clone();
            Ok(())
        };
        self.change(synced, |_| {})
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(name)
    }
}

impl DiskFile for OpenFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let world = self.disk.lock();
        world.require_power()?;
        let rest = usize::try_from(offset).ok().and_then(|offset| world.files[self.file].seen.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let half = |world: &mut World| {
            let count = world.random.below(bytes.len() + 1);
            world.files[self.file].write(&bytes[..count], offset as usize);
        };
        let written = |world: &mut World| {
            world.files[self.file].write(bytes, offset as usize);
            Ok(())
        };
        self.disk.change(written, half)
    }

    fn length(&self) -> io::Result<u64> {
        let world = self.disk.lock();
        world.require_power()?;
        Ok(world.files[self.file].seen.len() as u64)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let cut = |world: &mut World| {
            world.files[self.file].truncate(length as usize);
            Ok(())
        };
        self.disk.change(cut, |_| {})
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = |world: &mut World| {
            world.files[self.file].sync();
            Ok(())
        };
        let half = |world: &mut World| {
            let mut random = world.random.clone();
            world.files[self.file].fail_to_sync(&mut random);
            world.random = random;
        };
        self.disk.change(synced, half)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}
