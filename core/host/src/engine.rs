//! The runtime that all plugins of a process share, and how a component's bytes become a [`Plugin`].

use crate::contract::{self, Prepared};
use crate::failure::{HostError, LoadError};
use crate::instance::{self, State};
use crate::limits::COMPONENT_BYTES;
use crate::logging::log_text;
use crate::plugin::{Plugin, Surface};
use crate::ticker::Ticker;
use crate::wasi;
use sha2::{Digest, Sha256};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Core instances of one component: the SDK's components have three (the module, and two of the component model's own making), one in
/// Python has 38 (each of its libraries is a module).
pub(crate) const CORE_INSTANCES: u32 = 64;
/// Memories of one component. The SDK's components have one, and one is what [`HostSettings::instances`] counts with.
pub(crate) const MEMORIES: u32 = 4;
/// Tables of one component. The SDK's components have two.
pub(crate) const TABLES: u32 = 4;
/// Entries of one table: a plugin with a whole ONNX runtime in it has about ten thousand.
const TABLE_ENTRIES: usize = 1 << 16;

/// What the runtime reserves when it starts. Reserving costs address space (4 GiB an instance), not memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostSettings {
    /// Most instances of all plugins together, at least one.
    pub instances: u32,
    /// Most bytes of one instance's memory, whatever its [`Limits`](crate::Limits) say; at most 4 GiB.
    pub memory: usize,
    /// The step of all time limits, 100 microseconds to one second. A call that is over its time ends within two steps.
    pub tick: Duration,
    /// Bytes of the calling thread's stack that a plugin may use, at least 64 KiB.
    pub stack: usize,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self { instances: 64, memory: 1 << 30, tick: Duration::from_millis(2), stack: 512 << 10 }
    }
}

impl HostSettings {
    fn check(&self) -> Result<(), HostError> {
        let rules = [
            (self.instances >= 1, "instances: at least one is needed"),
            ((1 << 16..=1 << 32).contains(&self.memory), "memory: 64 KiB to 4 GiB an instance are possible"),
            (
                (Duration::from_micros(100)..=Duration::from_secs(1)).contains(&self.tick),
                "tick: 100 microseconds to one second are possible",
            ),
            ((64 << 10..=64 << 20).contains(&self.stack), "stack: 64 KiB to 64 MiB are possible"),
        ];
        rules.iter().find(|(kept, _)| !kept).map_or(Ok(()), |(_, message)| Err(HostError::Settings(message)))
    }

    fn pooling(&self) -> PoolingAllocationConfig {
        let mut pooling = PoolingAllocationConfig::new();
        pooling
            .total_component_instances(self.instances)
            .total_core_instances(self.instances.saturating_mul(CORE_INSTANCES))
            .total_memories(self.instances)
            .total_tables(self.instances.saturating_mul(TABLES))
            .max_core_instances_per_component(CORE_INSTANCES)
            .max_memories_per_component(MEMORIES)
            .max_tables_per_component(TABLES)
            .max_tables_per_module(TABLES)
            .table_elements(TABLE_ENTRIES)
            .max_memory_size(self.memory);
        pooling
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(self.pooling()))
            .memory_init_cow(true)
            .epoch_interruption(true)
            .max_wasm_stack(self.stack)
            .parallel_compilation(true)
            // Nobody reads back-traces of plugins, and the map for them is a third of the compiled code.
            .generate_address_map(false)
            .concurrency_support(false);
        // The same rows get the same score on every machine. That leaves one thing open, the bits of a NaN that arithmetic made, which no
        // finite score depends on: to settle them, every product and sum of a vector would be looked at, three to five times the work.
        config.cranelift_nan_canonicalization(false).wasm_simd(true).relaxed_simd_deterministic(true);
        // What no plugin needs is not there to be attacked.
        config.wasm_memory64(false).wasm_multi_memory(false);
        config
    }
}

/// Keeps compiled code from one start of the process to the next, so that a start takes milliseconds.
///
/// # Safety of the whole process
/// Compiled code is machine code that this process runs outside of any sandbox. [`get`](Self::get) must return nothing but bytes that
/// [`put`](Self::put) of the same installation was given under the same key: whoever can change an entry owns the process. So an
/// implementation authenticates its entries with a secret key, and returns `None` for any entry that fails, or that it cannot read.
pub trait CodeCache: Send + Sync {
    /// The code under this key, if it is there and authentic.
    fn get(&self, key: &CodeKey) -> Option<Vec<u8>>;

    /// Keeps the code. A failure to do so is the implementation's own to report.
    fn put(&self, key: &CodeKey, code: &[u8]);
}

/// What compiled code depends on. Both parts are SHA-256 in lower-case hexadecimal, so they can be a file's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeKey {
    /// Of the component's bytes.
    pub plugin: String,
    /// Of the runtime's version, its settings, and the processor's features.
    pub engine: String,
}

/// Compiles components elsewhere, so that one that is made to be dear to compile costs this process nothing.
///
/// # Safety of the whole process
/// As with a [`CodeCache`]: what it gives is run outside of any sandbox. It must be what [`Host::compile`] of the same program made of these bytes.
pub trait Compiler: Send + Sync {
    /// The code of a component.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn compile(&self, component: &[u8]) -> Result<Vec<u8>, String>;
}

/// What plugins, and the instances of plugins, need of the host. It lives as long as one of them.
pub(crate) struct Core {
    pub(crate) engine: Engine,
    pub(crate) settings: HostSettings,
    /// Before the engine is gone, its ticker is.
    _ticker: Ticker,
}

