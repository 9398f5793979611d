"""Fabric tasks on the living members of the cluster.

    fab on-each --role=web --command=uptime"""

import json
import os
import subprocess
import sys

from fabric import Connection, SerialGroup, task


def members(role=None):
    """The living members, from the agent on this machine, with their addresses."""
    command = ["serf", "members", "-status", "alive", "-format", "json"]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    for member in sorted(listed["members"] or [], key=lambda member: member["name"]):
        if role is None or (member["tags"] or {}).get("role") == role:
            address, _, _ = member["addr"].rpartition(":")
            yield member["name"], address.strip("[]")


@task
def on_each(c, command, role=None):
    """Runs a command on each member, or each with a role, and says who said what."""
    hosts = dict(members(role))
    if not hosts:
        sys.exit(f"no living member has the role {role}" if role else "no living member")
    group = SerialGroup.from_connections(
        Connection(
            address,
            user=os.environ.get("SSH_USER"),
            port=int(os.environ.get("SSH_PORT", "22")),
            connect_kwargs={"key_filename": os.environ["SSH_KEY"]} if "SSH_KEY" in os.environ else {},
            connect_timeout=10,
        )
        for address in hosts.values()
    )
    results = group.run(command, hide=True)
    said = {connection.host: result.stdout.strip() for connection, result in results.items()}
    for name, address in hosts.items():
        print(f"{name}: {said[address]}")
