#!/usr/bin/env python3
"""Sends requests, each on a connection of its own, and logs who answered: NAME or "failed: WHY".

    requests.py URL LOG

Four at a time, until it is terminated or 60,000 are done. It does not try again: what fails here
has failed for a client."""

import http.client
import signal
import sys
import threading
import urllib.parse

URL, LOG = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
CLIENTS, EACH = 4, 15_000

ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())


def request() -> str:
    connection = http.client.HTTPConnection(URL.hostname, URL.port, timeout=10)
    try:
        connection.request("GET", URL.path or "/")
        response = connection.getresponse()
        body = response.read().decode().strip()
        return body if response.status == 200 else f"failed: status {response.status}"
    except (OSError, http.client.HTTPException) as error:
        return f"failed: {error!r}"
    finally:
        connection.close()


def client(log) -> None:
    for _ in range(EACH):
        if ended.is_set():
            return
        log.write(request() + "\n")
        # So that the machine is left some time for everything else.
        ended.wait(0.005)


with open(LOG, "a", buffering=1) as log:
    clients = [threading.Thread(target=client, args=(log,)) for _ in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
