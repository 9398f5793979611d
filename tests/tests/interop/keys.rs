//! Encryption, and the change of keys.

use serf_core::KeyOperation;
use serf_core::keyring::{Key, Keyring};
use serf_runtime::Options;

use crate::agent::{Agent, installed, join, members, node, until};

fn key(byte: u8, len: usize) -> Key {
    Key::new(&[byte; 32][..len]).unwrap()
}

fn encrypted(ring: Keyring) -> impl FnOnce(Options) -> Options {
    |o| o.keyring(ring)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_changed_from_either_side_and_those_without_it_stay_outside() {
    if !installed() {
        return;
    }
    let (old, new, last) = (key(1, 16), key(2, 32), key(3, 24));
    let text = old.to_base64().to_string();
    let write = |dir: &std::path::PathBuf| {
        std::fs::write(dir.join("keyring.json"), format!("[\"{text}\"]")).unwrap();
    };
    let go = Agent::start_with("go", &["-keyring-file=keyring.json"], write).await;
    let second = Agent::start("second", &["-encrypt", &text]).await;
    second.run(&["join", &go.addr()]);
    let ours = node("ours", encrypted(Keyring::new(old.clone()))).await;
    join(&ours, &[go.addr()]).await;
    until("all know all", async || {
        let seen = members(&ours).await;
        seen.len() == 3 && go.members() == seen && second.members() == seen
    })
    .await;

    for operation in [
        KeyOperation::Install(new.clone()),
        KeyOperation::Use(new.clone()),
        KeyOperation::Remove(old.clone()),
    ] {
        let report = ours.key_operation(operation).await.unwrap();
        assert!(report.is_complete(), "{report:?}");
    }
    let listed = go.run(&["keys", "-list"]);
    assert!(
        listed.contains(&*new.to_base64()) && listed.contains("[3/3]"),
        "{listed}"
    );
    assert!(!listed.contains(&*old.to_base64()), "{listed}");
    let kept = std::fs::read_to_string(go.dir.join("keyring.json")).unwrap();
    assert!(kept.contains(&*new.to_base64()), "{kept}");

    let text = last.to_base64().to_string();
    go.run(&["keys", "-install", &text]);
    go.run(&["keys", "-use", &text]);
    go.run(&["keys", "-remove", &new.to_base64()]);
    let mut report = ours.key_operation(KeyOperation::List).await.unwrap();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(
        std::mem::take(&mut report.keys)
            .into_iter()
            .collect::<Vec<_>>(),
        [(text.clone(), 3)]
    );
    assert_eq!(
        std::mem::take(&mut report.primary_keys)
            .into_iter()
            .collect::<Vec<_>>(),
        [(text, 3)]
    );

    let stranger = node("stranger", |o| o).await;
    assert!(stranger.join(&[go.addr()]).await.is_err());
    assert!(
        stranger
            .join(&[ours.advertise_addr().to_string()])
            .await
            .is_err()
    );
    let plain = Agent::start("plain", &[]).await;
    let join = plain.cli(&["join", &ours.advertise_addr().to_string()]);
    assert!(!join.status.success());
    assert_eq!(members(&ours).await.len(), 3);
}
