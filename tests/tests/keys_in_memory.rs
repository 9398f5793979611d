//! A key that is forgotten is nowhere in the memory of a program in which nodes run.
#![allow(clippy::unwrap_used)]

#[path = "../../core/tests/arena/mod.rs"]
mod arena;

use arena::{SECRET, traces};
use serf_core::KeyOperation;
use serf_core::keyring::{Key, Keyring};
use serf_runtime::files::load_keyring;
use serf_tests::runtimes::OneThread;
use serf_tests::{Runtime, eventually, options};

#[test]
fn a_removed_key_leaves_no_trace_in_a_runtime_nor_in_what_it_has_freed() {
    let key = Key::new(&SECRET).unwrap();
    assert!(traces() > 0, "it is found where it is");
    drop(key);
    OneThread::run(rotate_there_and_back::<OneThread>());
}

async fn rotate_there_and_back<R: Runtime>() {
    let old = || Key::new(&[1; 32]).unwrap();
    let secret = || Key::new(&SECRET).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keyring.json");
    serf_runtime::files::save_keyring(&file, &Keyring::new(old())).unwrap();
    let a = R::bind(options("a").keyring_file(&file)).await.unwrap();
    let b = options("b").keyring(Keyring::new(old()));
    let b = R::bind(b).await.unwrap();
    let joined = b.join(&[a.advertise_addr().to_string()]).await.unwrap();
    assert_eq!(joined.failed, []);
    let operate = async |operation: KeyOperation| {
        eventually::<R>("both should do it", async || {
            let report = b.key_operation(operation.clone()).await.unwrap();
            report.is_complete()
        })
        .await;
    };
    let saved = async |keys: usize| {
        eventually::<R>("the file should follow", async || {
            load_keyring(&file).unwrap().keys().len() == keys
        })
        .await;
    };
    operate(KeyOperation::Install(secret())).await;
    saved(2).await;
    operate(KeyOperation::Use(secret())).await;
    // A buffer that grows while the file is read leaves behind what comes first in it.
    eventually::<R>("the file should follow", async || {
        load_keyring(&file).unwrap().keys()[0] == secret()
    })
    .await;
    operate(KeyOperation::List).await;
    operate(KeyOperation::Use(old())).await;
    operate(KeyOperation::Remove(secret())).await;
    saved(1).await;
    a.shutdown().await;
    b.shutdown().await;
    assert_eq!(traces(), 0);
}
