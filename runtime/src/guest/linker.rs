//! The linking of a guest, by name. A guest reaches nothing that is not named here.

use super::Guest;
use super::cronbox::guest::host;
use super::fuel::{refuel, settle};
use super::host_functions::{encryption, loaded};
use super::paid::{PaidEnvironment, PaidPoll, PaidRandom};
use crate::files::HasFiles;
use crate::guest_description::GuestDescription;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, Linker, Resource, ResourceTable, ResourceType};
use wasmtime::{Engine, StoreContextMut};
use wasmtime_wasi::cli::WasiCli;
use wasmtime_wasi::clocks::WasiClocks;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode as SocketError, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sync::filesystem as file_bindings;
use wasmtime_wasi::p2::bindings::{cli, clocks, io, random};
use wasmtime_wasi::random::WasiRandom;

/// The interface in which the guest asks for fuel (`python-wasm/merge/src/meter.rs`).
const FUEL: &str = "cronbox:meter/fuel@0.1.0";

/// Links everything that the component imports, which is at most what its description names, and its meter. Functions that
/// are not named here do not exist, or always refuse.
pub(crate) fn linker(
    engine: &Engine,
    component: &Component,
    description: &GuestDescription,
) -> wasmtime::Result<Linker<Guest>> {
    let mut is_metered = false;
    for (name, item) in component.component_type().imports(engine) {
        is_metered |= name == FUEL;
        // A type is no ability.
        let can = name == FUEL || description.can_import(name) || matches!(item.ty, ComponentItem::Type(_));
        wasmtime::ensure!(can, "the guest imports {name}, which its description does not name");
    }
    wasmtime::ensure!(is_metered, "the guest does not count its work (it does not import {FUEL})");
    let mut linker = Linker::<Guest>::new(engine);
    let l = &mut linker;
    io::error::add_to_linker::<Guest, HasSelf<ResourceTable>>(l, Guest::table)?;
    io::poll::add_to_linker::<Guest, PaidPoll>(l, Guest::paid_poll)?;
    io::streams::add_to_linker::<Guest, HasSelf<ResourceTable>>(l, Guest::table)?;
    clocks::wall_clock::add_to_linker::<Guest, WasiClocks>(l, Guest::clocks)?;
    clocks::monotonic_clock::add_to_linker::<Guest, WasiClocks>(l, Guest::clocks)?;
    random::random::add_to_linker::<Guest, PaidRandom>(l, Guest::paid_random)?;
    random::insecure::add_to_linker::<Guest, PaidRandom>(l, Guest::paid_random)?;
    random::insecure_seed::add_to_linker::<Guest, WasiRandom>(l, Guest::random)?;
    cli::exit::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::environment::add_to_linker::<Guest, PaidEnvironment>(l, Guest::paid_environment)?;
    cli::stdin::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::stdout::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::stderr::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_input::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_output::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stdin::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stdout::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    cli::terminal_stderr::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    file_bindings::preopens::add_to_linker::<Guest, HasFiles>(l, Guest::files)?;
    file_bindings::types::add_to_linker::<Guest, HasFiles>(l, Guest::files)?;
    host::add_to_linker::<Guest, HasSelf<Guest>>(l, Guest::host)?;
    l.allow_shadowing(true);
    l.instance("cronbox:guest/host@0.1.0")?.func_wrap("loaded", loaded)?;
    l.instance("cronbox:guest/host@0.1.0")?
        .func_wrap_async("crypto", |store, given| Box::new(encryption(store, given)))?;
    l.allow_shadowing(false);
    l.instance(FUEL)?.func_wrap("settle", settle)?;
    l.instance(FUEL)?.func_wrap_async("refuel", |store, (left,)| Box::new(refuel(store, left)))?;
    refuse_sockets(l, component)?;
    Ok(linker)
}

/// The network handle that WASI gives out before a name is looked up. It has no function.
enum NoNetwork {}

/// A socket. None exists.
enum NoSocket {}

/// Refuses `wasi:sockets`, which interpreters import. The functions that could open something answer
/// access-denied; all others need a socket, so they are never called.
fn refuse_sockets(linker: &mut Linker<Guest>, component: &Component) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    for (import, item) in component.component_type().imports(&engine) {
        let Some(interface) = import.strip_prefix("wasi:sockets/").and_then(|rest| rest.split('@').next()) else {
            continue;
        };
        let ComponentItem::ComponentInstance(ty) = item.ty else { continue };
        let mut instance = linker.instance(import)?;
        for (name, item) in ty.exports(&engine) {
            match (interface, name, item.ty) {
                (_, "create-tcp-socket" | "create-udp-socket", _) => instance.func_wrap(name, no_socket)?,
                (_, "resolve-addresses", _) => instance.func_wrap(name, no_address)?,
                (_, "instance-network", _) => {
                    instance.func_wrap(name, |mut store: StoreContextMut<'_, Guest>, (): ()| {
                        store.data_mut().meter.call();
                        Ok((Resource::<NoNetwork>::new_own(0),))
                    })?;
                }
                ("network", "network", _) => {
                    instance.resource(name, ResourceType::host::<NoNetwork>(), |_, _| Ok(()))?;
                }
                // Each type is defined in its own interface; the others only refer to it.
                ("tcp", "tcp-socket", _)
                | ("udp", "udp-socket" | "incoming-datagram-stream" | "outgoing-datagram-stream", _)
                | ("ip-name-lookup", "resolve-address-stream", _) => {
                    instance.resource(name, ResourceType::host::<NoSocket>(), |_, _| Ok(()))?;
                }
                (_, _, ComponentItem::ComponentFunc(_)) => {
                    instance.func_new(name, |_, _, _, _| wasmtime::bail!("a socket that the guest does not have"))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn no_address(
    mut store: StoreContextMut<'_, Guest>,
    (_, name): (Resource<NoNetwork>, String),
) -> wasmtime::Result<(Result<Resource<NoSocket>, SocketError>,)> {
    store.data_mut().host().meter.bytes(name.len());
    Ok((Err(SocketError::AccessDenied),))
}

fn no_socket(
    mut store: StoreContextMut<'_, Guest>,
    _: (IpAddressFamily,),
) -> wasmtime::Result<(Result<Resource<NoSocket>, SocketError>,)> {
    store.data_mut().host();
    Ok((Err(SocketError::AccessDenied),))
}
