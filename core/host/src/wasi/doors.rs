//! The functions of the empty world that have an answer, interface by interface.

// The derived code stands for what the types of the component model guarantee.
#![allow(unsafe_code)]

use super::Denied;
use crate::instance::State;
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, ResourceType, WasmList};
use wasmtime::{Result, StoreContextMut};

/// Where the clocks stand, in nanoseconds: some runtimes take a zero for a broken clock.
const NOW: u64 = 1_000_000_000;
/// Bytes that may be written at a time.
const WRITE_BYTES: u64 = 4 << 10;
/// Random bytes that may be asked for at a time.
const RANDOM_BYTES: u64 = 64 << 10;
/// A stream's number, by which it is known to the host.
const ERRORS: u32 = 1;

/// Marks of resources. Streams alone come into being.
struct Input;
struct Output;
struct Terminal;
struct Descriptor;
struct IoError;
/// All that interfaces do not share with each other.
struct Other;

#[derive(Debug, Clone, Copy, ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
// An error of a stream names a resource that nobody here makes.
#[allow(dead_code)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Instance<'a> = LinkerInstance<'a, State>;
type Context<'a> = StoreContextMut<'a, State>;

/// Defines a resource. One that several interfaces use is the same in all of them.
pub(super) fn resource(instance: &mut Instance<'_>, name: &str) -> Result<()> {
    let kind = match name {
        "input-stream" => ResourceType::host::<Input>(),
        "output-stream" => ResourceType::host::<Output>(),
        "terminal-input" | "terminal-output" => ResourceType::host::<Terminal>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        "error" => ResourceType::host::<IoError>(),
        _ => ResourceType::host::<Other>(),
    };
    let is_stream = matches!(name, "input-stream" | "output-stream");
    instance.resource(name, kind, move |mut store: Context<'_>, _: u32| {
        if is_stream {
            store.data_mut().world.give_stream_back();
        }
        Ok(())
    })
}

