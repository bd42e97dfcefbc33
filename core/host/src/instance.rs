//! One instance of a plugin in a store of its own, and the one way to call it: under limits, with every end of the call named.

use crate::contract::{self, Bindings, exported, logging};
use crate::engine::{Program, chain};
use crate::failure::{Failure, Refusal};
use crate::limits::{Limits, Meter, TEXT_BYTES};
use crate::logging::{Log, LogLevel, Sink, log_text};
use crate::ticker::ticks;
use crate::wasi::{Denied, World};
use std::time::Duration;
use wasmtime::component::{Linker, WasmStr};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, StoreContextMut, Trap};

/// What the host keeps beside an instance.
pub(crate) struct State {
    meter: Meter,
    pub(crate) log: Log,
    pub(crate) world: World,
}

/// The host's side of the contract: the log, and nothing else. What a language wants of WASI is added for the component that imports it.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    // Not by the generated trait: that would copy the whole message before it could be cut.
    linker.instance(&contract::logging_interface())?.func_wrap(
        "log",
        |mut store: StoreContextMut<'_, State>, (level, message): (logging::Level, WasmStr)| {
            if store.data_mut().log.admits() {
                let text = log_text(&message.to_str(&store)?);
                store.data_mut().log.write(log_level(level), text);
            }
            Ok(())
        },
    )?;
    Ok(linker)
}

fn log_level(level: logging::Level) -> LogLevel {
    match level {
        logging::Level::Debug => LogLevel::Debug,
        logging::Level::Info => LogLevel::Info,
        logging::Level::Warn => LogLevel::Warn,
        logging::Level::Error => LogLevel::Error,
    }
}

/// One instance. After a failure that is not a refusal it must be dropped.
pub(crate) struct Instance {
    store: Store<State>,
    bindings: Bindings,
    tick: Duration,
    most_memory: usize,
    /// How many calls of its pool it has answered.
    pub(crate) calls: u64,
}

impl Instance {
    /// Takes a place of the pooling allocator and runs the plugin's start function.
    pub(crate) fn start(program: &Program, limits: &Limits, sink: Sink) -> Result<Self, Failure> {
        let settings = &program.core.settings;
        let mut store = Store::new(&program.core.engine, State { meter: Meter::default(), log: Log::new(sink), world: World::default() });
        store.limiter(|state| &mut state.meter);
        begin(&mut store, limits, settings.memory, settings.tick, 0);
        match program.prepared.instantiate(&mut store) {
            Ok(bindings) => Ok(Self { store, bindings, tick: settings.tick, most_memory: settings.memory, calls: 0 }),
            Err(error) => Err(ended(&error, store.data(), limits).unwrap_or_else(|| Failure::Instantiation { what: chain(&error) })),
        }
    }

    /// Calls the plugin. It may return `payload` bytes beyond texts.
    pub(crate) fn call<T>(
        &mut self,
        limits: &Limits,
        payload: usize,
        act: impl FnOnce(&exported::Guest, &mut Store<State>) -> wasmtime::Result<Result<T, exported::Error>>,
    ) -> Result<T, Failure> {
        begin(&mut self.store, limits, self.most_memory, self.tick, payload);
        match act(self.bindings.synod_detector_detector(), &mut self.store) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(refusal(error)),
            // What is not a trap happened while the answer was taken over: it was too large, or no such value of the contract.
            Err(error) => Err(ended(&error, self.store.data(), limits).unwrap_or_else(|| Failure::output(chain(&error)))),
        }
    }

    /// The bytes of its linear memories and tables.
    pub(crate) fn memory(&self) -> usize {
        self.store.data().meter.used
    }

    /// How many lines the log did not take since this was last asked.
    pub(crate) fn take_dropped_lines(&mut self) -> u64 {
        std::mem::take(&mut self.store.data_mut().log.dropped)
    }
}

fn begin(store: &mut Store<State>, limits: &Limits, most_memory: usize, tick: Duration, payload: usize) {
    store.set_epoch_deadline(ticks(limits.timeout, tick));
    store.set_hostcall_fuel(payload.saturating_add(TEXT_BYTES));
    let state = store.data_mut();
    state.meter.limit = limits.memory.min(most_memory);
    state.meter.refused = false;
    state.log.begin();
    state.world.begin();
}

/// Why the plugin stopped, if it was stopped.
fn ended(error: &wasmtime::Error, state: &State, limits: &Limits) -> Option<Failure> {
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::Interrupt) {
        return Some(Failure::Timeout { after: limits.timeout });
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return Some(Failure::Busy { waited: Duration::ZERO });
    }
    if state.meter.refused {
        return Some(Failure::Memory { limit: state.meter.limit });
    }
    let denied = error.downcast_ref::<Denied>().map(ToString::to_string);
    trap.map(ToString::to_string).or(denied).map(|what| Failure::Trap { what })
}

/// The plugin's own error as a failure.
fn refusal(error: exported::Error) -> Failure {
    let (kind, message) = match error {
        exported::Error::Parameters(text) => (Refusal::Parameters, text),
        exported::Error::Data(text) => (Refusal::Data, text),
        exported::Error::Artifact(text) => (Refusal::Artifact, text),
        exported::Error::Model(text) => (Refusal::Model, text),
        exported::Error::Unsupported => (Refusal::Unsupported, "this plugin does not do this".to_owned()),
    };
    Failure::refused(kind, log_text(&message))
}
