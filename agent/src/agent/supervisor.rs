//! Tells the supervisor of services (systemd, with `Type=notify`) how the agent is doing. Without
//! one that wants to know, nothing happens.

use sd_notify::NotifyState;

/// The agent can be talked to, and has joined what it must join before it runs.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being read again; [`ready`] follows.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The agent is on its way out.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(target: "agent", "Cannot notify the supervisor: {error}");
    }
}
