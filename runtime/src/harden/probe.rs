//! The proof that the locks hold: a process locks itself as a sandbox process does, tries one forbidden call, and
//! reports the result. A call can end the process, so each probe has a process of its own.

use super::Hardening;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// The exit status of a probe whose call was allowed.
const LET_THROUGH: i32 = 0;
/// The exit status of a probe whose call was refused.
const REFUSED: i32 = 3;
/// The exit status of a probe that could not be locked.
const NOT_LOCKED: i32 = 4;

/// A forbidden system call to try.
#[derive(Clone, Copy)]
pub struct Probe {
    /// The name on the command line and in reports.
    pub name: &'static str,
    attempt: fn() -> libc::c_long,
}

/// The result of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// The kernel ended the process.
    Killed,
    /// The call failed.
    Refused,
    /// The call was allowed: the lock does not hold.
    LetThrough,
    /// The probe could not be run.
    Broken,
}

macro_rules! call {
    ($name:literal, $number:expr $(, $argument:expr)*) => {
        Probe {
            name: $name,
            // SAFETY: a system call whose arguments are numbers and pointers to static strings or null, in a process
            // that exists for this call only and ends after it.
            attempt: || unsafe { libc::syscall($number $(, $argument)*) },
        }
    };
}

const PATH: *const libc::c_char = c"/etc/passwd".as_ptr();
const NULL: *const libc::c_void = std::ptr::null();

/// Returns all probes.
pub fn probes() -> &'static [Probe] {
    const PROBES: &[Probe] = &[
        call!("openat", libc::SYS_openat, libc::AT_FDCWD, PATH, libc::O_RDONLY),
        call!("openat2", libc::SYS_openat2, libc::AT_FDCWD, PATH, NULL, 0),
        call!("execve", libc::SYS_execve, c"/bin/true".as_ptr(), NULL, NULL),
        call!("execveat", libc::SYS_execveat, libc::AT_FDCWD, c"/bin/true".as_ptr(), NULL, NULL, 0),
        call!("clone", libc::SYS_clone, libc::SIGCHLD, NULL, NULL, NULL, 0),
        call!("clone3", libc::SYS_clone3, NULL, 0),
        call!("ptrace", libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, NULL, NULL),
        call!("process_vm_readv", libc::SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0),
        call!("process_vm_writev", libc::SYS_process_vm_writev, 1, NULL, 0, NULL, 0, 0),
        call!("socket", libc::SYS_socket, libc::AF_INET, libc::SOCK_STREAM, 0),
        call!("socket_unix", libc::SYS_socket, libc::AF_UNIX, libc::SOCK_STREAM, 0),
        call!("socket_netlink", libc::SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW, 0),
        call!("connect", libc::SYS_connect, 0, NULL, 0),
        call!("bind", libc::SYS_bind, 0, NULL, 0),
        call!("listen", libc::SYS_listen, 0, 1),
        call!("sendto", libc::SYS_sendto, 0, NULL, 0, 0, NULL, 0),
        call!("ioctl", libc::SYS_ioctl, 2, libc::TIOCSTI, c"x".as_ptr()),
        call!("kill", libc::SYS_kill, 1, 0),
        call!("kill_parent", libc::SYS_kill, rustix_parent(), 0),
        call!("tgkill_other", libc::SYS_tgkill, 1, 1, 0),
        call!("pidfd_open", libc::SYS_pidfd_open, 1, 0),
        call!("mount", libc::SYS_mount, PATH, PATH, NULL, 0, NULL),
        call!("umount2", libc::SYS_umount2, PATH, 0),
        call!("chroot", libc::SYS_chroot, PATH),
        call!("unshare", libc::SYS_unshare, libc::CLONE_NEWUSER),
        call!("setns", libc::SYS_setns, 0, 0),
        call!("bpf", libc::SYS_bpf, 0, NULL, 0),
        call!("perf_event_open", libc::SYS_perf_event_open, NULL, 0, -1, -1, 0),
        call!("io_uring_setup", libc::SYS_io_uring_setup, 1, NULL),
        call!("userfaultfd", libc::SYS_userfaultfd, 0),
        call!("keyctl", libc::SYS_keyctl, 0, 0, 0, 0, 0),
        call!("memfd_create", libc::SYS_memfd_create, c"x".as_ptr(), 0),
        call!("init_module", libc::SYS_init_module, NULL, 0, NULL),
        call!("kexec_load", libc::SYS_kexec_load, 0, 0, NULL, 0),
        call!("setuid_root", libc::SYS_setuid, 0),
        call!("setresuid_root", libc::SYS_setresuid, 0, 0, 0),
        call!("capset", libc::SYS_capset, NULL, NULL),
        call!("unlinkat", libc::SYS_unlinkat, libc::AT_FDCWD, c"/nonexistent".as_ptr(), 0),
        call!("mkdirat", libc::SYS_mkdirat, libc::AT_FDCWD, c"/tmp/cronbox-probe".as_ptr(), 0o700),
        call!("symlinkat", libc::SYS_symlinkat, PATH, libc::AT_FDCWD, c"/tmp/cronbox-probe".as_ptr()),
        call!("newfstatat", libc::SYS_newfstatat, libc::AT_FDCWD, PATH, NULL, 0),
        call!("getdents64", libc::SYS_getdents64, 0, NULL, 0),
        call!("readlinkat", libc::SYS_readlinkat, libc::AT_FDCWD, c"/proc/self/exe".as_ptr(), NULL, 0),
        call!("getcwd", libc::SYS_getcwd, NULL, 0),
        call!("dup", libc::SYS_dup, 0),
        call!("pipe2", libc::SYS_pipe2, NULL, 0),
        call!("fcntl_setfl", libc::SYS_fcntl, 0, libc::F_SETFL, 0),
        call!("prctl", libc::SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0),
        call!("setpriority", libc::SYS_setpriority, libc::PRIO_PROCESS, 0, -20),
        call!("prlimit64", libc::SYS_prlimit64, 0, libc::RLIMIT_CORE, NULL, NULL),
        call!("sched_setaffinity", libc::SYS_sched_setaffinity, 0, 0, NULL),
        call!("uname", libc::SYS_uname, NULL),
        call!("sysinfo", libc::SYS_sysinfo, NULL),
        call!("personality", libc::SYS_personality, 0),
        call!(
            "mmap_executable",
            libc::SYS_mmap,
            NULL,
            4096,
            libc::PROT_READ | libc::PROT_EXEC,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0
        ),
        Probe { name: "mprotect_executable", attempt: make_executable },
    ];
    PROBES
}