/// Defines what this interface answers, over what is shut.
pub(super) fn hang(instance: &mut Instance<'_>, interface: &str) -> Result<()> {
    match interface {
        "cli/environment" => environment(instance),
        "cli/exit" => exit(instance),
        "cli/stdin" => instance.func_wrap("get-stdin", |mut store: Context<'_>, ()| Ok((stream::<Input>(&mut store, 0)?,))),
        "cli/stdout" => instance.func_wrap("get-stdout", |mut store: Context<'_>, ()| Ok((stream::<Output>(&mut store, 0)?,))),
        "cli/stderr" => instance.func_wrap("get-stderr", |mut store: Context<'_>, ()| Ok((stream::<Output>(&mut store, ERRORS)?,))),
        "cli/terminal-stdin" => no_terminal(instance, "get-terminal-stdin"),
        "cli/terminal-stdout" => no_terminal(instance, "get-terminal-stdout"),
        "cli/terminal-stderr" => no_terminal(instance, "get-terminal-stderr"),
        "clocks/monotonic-clock" => monotonic(instance),
        "clocks/wall-clock" => wall(instance),
        "filesystem/preopens" => {
            instance.func_wrap("get-directories", |_: Context<'_>, ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))
        }
        "io/streams" => streams(instance),
        "random/random" => random(instance, "get-random-bytes", "get-random-u64"),
        "random/insecure" => random(instance, "get-insecure-random-bytes", "get-insecure-random-u64"),
        "random/insecure-seed" => instance.func_wrap("insecure-seed", |_: Context<'_>, ()| Ok(((NOW, NOW),))),
        _ => Ok(()),
    }
}

fn stream<T: 'static>(store: &mut Context<'_>, number: u32) -> Result<Resource<T>> {
    store.data_mut().world.take_stream()?;
    Ok(Resource::new_own(number))
}

fn environment(instance: &mut Instance<'_>) -> Result<()> {
    instance.func_wrap("get-environment", |_: Context<'_>, ()| Ok((Vec::<(String, String)>::new(),)))?;
    instance.func_wrap("get-arguments", |_: Context<'_>, ()| Ok((Vec::<String>::new(),)))?;
    instance.func_wrap("initial-cwd", |_: Context<'_>, ()| Ok((None::<String>,)))
}

fn exit(instance: &mut Instance<'_>) -> Result<()> {
    let left = |code: u8| Denied(format!("the plugin called exit with {code}"));
    instance.func_wrap("exit", move |_: Context<'_>, (status,): (std::result::Result<(), ()>,)| -> Result<()> {
        Err(left(status.is_err().into()).into())
    })?;
    instance.func_wrap("exit-with-code", move |_: Context<'_>, (code,): (u8,)| -> Result<()> { Err(left(code).into()) })
}

fn no_terminal(instance: &mut Instance<'_>, name: &str) -> Result<()> {
    instance.func_wrap(name, |_: Context<'_>, ()| Ok((None::<Resource<Terminal>>,)))
}

fn monotonic(instance: &mut Instance<'_>) -> Result<()> {
    instance.func_wrap("now", |_: Context<'_>, ()| Ok((NOW,)))?;
    instance.func_wrap("resolution", |_: Context<'_>, ()| Ok((1_u64,)))
}

fn wall(instance: &mut Instance<'_>) -> Result<()> {
    let second = Datetime { seconds: NOW / 1_000_000_000, nanoseconds: 0 };
    instance.func_wrap("now", move |_: Context<'_>, ()| Ok((second,)))?;
    instance.func_wrap("resolution", |_: Context<'_>, ()| Ok((Datetime { seconds: 0, nanoseconds: 1 },)))
}

fn random(instance: &mut Instance<'_>, bytes: &str, number: &str) -> Result<()> {
    instance.func_wrap(bytes, |mut store: Context<'_>, (count,): (u64,)| {
        if count > RANDOM_BYTES {
            return Err(Denied(format!("{count} random bytes were asked for at once, and {RANDOM_BYTES} are there")).into());
        }
        let world = &mut store.data_mut().world;
        // The count is small, as was just seen.
        let mut drawn: Vec<u8> = (0..count.div_ceil(8)).flat_map(|_| world.random().to_le_bytes()).collect();
        drawn.truncate(count as usize);
        Ok((drawn,))
    })?;
    instance.func_wrap(number, |mut store: Context<'_>, ()| Ok((store.data_mut().world.random(),)))
}

fn streams(instance: &mut Instance<'_>) -> Result<()> {
    for read in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        instance.func_wrap(read, |_: Context<'_>, (_, _): (Resource<Input>, u64)| Ok((Err::<Vec<u8>, _>(StreamError::Closed),)))?;
    }
    for skip in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        instance.func_wrap(skip, |_: Context<'_>, (_, _): (Resource<Input>, u64)| Ok((Err::<u64, _>(StreamError::Closed),)))?;
    }
    instance.func_wrap("[method]output-stream.check-write", |_: Context<'_>, (_,): (Resource<Output>,)| {
        Ok((Ok::<_, StreamError>(WRITE_BYTES),))
    })?;
    for write in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        instance.func_wrap(write, written)?;
    }
    for flush in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        instance.func_wrap(flush, |_: Context<'_>, (_,): (Resource<Output>,)| Ok((Ok::<(), StreamError>(()),)))?;
    }
    Ok(())
}

type Written = (std::result::Result<(), StreamError>,);

fn written(mut store: Context<'_>, (stream, bytes): (Resource<Output>, WasmList<u8>)) -> Result<Written> {
    let length = bytes.len();
    if length as u64 > WRITE_BYTES {
        return Err(Denied(format!("{length} bytes were written at once, and {WRITE_BYTES} are allowed")).into());
    }
    let bytes = bytes.as_le_slice(&store).to_vec();
    let State { world, log, .. } = store.data_mut();
    world.write(log, stream.rep() == ERRORS, &bytes);
    Ok((Ok(()),))
}