/// The runtime of a process.
pub struct Host {
    core: Arc<Core>,
    linker: Linker<State>,
    cache: Option<Arc<dyn CodeCache>>,
    compiler: Option<Arc<dyn Compiler>>,
    engine_digest: String,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("settings", &self.core.settings).finish_non_exhaustive()
    }
}

impl Host {
    /// Reserves what the settings say, and starts the ticker.
    ///
    /// # Errors
    /// When a setting is out of its range, or the machine has no such address space.
    pub fn new(settings: &HostSettings, cache: Option<Arc<dyn CodeCache>>) -> Result<Self, HostError> {
        settings.check()?;
        let engine = Engine::new(&settings.config()).map_err(|error| HostError::Engine(chain(&error)))?;
        let linker = instance::linker(&engine).map_err(|error| HostError::Engine(chain(&error)))?;
        let ticker = Ticker::start(engine.clone(), settings.tick).map_err(HostError::Ticker)?;
        let engine_digest = engine_digest(&engine);
        Ok(Self { core: Arc::new(Core { engine, settings: *settings, _ticker: ticker }), linker, cache, compiler: None, engine_digest })
    }

    /// Has components compiled elsewhere.
    #[must_use]
    pub fn compiled_by(self, compiler: Arc<dyn Compiler>) -> Self {
        Self { compiler: Some(compiler), ..self }
    }

    /// What it was made with.
    pub fn settings(&self) -> &HostSettings {
        &self.core.settings
    }

    /// The code of a component, for a host with the same settings.
    ///
    /// # Errors
    /// When the bytes are not a component.
    pub fn compile(&self, component: &[u8]) -> Result<Vec<u8>, LoadError> {
        check_header(component)?;
        let code = Component::from_binary(&self.core.engine, component).map_err(|error| LoadError::Compile(chain(&error)))?;
        code.serialize().map_err(|error| LoadError::Compile(chain(&error)))
    }

    /// Compiles a component, or takes its code from the cache; checks that it keeps the contract; and asks it to describe itself.
    ///
    /// # Errors
    /// When the bytes are not a component, do not keep the contract in a version that goes with this host's, import anything but the log
    /// and what the empty world has of WASI 0.2, or describe themselves badly.
    pub fn load(&self, component: &[u8]) -> Result<Plugin, LoadError> {
        check_header(component)?;
        let key = CodeKey { plugin: hexadecimal(&Sha256::digest(component)), engine: self.engine_digest.clone() };
        let code = self.code(component, &key)?;
        let shape = code.component_type();
        let imports: Vec<&str> = shape.imports(&self.core.engine).map(|(name, _)| name).collect();
        let interface = contract::check(imports.iter().copied(), shape.exports(&self.core.engine).map(|(name, _)| name))?;
        let surface = Surface { interface, imports: imports.into_iter().map(log_text).collect() };
        let linker = wasi::meet(&self.linker, &self.core.engine, &code).map_err(|error| LoadError::Shape(chain(&error)))?;
        let prepared = linker.instantiate_pre(&code).and_then(Prepared::new).map_err(|error| LoadError::Shape(chain(&error)))?;
        Plugin::describe(Arc::clone(&self.core), prepared, key.plugin, surface)
    }

    fn code(&self, component: &[u8], key: &CodeKey) -> Result<Component, LoadError> {
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.get(key)).and_then(|code| self.cached(&code)) {
            return Ok(code);
        }
        let bytes = match &self.compiler {
            Some(compiler) => compiler.compile(component).map_err(LoadError::Compile)?,
            None => self.compile(component)?,
        };
        let code = self.cached(&bytes).ok_or_else(|| LoadError::Compile("the compiled code is not for this runtime".into()))?;
        if let Some(cache) = &self.cache {
            cache.put(key, &bytes);
        }
        Ok(code)
    }

    fn cached(&self, code: &[u8]) -> Option<Component> {
        // SAFETY: `deserialize` trusts its bytes, as it must: they are machine code. The bytes come from a `CodeCache`, whose contract is
        // to return only what the same installation compiled and put there, authenticated; or from a `Compiler`, whose contract is the same; or
        // from this very function's caller, which has just compiled them. The runtime itself refuses code of another
        // version, of other settings, or for another processor; such code is compiled afresh.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize(&self.core.engine, code) };
        component.ok()
    }
}

fn check_header(component: &[u8]) -> Result<(), LoadError> {
    match component {
        _ if component.len() > COMPONENT_BYTES => Err(LoadError::TooLarge(component.len())),
        // After the magic number: two bytes of version, two bytes of layer; 0 is a core module and 1 a component.
        [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => Err(LoadError::CoreModule),
        [b'\0', b'a', b's', b'm', ..] => Ok(()),
        _ => Err(LoadError::NotWebAssembly),
    }
}

/// The error with its causes, as one line. What a component is called may be in it.
pub(crate) fn chain(error: &wasmtime::Error) -> String {
    crate::logging::log_text(&format!("{error:#}"))
}

fn engine_digest(engine: &Engine) -> String {
    /// `Hash` into SHA-256: the standard hasher promises nothing from one Rust to the next.
    struct Stable(Sha256);
    impl Hasher for Stable {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            unreachable!("the digest is taken, not the number")
        }
    }
    let mut hasher = Stable(Sha256::new());
    // This covers the runtime's exact version, too.
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hexadecimal(&hasher.0.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A plugin's code with the host's side linked in: what it takes to make instances.
pub(crate) struct Program {
    pub(crate) core: Arc<Core>,
    pub(crate) prepared: Prepared<State>,
}
