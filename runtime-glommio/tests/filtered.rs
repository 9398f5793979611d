//! Threads that a seccomp filter keeps from io_uring, in the ways in which containers do.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io;
use std::thread;

use glommio::LocalExecutorBuilder;
use rlimit::Resource;
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serf_glommio::Unavailable;

/// The number of `io_uring_setup`, the same on every architecture.
const IO_URING_SETUP: i64 = 425;

/// What is said on a thread that is answered this when it asks for a ring.
fn unavailable(errno: Errno) -> Unavailable {
    let refused = thread::spawn(move || {
        let filter = SeccompFilter::new(
            BTreeMap::from([(IO_URING_SETUP, vec![])]),
            SeccompAction::Allow,
            SeccompAction::Errno(errno.raw_os_error().unsigned_abs()),
            std::env::consts::ARCH.try_into().unwrap(),
        );
        let filter: BpfProgram = filter.unwrap().try_into().unwrap();
        seccompiler::apply_filter(&filter).unwrap();
        let error = serf_glommio::executor(LocalExecutorBuilder::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            serf_glommio::check().unwrap_err().to_string()
        );
        error
    });
    refused.join().unwrap()
}

fn switched_off() -> bool {
    let setting = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    setting.is_ok_and(|setting| setting.trim() != "0")
}

#[test]
fn a_filter_that_refuses_is_named_with_what_to_allow() {
    let error = unavailable(Errno::PERM);
    let words = error.to_string();
    if switched_off() {
        assert!(matches!(error, Unavailable::SwitchedOff { .. }), "{words}");
        return;
    }
    let Unavailable::Filtered { source } = error else {
        panic!("unexpected {error:?}");
    };
    assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
    assert!(
        words.contains("seccomp") && words.contains("io_uring_setup"),
        "{words}"
    );
}

#[test]
fn a_kernel_without_io_uring_is_named_with_its_release() {
    let error = unavailable(Errno::NOSYS);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let words = error.to_string();
    assert!(matches!(error, Unavailable::Kernel { .. }), "{words}");
    for word in [release.trim(), "io_uring", "5.8"] {
        assert!(words.contains(word), "{words:?} should mention {word:?}");
    }
}

#[test]
fn want_of_memory_is_taken_for_a_limit_on_locked_memory() {
    let (limit, _) = Resource::MEMLOCK.get().unwrap();
    let error = unavailable(Errno::NOMEM);
    if limit < 64 << 20 {
        assert!(matches!(error, Unavailable::MemLock { .. }), "{error:?}");
        assert!(error.to_string().contains("RLIMIT_MEMLOCK"));
    } else {
        assert!(matches!(error, Unavailable::Other(_)), "{error:?}");
    }
}

#[test]
fn want_of_file_descriptors_is_passed_on() {
    let error = unavailable(Errno::MFILE);
    let Unavailable::Other(source) = &error else {
        panic!("unexpected {error:?}");
    };
    assert_eq!(source.raw_os_error(), Some(Errno::MFILE.raw_os_error()));
}
