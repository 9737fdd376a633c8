//! The second line of defence: rights that a sandbox process gives up before the first script runs in it.
//!
//! An attacker who escapes from WebAssembly is in a process that owns nothing and can call almost nothing of the
//! kernel. Each measure is taken by itself. A measure that the kernel lacks is reported.

mod filter;
mod probe;

pub(crate) use probe::run_probe;
pub use probe::{Probe, ProbeResult, probes};

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};
use serde::{Deserialize, Serialize};

/// The user and group of a process that root started: the number of "nobody" on every common system.
const NOBODY: u32 = 65_534;
/// Most descriptors of a sandbox process: its socket, the interpreter, the poller, and one for each bundle.
const MAX_DESCRIPTORS: u64 = 1_024;
/// Most descriptors of the egress process: one for each connection.
const MAX_CONNECTIONS: u64 = 16_384;
/// The niceness of a sandbox process above its node's.
const NICENESS: i32 = 5;
/// The same when all runs of the process are busy.
const LOW_NICENESS: i32 = 19;

/// The measures of hardening, and whether each is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hardening {
    /// All measures, in the order in which they were taken.
    pub measures: Vec<Measure>,
}

/// A measure of hardening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// The name: `seccomp`, `landlock`, …
    pub name: String,
    /// The reason why it is not in force; none when it is in force.
    pub missing: Option<String>,
}

impl Hardening {
    /// Returns the measures that are not in force.
    pub fn missing(&self) -> impl Iterator<Item = &Measure> {
        self.measures.iter().filter(|measure| measure.missing.is_some())
    }

    fn note<E: std::fmt::Display>(&mut self, name: &str, taken: Result<(), E>) {
        let missing = taken.err().map(|error| error.to_string());
        self.measures.push(Measure { name: name.into(), missing });
    }
}

/// Returns true when this process can raise the CPU priority of a sandbox process again after lowering it.
pub(crate) fn can_change_priority(pid: u32) -> bool {
    change_priority(pid, NICENESS + 1) && change_priority(pid, NICENESS)
}

/// Lowers the CPU priority of a sandbox process, or sets the default again.
pub(crate) fn set_priority(pid: u32, low: bool) {
    // An error means that the process has ended, which is noticed elsewhere.
    let _ = change_priority(pid, if low { LOW_NICENESS } else { NICENESS });
}

fn change_priority(pid: u32, niceness: i32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::setpriority_process(Some(pid), niceness).is_ok())
}

/// Lets the kernel end this process first when memory is short, and gives it less CPU than its node. Call it first.
pub(crate) fn step_back(hardening: &mut Hardening) {
    // Before the change of user: only the owner of the process can write here.
    hardening.note("oom_score_adj", std::fs::write("/proc/self/oom_score_adj", "1000"));
    hardening.note("nice", rustix::process::nice(NICENESS).map(|_| ()));
}

/// Gives up every right that a sandbox process does not need. Call it after the interpreter is loaded, with one thread
/// and before any script. `data` is the most private memory of this process in bytes, `parent` the node's process.
pub(crate) fn lock(hardening: &mut Hardening, data: u64, parent: u32) -> Result<(), Orphaned> {
    lock_all_but_network(hardening, data, parent, MAX_DESCRIPTORS)?;
    hardening.note("landlock", restrict_files_and_network());
    hardening.note("seccomp", filter::install(filter::Role::Sandbox));
    Ok(())
}

/// The same for the egress process, which can also connect to other machines.
pub(crate) fn lock_egress(hardening: &mut Hardening, data: u64, parent: u32) -> Result<(), Orphaned> {
    lock_all_but_network(hardening, data, parent, MAX_CONNECTIONS)?;
    hardening.note("landlock", confine_files(&[], &[]));
    hardening.note("seccomp", filter::install(filter::Role::Egress));
    Ok(())
}

fn lock_all_but_network(hardening: &mut Hardening, data: u64, parent: u32, descriptors: u64) -> Result<(), Orphaned> {
    hardening.note("user", drop_user());
    hardening.note("capabilities", drop_capabilities());
    hardening.note("no_new_privs", rustix::thread::set_no_new_privs(true));
    hardening.note("not_dumpable", rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable));
    // After the change of user, which clears it. The kernel does not report a node that died before, so the parent is
    // checked here.
    hardening.note("parent_death_signal", rustix::process::set_parent_process_death_signal(Some(Signal::KILL)));
    let parent_now = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent_now != parent {
        return Err(Orphaned);
    }
    hardening.note("rlimits", limit_resources(data, descriptors));
    Ok(())
}

/// The node has ended.
#[derive(Debug, thiserror::Error)]
#[error("the node ended before its sandbox process was ready")]
pub(crate) struct Orphaned;

fn drop_user() -> Result<(), Errno> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    // Dropping from the bounding set needs a capability that goes with the user.
    for capability in CapabilitySet::all().iter() {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // The kernel is older than the capability.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
    }
    let (group, user) = (rustix::process::Gid::from_raw(NOBODY), rustix::process::Uid::from_raw(NOBODY));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)
}

fn drop_capabilities() -> Result<(), Errno> {
    rustix::thread::clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

fn limit_resources(data: u64, descriptors: u64) -> Result<(), Errno> {
    // At most the hard limit: the right to raise it is given up already.
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let limits = [
        // Not RLIMIT_AS: the pool of sandboxes reserves terabytes of address space.
        (Resource::Data, data),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
        (Resource::Nofile, descriptors.min(hard)),
        (Resource::Memlock, 0),
    ];
    for (resource, most) in limits {
        rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

fn restrict_files_and_network() -> Result<(), String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope,
    };
    // The newest rights that this release of the crate has. The kernel applies those it knows; no path or port is
    // allowed.
    let abi = ABI::V6;
    let restricted = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(abi)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| error.to_string())?;
    match restricted.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced => Err("this kernel knows only a part of it".into()),
        RulesetStatus::NotEnforced => Err("this kernel does not have it".into()),
    }
}

/// Restricts this process and its children to these paths: files and directories to read and execute, and directories
/// to write. Paths that do not exist are ignored. The error says what the kernel lacks.
///
/// It is for processes that are not sandboxes, such as one that downloads packages: the network is not restricted.
pub fn confine_files(read: &[&std::path::Path], write: &[&std::path::Path]) -> Result<(), String> {
    use landlock::{
        ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
        path_beneath_rules,
    };
    let abi = ABI::V6;
    let confined = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(read, AccessFs::from_read(abi))))
        .and_then(|rules| rules.add_rules(path_beneath_rules(write, AccessFs::from_all(abi))))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| error.to_string())?;
    match confined.ruleset {
        RulesetStatus::NotEnforced => Err("this kernel does not have landlock".into()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}
