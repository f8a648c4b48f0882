#!/usr/bin/env python3
"""The first figures of docs/performance.md: messages per second into mailboxes, and memory per idle IMAP connection.

    cargo build --release && benches/first-figures.py [throughput|memory]

Prints Markdown. Every promise is kept while it measures: each message is synced before its 250, in the queue and in the
mailbox. The load generator is one process with one event loop that shares the machine with the server; what it costs
itself is printed. Connections to submission are without TLS, so that the server is measured and not Python's TLS; from
the queue to the mailbox layer there is TLS, as configured by default. Not part of ./test: figures are no tests.
"""

import sys

sys.dont_write_bytecode = True

import os
import platform
import resource
import selectors
import statistics
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/clients"))

import harness
import messages
from wire import Wire

MESSAGE_SIZE = 8 * 1024
# Connections: messages in all.
LOADS = {1: 400, 10: 3000, 50: 6000}
WARM_UP = 50
IDLE = 1000
PATIENCE = 300


def machine(folder):
    """What figures depend on."""
    cpu = next(line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    mount = max((line.split() for line in Path("/proc/mounts").read_text().splitlines() if str(folder).startswith(line.split()[1])),
                key=lambda fields: len(fields[1]))
    return (f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GiB, Linux {platform.release()}, {mount[2]}; "
            f"writing {MESSAGE_SIZE // 1024} KiB and fsync: {fsync_time(folder):.2f} ms (median)")


def fsync_time(folder):
    took = []
    for number in range(200):
        with open(folder / f"fsync-{number}", "wb") as file:
            file.write(b"x" * MESSAGE_SIZE)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


class Sender:
    """One connection to submission: pipelined envelope, content, and again, until its share is sent."""

    def __init__(self, node, recipient, share):
        self.wire = Wire(node.port("submission"))
        sender = node.user_of_bench.address
        self.wire.reply()
        self.wire.ask("EHLO bench.test")
        assert self.wire.ask(f"AUTH PLAIN {harness.plain(node.user_of_bench)}").startswith("235")
        self.envelope = f"MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient.address}>\r\nDATA\r\n".encode()
        self.content = messages.of_size("bench", MESSAGE_SIZE) + b".\r\n"
        self.left, self.heard, self.in_content = share, b"", False
        self.socket = self.wire.socket

    def begin(self):
        self.socket.sendall(self.envelope)

    def hear(self):
        """Goes on as far as the server has answered. Gives how many messages were accepted."""
        self.heard += self.socket.recv(4096)
        if not self.in_content:
            if self.heard.count(b"\r\n") < 3:
                return 0
            assert b"\r\n354 " in self.heard, self.heard
            self.in_content, self.heard = True, b""
            self.socket.sendall(self.content)
            return 0
        if b"\r\n" not in self.heard:
            return 0
        assert self.heard.startswith(b"250 "), self.heard
        self.in_content, self.heard = False, b""
        self.left -= 1
        if self.left:
            self.begin()
        return 1


def throughput(node, connections, count):
    """Messages per second accepted, and in their mailboxes; CPU seconds of the load generator and of the server."""
    recipients = [node.user() for _ in range(min(connections, 10))]
    senders = [Sender(node, recipients[n % len(recipients)], count // connections) for n in range(connections)]
    selector = selectors.DefaultSelector()
    for sender in senders:
        selector.register(sender.socket, selectors.EVENT_READ, sender)
    cpu, of_server = time.process_time(), server_cpu(node)
    began = time.monotonic()
    for sender in senders:
        sender.begin()
    accepted = 0
    while accepted < count:
        for key, _ in selector.select(PATIENCE):
            accepted += key.data.hear()
    accepted_after = time.monotonic() - began
    harness.eventually(lambda: stored(recipients) >= count, "all messages are in their mailboxes", PATIENCE)
    stored_after = time.monotonic() - began
    cpu, of_server = time.process_time() - cpu, server_cpu(node) - of_server
    for sender in senders:
        sender.wire.close()
    node.drained(PATIENCE)
    return count / accepted_after, count / stored_after, cpu / stored_after, of_server / stored_after


def stored(recipients):
    return sum(len(os.listdir(user.maildir / "new")) for user in recipients if (user.maildir / "new").exists())


def server_cpu(node):
    """Seconds of processor time that the server used."""
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def new_node():
    node = harness.Node(level="info", limits={"connections_per_address": 5000, "message_size": "25M"},
                        listeners={"submission": ("submission", "off"), "imap": ("imap", "off")})
    node.user_of_bench = node.user()
    return node.start()


def print_throughput():
    node = new_node()
    throughput(node, 1, WARM_UP)
    print(f"\n{MESSAGE_SIZE // 1024} KiB messages, submission → queue → mailbox:\n")
    print("| connections | messages | accepted /s | in the mailbox /s | load generator | server |\n| ---: | ---: | ---: | ---: | ---: | ---: |")
    for connections, count in LOADS.items():
        accepted, delivered, load, server = throughput(node, connections, count)
        print(f"| {connections} | {count} | {accepted:.0f} | {delivered:.0f} | {load:.0%} of a core | {server:.0%} |", flush=True)
    node.stop()


def idle_connection(node, user, tls, idle):
    wire = Wire(node.port("imaps" if tls else "imap"), node.tls() if tls else None)
    wire.line()
    assert " OK" in wire.tagged("a", f"LOGIN {user.address} {user.password}")[-1]
    if idle:
        wire.tagged("b", "SELECT INBOX")
        wire.send("c IDLE")
        assert wire.line().startswith(b"+")
    return wire


def memory(tls, idle):
    """Resident memory without connections, with IDLE, and with twice as many."""
    node = new_node()
    users = [node.user() for _ in range(100)]
    resident, wires = [], []
    for count in (0, IDLE, 2 * IDLE):
        while len(wires) < count:
            wires.append(idle_connection(node, users[len(wires) % len(users)], tls, idle))
        resident.append(node.resident())
    for wire in wires:
        wire.close()
    node.stop()
    return resident


def print_memory():
    print(f"\nResident memory with idle IMAP connections of 100 accounts. The first {IDLE} also pay for what all share (threads, the\n"
          f"memory that checking passwords needs); the second {IDLE} tell what a connection costs:\n")
    print(f"| connection | state | none | {IDLE} | {2 * IDLE} | each of the second {IDLE} |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for tls in (False, True):
        for idle in (False, True):
            resident = memory(tls, idle)
            shown = " | ".join(f"{octets / (1 << 20):.1f} MiB" for octets in resident)
            each = (resident[2] - resident[1]) / IDLE / 1024
            print(f"| {'TLS' if tls else 'plain'} | {'INBOX selected, IDLE' if idle else 'logged in'} | {shown} | {each:.1f} KiB |", flush=True)


def main(wanted):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(machine(harness.temporary_folder()))
    if "memory" not in wanted:
        print_throughput()
    if "throughput" not in wanted:
        print_memory()


if __name__ == "__main__":
    main(sys.argv[1:])
