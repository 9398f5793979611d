#!/usr/bin/env python3
"""The program of the story: keeps 2,000 values in the ring and says, each time that it changes, what
became of them.

    app.py FILE"""

import signal
import sys
import threading

from ring import Ring

KEYS = [f"user:{number}" for number in range(2000)]

ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())

ring = Ring(sys.argv[1])
before, servers = {}, frozenset()
changed = True
while not ended.wait(0.05):
    if not changed:
        changed = ring.follow()
        continue
    changed = False
    owners = {key: ring.owner(key) for key in KEYS}
    hits = {key for key in KEYS if ring.get(key) == key.encode()}
    moved = {key for key in KEYS if owners[key] != before.get(key)}
    came, went = ring.servers - servers, servers - ring.servers
    # Consistent hashing: a key moves to a server that came or from one that went, never else.
    strays = [key for key in moved if owners[key] not in came and before.get(key) not in went]
    lost = [key for key in KEYS if key not in moved and key not in hits]
    for key in KEYS:
        if key not in hits:
            ring.set(key, key)
    print(f"servers={len(ring.servers)} moved={len(moved)} hits={len(hits)}",
          f"strays={len(strays)} lost={len(lost)}", flush=True)
    before, servers = owners, ring.servers
