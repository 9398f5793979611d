#!/usr/bin/env python3
"""What our agent and HashiCorp's take and how fast they are, measured side by side.

    cargo build --release --config packaging/static.toml --locked -p serf \
        --target x86_64-unknown-linux-gnu
    agent/benches/figures.py target/x86_64-unknown-linux-gnu/release/serf /usr/bin/serf

Starts a cluster of each on loopback addresses, both at the same time, and prints a table. Times are
of one run on one machine: what they say is the ratio. Processor times are the system's, in steps of
10 ms, as a mean over all agents of a cluster.
"""

import argparse
import os
import socket
import statistics
import subprocess
import threading
import time

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
# A join intent of a member that nobody knows, as memberlist packs it.
INTENT = b"\x08\x01\x82\xa5LTime\x01\xa4Node\xa5nobdy"


class Agent:
    """A running agent, and when it said what."""

    def __init__(self, program, name, ip, args=()):
        self.name, self.ip, self.started = name, ip, time.monotonic()
        command = [program, "agent", "-node", name, "-bind", ip, "-rpc-addr", f"{ip}:7373", *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.decode(errors="replace")))

    def when(self, text, since):
        """When it first said this after that time, or None."""
        for at, line in list(self.lines):
            if at >= since and text in line:
                return at
        return None

    def processor_ms(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * TICK_MS

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def end(self):
        self.process.kill()
        self.process.wait()


def skip(data, at):
    """The end of the msgpack value that begins there, or None if it is not all there."""
    def length(size):
        if at + 1 + size > len(data):
            return None
        return int.from_bytes(data[at + 1:at + 1 + size], "big")

    if at >= len(data):
        return None
    head = data[at]
    fixed = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xCA: 4, 0xCB: 8}
    if head < 0x80 or head >= 0xE0 or head in (0xC0, 0xC2, 0xC3):
        end = at + 1
    elif head in fixed:
        end = at + 1 + fixed[head]
    elif 0xA0 <= head < 0xC0:
        end = at + 1 + (head & 0x1F)
    elif head in (0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB):
        size = {0xC4: 1, 0xD9: 1, 0xC5: 2, 0xDA: 2}.get(head, 4)
        count = length(size)
        end = None if count is None else at + 1 + size + count
    else:
        size = {0xDC: 2, 0xDE: 2, 0xDD: 4, 0xDF: 4}.get(head, 0)
        count = length(size) if size else head & 0x0F
        if count is None:
            return None
        end = at + 1 + size
        for _ in range(count * (2 if head < 0x90 or head in (0xDE, 0xDF) else 1)):
            end = skip(data, end)
            if end is None:
                return None
    return end if end is not None and end <= len(data) else None


class Rpc:
    """A client of the RPC protocol that reads no more of it than where answers end."""

    def __init__(self, ip):
        self.socket = socket.create_connection((ip, 7373))
        self.data = b""
        self.socket.sendall(b"\x82\xa7Command\xa9handshake\xa3Seq\x00\x81\xa7Version\x01")
        self._take(1)

    def _take(self, values):
        at = 0
        while values:
            end = skip(self.data, at)
            if end is None:
                more = self.socket.recv(1 << 16)
                if not more:
                    raise ConnectionError("the agent closed the connection")
                self.data += more
            else:
                at, values = end, values - 1
        taken, self.data = self.data[:at], self.data[at:]
        return taken

    def members(self):
        self.socket.sendall(b"\x82\xa7Command\xa7members\xa3Seq\x01")
        return self._take(2)


def wait(what, check, limit=180):
    end = time.monotonic() + limit
    while not check():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


def start_times(programs, rounds):
    """Seconds from the start of the process to the first answer over RPC, by turns."""
    times = [[] for _ in programs]
    for turn in range(rounds):
        for which, program in enumerate(programs):
            agent = Agent(program, "starting", f"127.8{which}.0.{turn + 1}")
            while True:
                try:
                    Rpc(agent.ip)
                    break
                except ConnectionError:
                    time.sleep(0.0005)
            times[which].append(time.monotonic() - agent.started)
            agent.end()
    return times


def cluster(program, which, size):
    ips = [f"127.9{which}.0.{n + 1}" for n in range(size)]
    agents = [Agent(program, "n1", ips[0])]
    wait("the first agent", lambda: agents[0].when("Log data", 0))
    for n, ip in enumerate(ips[1:], 2):
        agents.append(Agent(program, f"n{n}", ip, ["-join", ips[0]]))
        time.sleep(0.02)
    return agents


def all_know_all(agents):
    # The names are as often in the answer as there are members.
    return all(Rpc(agent.ip).members().count(b"ProtocolCur") == len(agents) for agent in agents)


def idle(clusters, minutes):
    before = [[agent.processor_ms() for agent in agents] for agents in clusters]
    time.sleep(60 * minutes)
    after = [[agent.processor_ms() for agent in agents] for agents in clusters]
    return [
        statistics.mean(b - a for a, b in zip(*pair)) / minutes for pair in zip(before, after)
    ]


def members_latency(clusters, rounds):
    clients = [Rpc(agents[0].ip) for agents in clusters]
    times = [[] for _ in clusters]
    for _ in range(rounds):
        for which, client in enumerate(clients):
            began = time.perf_counter()
            client.members()
            times[which].append(time.perf_counter() - began)
    return [statistics.median(each) for each in times]


