//! A process that may lock too little memory. Alone in its binary, as the limit is the process's.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::io::Write as _;

use glommio::LocalExecutorBuilder;
use rlimit::Resource;
use serf_glommio::Unavailable;

#[test]
fn too_little_locked_memory_is_named_with_its_limit_and_how_to_raise_it() {
    match serf_glommio::check() {
        Ok(()) | Err(Unavailable::MemLock { .. }) => {}
        Err(other) => {
            let _ = writeln!(std::io::stderr(), "SKIPPED: {other}");
            return;
        }
    }
    let (_, hard) = Resource::MEMLOCK.get().unwrap();
    Resource::MEMLOCK.set(64 * 1024, hard).unwrap();
    for error in [
        serf_glommio::check().unwrap_err(),
        serf_glommio::executor(LocalExecutorBuilder::default()).unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                Unavailable::MemLock {
                    limit: 65_536,
                    needed: 524_288
                }
            ),
            "{error:?}"
        );
        let words = error.to_string();
        for word in ["RLIMIT_MEMLOCK is 65536", "`ulimit -l 512`", "LimitMEMLOCK"] {
            assert!(words.contains(word), "{words:?} should mention {word:?}");
        }
    }
    // glommio itself agrees on what it needs.
    assert!(LocalExecutorBuilder::default().make().is_err());
    if Resource::MEMLOCK.set(512 * 1024, hard).is_ok() {
        let error = serf_glommio::check().err();
        assert!(
            !matches!(error, Some(Unavailable::MemLock { .. })),
            "{error:?}"
        );
    }
}
