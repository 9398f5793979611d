//! Whether the kernel lets glommio run, and if not, why.

use std::fs;
use std::io;

use glommio::{LocalExecutor, LocalExecutorBuilder};
use io_uring::{IoUring, Probe, opcode};
use rlimit::Resource;
use rustix::io::Errno;

/// What glommio asks for before it opens a ring.
const MEMLOCK: u64 = 512 * 1024;

/// What is plenty for the executors of a whole machine, where all together are limited.
const MEMLOCK_OF_ALL: u64 = 64 * 1024 * 1024;

/// The setting by which an administrator switches io_uring off.
const SWITCH: &str = "/proc/sys/kernel/io_uring_disabled";

/// Why glommio cannot run here, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The process may lock too little memory.
    #[error(
        "RLIMIT_MEMLOCK is {limit} bytes, glommio needs {needed}: raise it with `ulimit -l {}`, \
         `LimitMEMLOCK={needed}` in a systemd unit, or `--ulimit memlock={needed}` for a container",
        .needed / 1024
    )]
    MemLock {
        /// The soft limit of the process, in bytes.
        limit: u64,
        /// What is needed, in bytes.
        needed: u64,
    },
    /// The system's administrator has switched io_uring off.
    #[error(
        "io_uring is switched off: kernel.io_uring_disabled is {setting}; allow it with \
         `sysctl kernel.io_uring_disabled=0`, or with 1 and this process in the group \
         kernel.io_uring_group"
    )]
    SwitchedOff {
        /// The value of the setting: 1 or 2.
        setting: String,
    },
    /// The kernel allows io_uring, but something in between does not.
    #[error(
        "io_uring_setup is refused ({source}), most likely by a seccomp filter such as that of a \
         container: run it with a profile that allows io_uring_setup, io_uring_enter and \
         io_uring_register, for example `--security-opt seccomp=unconfined`"
    )]
    Filtered {
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel has no io_uring, or one without what glommio needs.
    #[error(
        "Linux {release} lacks {missing}, which glommio needs: use 5.8 or later, built with \
         CONFIG_IO_URING, and no seccomp filter that hides it"
    )]
    Kernel {
        /// The release of the running kernel.
        release: String,
        /// What it lacks.
        missing: &'static str,
    },
    /// Something else, such as too few file descriptors.
    #[error("cannot start a glommio executor: {0}")]
    Other(#[source] io::Error),
}

/// Opens a ring and asks what it can do, to see whether an executor would start on this thread.
///
/// # Errors
/// Says what is in the way and how to change it.
pub fn check() -> Result<(), Unavailable> {
    let ring = IoUring::new(2).map_err(explain)?;
    let mut probe = Probe::new();
    let probed = ring.submitter().register_probe(&mut probe);
    if probed.is_err() || !probe.is_supported(opcode::Recv::CODE) {
        // They came together, with Linux 5.6, the probe among them.
        return Err(lacks("the network operations of io_uring"));
    }
    let (limit, _) = Resource::MEMLOCK.get().map_err(Unavailable::Other)?;
    if limit < MEMLOCK {
        return Err(Unavailable::MemLock {
            limit,
            needed: MEMLOCK,
        });
    }
    Ok(())
}

/// Makes an executor, as [`LocalExecutorBuilder::make`] does, where [`check`] finds nothing in the
/// way.
///
/// # Errors
/// As [`check`]; or what glommio says about the builder's settings.
pub fn executor(builder: LocalExecutorBuilder) -> Result<LocalExecutor, Unavailable> {
    check()?;
    builder.make().map_err(|error| explain(error.into()))
}

/// What an error on opening a ring means.
fn explain(error: io::Error) -> Unavailable {
    let setting = fs::read_to_string(SWITCH).unwrap_or_default();
    let setting = setting.trim();
    match Errno::from_io_error(&error) {
        Some(Errno::PERM | Errno::ACCESS) if !matches!(setting, "" | "0") => {
            Unavailable::SwitchedOff {
                setting: setting.to_owned(),
            }
        }
        Some(Errno::PERM | Errno::ACCESS) => Unavailable::Filtered { source: error },
        Some(Errno::NOSYS) => lacks("io_uring"),
        // Before Linux 5.12, rings count as locked memory of the user.
        Some(Errno::NOMEM) => match Resource::MEMLOCK.get() {
            Ok((limit, _)) if limit < MEMLOCK_OF_ALL => Unavailable::MemLock {
                limit,
                needed: MEMLOCK_OF_ALL,
            },
            _ => Unavailable::Other(error),
        },
        _ => Unavailable::Other(error),
    }
}

fn lacks(missing: &'static str) -> Unavailable {
    let release = rustix::system::uname();
    let release = release.release().to_string_lossy().into_owned();
    Unavailable::Kernel { release, missing }
}
