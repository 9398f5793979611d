"""A memcached client whose ring follows a file of servers, one ADDRESS:PORT a line.

The hashing is pymemcache's: rendezvous hashing, in which a server that goes takes with it only its
own keys, and one that comes gets its share from all. Its HashClient is not used, as that finds out
about dead servers itself, each program at another time; here all programs have the ring that the
members make."""

import os

from pymemcache.client.base import Client
from pymemcache.client.rendezvous import RendezvousHash
from pymemcache.exceptions import MemcacheError


class Ring:
    def __init__(self, path: str) -> None:
        self._path, self._seen = path, None
        self._clients: dict[str, Client] = {}
        self.follow()

    def follow(self) -> bool:
        """Takes over the list if it has changed. Costs one stat(2): call it before a request."""
        stat = os.stat(self._path)
        seen = (stat.st_ino, stat.st_mtime_ns)
        if seen == self._seen:
            return False
        with open(self._path) as file:
            servers = sorted(file.read().split())
        for server in set(self._clients) - set(servers):
            self._clients.pop(server).close()
        for server in set(servers) - set(self._clients):
            self._clients[server] = Client(server, connect_timeout=0.5, timeout=0.5)
        self._hash, self._seen = RendezvousHash(servers), seen
        return True

    @property
    def servers(self) -> frozenset[str]:
        return frozenset(self._clients)

    def owner(self, key: str) -> str:
        """The server that has this key."""
        return self._hash.get_node(key)

    def get(self, key: str) -> bytes | None:
        """The value, or None: a server that does not answer is a miss, until the list follows."""
        try:
            return self._clients[self.owner(key)].get(key)
        except (OSError, MemcacheError):
            return None

    def set(self, key: str, value: str, expire: int = 3600) -> None:
        """Keeps the value, if the server that should have it answers."""
        try:
            self._clients[self.owner(key)].set(key, value, expire, noreply=False)
        except (OSError, MemcacheError):
            pass