/// Returns the parent's number, which is known only when the probe runs.
fn rustix_parent() -> libc::c_int {
    rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get())
}

fn make_executable() -> libc::c_long {
    // SAFETY: a fresh private page at an address of the kernel's choice.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        // Writable memory is allowed; without it this probe proves nothing.
        return 0;
    }
    // SAFETY: the page made above, to which nothing else refers.
    unsafe { libc::syscall(libc::SYS_mprotect, page, 4096, libc::PROT_READ | libc::PROT_EXEC) }
}

/// Locks this process and runs the probe `name` in it. Returns the exit status.
pub(crate) fn run_probe(name: &str, parent: u32) -> i32 {
    let Some(probe) = probes().iter().find(|probe| probe.name == name) else { return NOT_LOCKED };
    let mut hardening = Hardening::default();
    super::step_back(&mut hardening);
    if super::lock(&mut hardening, 1 << 30, parent).is_err() {
        return NOT_LOCKED;
    }
    if hardening.missing().any(|measure| measure.name == "seccomp") {
        return NOT_LOCKED;
    }
    // The filter answers EPERM before the kernel checks the arguments. Any other error means that the call was allowed
    // and only its arguments were wrong.
    let result = (probe.attempt)();
    let refused = result < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM);
    if refused { REFUSED } else { LET_THROUGH }
}

impl Probe {
    /// Runs the probe in a process of its own: `command` with the probe's name and this process's number added.
    pub fn run(&self, mut command: Command) -> ProbeResult {
        command.arg(self.name).arg(std::process::id().to_string());
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.status() {
            Ok(status) if status.signal() == Some(libc::SIGSYS) => ProbeResult::Killed,
            Ok(status) if status.code() == Some(REFUSED) => ProbeResult::Refused,
            Ok(status) if status.code() == Some(LET_THROUGH) => ProbeResult::LetThrough,
            _ => ProbeResult::Broken,
        }
    }
}