def command_latency(programs, clusters, rounds):
    times = [[] for _ in clusters]
    for _ in range(rounds):
        for which, (program, agents) in enumerate(zip(programs, clusters)):
            began = time.perf_counter()
            command = [program, "members", "-rpc-addr", f"{agents[0].ip}:7373"]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            times[which].append(time.perf_counter() - began)
    return [statistics.median(each) for each in times]


def heard(agents, text, since):
    """Seconds until the first and the last of these have said it."""
    wait(text, lambda: all(agent.when(text, since) for agent in agents))
    times = [agent.when(text, since) - since for agent in agents]
    return min(times), max(times)


def dissemination(programs, clusters, rounds):
    results = [[] for _ in clusters]
    for turn in range(rounds):
        for which, (program, agents) in enumerate(zip(programs, clusters)):
            name = f"event-{turn}"
            since = time.monotonic()
            command = [program, "event", "-coalesce=false", "-rpc-addr", f"{agents[0].ip}:7373", name]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            text = f"Received event: user-event: {name}\n"
            results[which].append(heard(agents, text, since)[1])
            time.sleep(0.5)
    return [statistics.median(each) for each in results]


def detection(clusters, rounds):
    """Kills an agent of each at once; seconds until the first and the last of the others know."""
    results = [[] for _ in clusters]
    for _ in range(rounds):
        victims = [agents.pop() for agents in clusters]
        since = time.monotonic()
        for victim in victims:
            victim.end()
        for which, agents in enumerate(clusters):
            text = f"EventMemberFailed: {victims[which].name} "
            results[which].append(heard(agents, text, since))
    return [tuple(map(statistics.median, zip(*each))) for each in results]


def drops(ip):
    """Datagrams that the system had no room for."""
    local = "".join(f"{int(part):02X}" for part in reversed(ip.split("."))) + f":{7946:04X}"
    with open("/proc/net/udp") as file:
        return next(int(line.split()[-1]) for line in file if local in line)


def flood(clusters, packets):
    """Microseconds of processor time for each of many small gossip packets."""
    results = []
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for agents in clusters:
        agent = agents[0]
        before, dropped = agent.processor_ms(), drops(agent.ip)
        for n in range(packets):
            sender.sendto(INTENT, (agent.ip, 7946))
            if n % 100 == 99:
                time.sleep(0.01)
        time.sleep(1)
        taken = packets - (drops(agent.ip) - dropped)
        results.append((agent.processor_ms() - before) * 1000 / taken)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ours")
    parser.add_argument("reference")
    parser.add_argument("--size", type=int, default=30, help="agents of each cluster")
    parser.add_argument("--minutes", type=float, default=2, help="of idling")
    parser.add_argument("--rounds", type=int, default=5, help="of kills and of events")
    parser.add_argument("--packets", type=int, default=50_000, help="of the flood")
    options = parser.parse_args()
    programs = [options.ours, options.reference]

    rows = [("binary", [f"{os.path.getsize(p) / 1e6:.1f} MB" for p in programs])]

    def row(what, values, form):
        rows.append((what, [form.format(*(v if isinstance(v, tuple) else (v,))) for v in values]))

    started = [statistics.median(each) * 1e3 for each in start_times(programs, 20)]
    row("start to first RPC answer, median of 20", started, "{:.1f} ms")
    clusters = []
    try:
        for which, program in enumerate(programs):
            clusters.append(cluster(program, which, options.size))
        for agents in clusters:
            wait("a complete cluster", lambda: all_know_all(agents))
        time.sleep(30)
        used = idle(clusters, options.minutes)
        row(f"processor time a minute, idle, mean of {options.size}", used, "{:.0f} ms")
        memory = [
            (statistics.mean(kib) / 1024, max(kib) / 1024)
            for kib in ([agent.resident_kib() for agent in agents] for agents in clusters)
        ]
        row("resident memory, mean and most", memory, "{:.1f} MiB, {:.1f} MiB")
        latency = [seconds * 1e6 for seconds in members_latency(clusters, 200)]
        row("`members` over an open RPC connection, median of 200", latency, "{:.0f} us")
        latency = [seconds * 1e3 for seconds in command_latency(programs, clusters, 20)]
        row("`serf members`, median of 20", latency, "{:.1f} ms")
        spread = [seconds * 1e3 for seconds in dissemination(programs, clusters, options.rounds)]
        row("an event, from the command to the last agent's log", spread, "{:.0f} ms")
        row(
            f"processor time for each of {options.packets} gossip packets of {len(INTENT)} bytes",
            flood(clusters, options.packets),
            "{:.1f} us",
        )
        found = detection(clusters, options.rounds)
        row("kill -9, until the first and the last agent know", found, "{:.1f} s, {:.1f} s")
    finally:
        for agents in clusters:
            for agent in agents:
                agent.end()

    print(f"{options.size} agents each, {os.cpu_count()} processors\n")
    print("| | ours | HashiCorp's |\n|---|---|---|")
    for what, values in rows:
        print(f"| {what} | {values[0]} | {values[1]} |")


if __name__ == "__main__":
    main()
