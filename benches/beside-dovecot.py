#!/usr/bin/env python3
"""The same work given to Tepui and to Dovecot, one after the other, on the same machine and disk.

    cargo build --release --workspace && benches/beside-dovecot.py [logins] [deliveries] [sieve] [chain] [imap] [pop3] [idle]

TEPUI_BENCH_MESSAGES and TEPUI_BENCH_SESSIONS change how large a mailbox is and how many idle sessions there are.

Prints Markdown. `tepui-bench` is the client; both servers share the machine with it. Run it on a quiet machine, and compare only
what one run printed. Not part of ./test: figures are no tests. Needs root and Debian's Dovecot, Postfix and slapd.
"""

import sys

sys.dont_write_bytecode = True

import contextlib
import json
import os
import resource
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/clients"), str(ROOT / "benches")]

import harness
import messages
import peer_dovecot
import peer_postfix
import slapd
from peer_dovecot import Dovecot

BENCH = Path(os.environ.get("TEPUI_BENCH", harness.BINARY.with_name("tepui-bench")))
# Seconds that one command of the load generator may take.
PATIENCE = 1200
PEOPLE = 5
LOGIN_SECONDS = 6
MAIL_USERS = 50
DELIVERED_SIZE = 10_000
# Connections: messages in all.
DELIVERIES = {1: 500, 10: 2000, 50: 4000}
CHAIN_CONNECTIONS = 20
CHAIN_MESSAGES = 4000
MAILBOX_MESSAGES = 20_000
POP3_MESSAGES = 10_000
MESSAGE_SIZE = 4_000
IDLE_SESSIONS = 1_000


def bench(*arguments):
    """Runs the load generator; gives its rows."""
    done = subprocess.run([BENCH, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise RuntimeError(f"tepui-bench {arguments}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


class Node(harness.Node):
    @property
    def pid(self):
        return self.process.pid


def new_node(directory=None, cache=True, **options):
    listeners = {"imap": ("imap", "off"), "lmtp": ("lmtp", "off"), "pop3": ("pop3", "off"), "smtp": ("smtp", "off")}
    limits = {"connections_per_address": 60_000, "connections": 60_000, "message_size": "25M"}
    node = Node(level="warn", limits=limits, listeners=listeners, directory=directory, roles=["mailbox"],
                        domains=("example.test", "domain01.dom"), **options)
    if not cache:
        text = node.configuration.read_text()
        node.configuration.write_text(text.replace("[directory]", '[directory]\nremember = "0s"\nremember_unknown = "0s"'))
    node.ready = None
    node.start()
    harness.eventually(lambda: not any(harness.is_free(node.port(name)) for name in listeners), "tepui listens")
    return node


def print_logins():
    print("\nLogins by IMAP (connect, LOGIN, LOGOUT) with users in slapd (search, then bind). `default`: a process for each login, as\n"
          "Dovecot comes; `fast`: its high-performance mode. Per core: logins for each second of processor time of the server's processes.\n")
    print("| clients | remembered | server | logins /s | p99 | per core | Tepui's ratio |\n| ---: | --- | --- | ---: | ---: | ---: | ---: |")
    for remembered in (False, True):
        for clients in (1, 16):
            log_in_to_each(remembered, clients)


def log_in_to_each(remembered, clients):
    """One after the other: nobody's idle processes stand in another one's way."""
    server = slapd.Slapd()
    cache = "100M" if remembered else "0"
    begin = {"Dovecot, default": lambda: Dovecot(slapd=server, cache=cache, mode="default"),
             "Dovecot, fast": lambda: Dovecot(slapd=server, cache=cache), "Tepui": lambda: new_node(server, cache=remembered)}
    rows = {}
    for name, start in begin.items():
        peer = start()
        login = [f"127.0.0.1:{peer.port('imap')}", "--pid", peer.pid, "--user", "usuario0{}", "--users", PEOPLE,
                 "--password", slapd.USER_PASSWORD, "--connections", clients]
        bench("logins", *login, "--seconds", 1)
        rows[name] = bench("logins", *login, "--seconds", LOGIN_SECONDS)[0]
        peer.stop()
    server.end()
    for name, row in rows.items():
        ratio = rows["Tepui"]["per_second"] / row["per_second"]
        print(f"| {clients} | {'yes' if remembered else 'no'} | {name} | {row['per_second']:,.0f} | {row['p99']:.1f} ms | "
              f"{row['per_second'] / max(row['server_cores'], 0.01):,.0f} | {'' if name == 'Tepui' else f'{ratio:.1f}'} |", flush=True)


def show(name, dovecot, tepui, bare=None):
    ratio = tepui["per_second"] / dovecot["per_second"]
    share = f"{bare['per_second']:,.0f} | {tepui['per_second'] / bare['per_second']:.0%}" if bare else " |"
    print(f"| {name} | {dovecot['per_second']:,.0f} | {tepui['per_second']:,.0f} | {ratio:.1f} | "
          f"{dovecot['p99']:.1f} ms | {tepui['p99']:.1f} ms | {share} |", flush=True)


def mail_users(count):
    return [f"user{number}@example.test" for number in range(1, count + 1)]


def print_deliveries():
    print(f"\nDeliveries by LMTP, {DELIVERED_SIZE:,} octets, each synced before its 250 (Dovecot: `mail_fsync = always`). Bare: the system calls of\n"
          "a delivery (write, fdatasync, rename, fsync of the folder) in as many threads, into as many folders, without a server:\n")
    print("| connections, recipients | Dovecot /s | Tepui /s | ratio | Dovecot p99 | Tepui p99 | bare /s | Tepui's share |\n"
          "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    names = mail_users(MAIL_USERS)
    dovecot, node = Dovecot(users=names), new_node(users=names)
    for recipients in (1, 10):
        for connections, messages in DELIVERIES.items():
            rows = [deliver(peer, connections, recipients, messages // recipients) for peer in (dovecot, node)]
            if recipients == 1:
                rows += bench("bare", node.folder / "bare", "--mailboxes", MAIL_USERS, "--size", DELIVERED_SIZE, "--connections", connections,
                              "--messages", messages)
            show(f"{connections}, {recipients}", *rows)
    node.stop()
    dovecot.stop()


def print_sieve():
    """A script of fifty rules, of which the last one files the message."""
    rules = [f'if header :contains ["subject", "x-rule"] "word {number}" {{ fileinto "Rule{number}"; stop; }}' for number in range(1, 50)]
    script = "\n".join(['require ["fileinto", "mailbox"];', *rules, 'if not header :is "x-rule" "none" { fileinto :create "Filed"; }', ""])
    print(f"\nThe same deliveries through a Sieve script of {len(rules) + 1} rules, of which the last one files the message (Pigeonhole: compiled before):\n")
    print("| connections, recipients | Pigeonhole /s | Tepui /s | ratio | Pigeonhole p99 | Tepui p99 | |\n| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    names = mail_users(MAIL_USERS)
    file = harness.temporary_folder() / "fifty.sieve"
    file.write_text(script)
    file.parent.chmod(0o755)
    dovecot, node = Dovecot(users=names, sieve=file), new_node(users=names, tables={"[sieve]": {"default": str(file)}})
    for connections, messages in DELIVERIES.items():
        show(f"{connections}, 1", *[deliver(peer, connections, 1, messages) for peer in (dovecot, node)])
    for name, homes in (("Dovecot", dovecot.folder / "mail"), ("Tepui", node.folder / "mail/example.test")):
        filed = sum(len(os.listdir(new)) for new in homes.glob("*/maildir/.Filed/new"))
        assert filed >= sum(DELIVERIES.values()), f"{name} has filed {filed}"
    node.stop()
    dovecot.stop()


def deliver(peer, connections, recipients, messages):
    """Over connections that were used before."""
    load = [f"127.0.0.1:{peer.port('lmtp')}", "--pid", peer.pid, "--user", "user{}@example.test", "--users", MAIL_USERS,
            "--size", DELIVERED_SIZE, "--connections", connections, "--recipients", recipients]
    bench("deliver", *load, "--messages", 4 * connections)
    return bench("deliver", *load, "--messages", messages)[0]


def print_chain():
    print(f"\nSMTP in, queue, mailbox, everything synced: {CHAIN_MESSAGES:,} messages of {DELIVERED_SIZE:,} octets over {CHAIN_CONNECTIONS} connections. Beside: Postfix,\n"
          "which hands them to Dovecot by LMTP.\n")
    print("| server | accepted /s | in the mailbox /s |\n| --- | ---: | ---: |")
    names = mail_users(MAIL_USERS)
    dovecot = Dovecot(users=names)
    postfix = peer_postfix.Postfix(dovecot.port("lmtp"))
    beside = chain(postfix.port, dovecot.folder / "mail", "Postfix, Dovecot")
    postfix.stop()
    dovecot.stop()
    node = new_node(users=names)
    ours = chain(node.port("smtp"), node.folder / "mail/example.test", "Tepui")
    node.stop()
    print(f"| ratio | {ours[0] / beside[0]:.1f} | {ours[1] / beside[1]:.1f} |", flush=True)


def chain(port, homes, name):
    load = ["--smtp", "--user", "user{}@example.test", "--users", MAIL_USERS, "--size", DELIVERED_SIZE, "--connections", CHAIN_CONNECTIONS]
    send(port, load, 4 * CHAIN_CONNECTIONS, homes)
    start = time.monotonic()
    (accepted,) = send(port, load, CHAIN_MESSAGES, homes)
    arrived = CHAIN_MESSAGES / (time.monotonic() - start)
    print(f"| {name} | {accepted['per_second']:,.0f} | {arrived:,.0f} |", flush=True)
    return accepted["per_second"], arrived


def send(port, load, count, homes):
    """Ends when all of it lies in the mailboxes."""
    before = delivered(homes)
    rows = bench("deliver", f"127.0.0.1:{port}", *load, "--messages", count)
    harness.eventually(lambda: delivered(homes) >= before + count, f"{count} messages arrive", PATIENCE)
    return rows


def delivered(homes):
    return sum(len(os.listdir(new)) for new in homes.glob("*/maildir/new"))


def fill(maildir, count, owner=None):
    """A Maildir as Dovecot leaves it, without any metadata."""
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        text = messages.of_size(f"bench{number}", MESSAGE_SIZE).replace(b"\r\n", b"\n")
        wide = len(text) + text.count(b"\n")
        name = f"{1_700_000_000 + number}.M{number % 1_000_000}P1.bench,S={len(text)},W={wide}:2,{'S' if number % 3 else ''}"
        (maildir / "cur" / name).write_bytes(text)
    if owner is not None:
        for folder in [maildir.parent, maildir, *(maildir / name for name in ("cur", "new", "tmp"))]:
            os.chown(folder, owner, owner)
        for file in (maildir / "cur").iterdir():
            os.chown(file, owner, owner)


def print_imap():
    count = int(os.environ.get("TEPUI_BENCH_MESSAGES", MAILBOX_MESSAGES))
    part = min(count, 10_000)
    print(f"\nIMAP on a mailbox of {count:,} messages of {MESSAGE_SIZE:,} octets, milliseconds; `cold` is the first time ever:\n")
    print("| command | Dovecot | Tepui | ratio |\n| --- | ---: | ---: | ---: |", flush=True)
    name = mail_users(1)[0]
    dovecot, node = Dovecot(users=[name]), new_node(users=[name])
    fill(dovecot.folder / "mail/user1/maildir", count, owner=peer_dovecot.MAIL_USER)
    fill(node.folder / "mail/example.test/user1/maildir", count)
    select, lists = "SELECT INBOX", ["FETCH 1:* (FLAGS UID RFC822.SIZE)", "FETCH 1:* ENVELOPE", "FETCH 1:* BODYSTRUCTURE"]
    reads = [*lists, f"FETCH 1:{part} BODY.PEEK[]", f"FETCH 1:{part} BODY.PEEK[HEADER]", "SEARCH SUBJECT nothing-has-this",
             "SORT (SUBJECT) UTF-8 ALL", "SORT (REVERSE DATE) UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL"]
    sessions = [
        ("cold", [select, *lists]),
        # Not told: Dovecot writes its cache the second time.
        ("settles", [f"-{command}" for command in [select, *reads]]),
        ("warm", [select, "CLOSE", select, *reads]),
        ("after a restart", [select, lists[0]]),
        ("warm", [f"-{select}", "-CREATE Copies", f"STORE 1:{part} +FLAGS.SILENT (\\Flagged)", f"COPY 1:{part} Copies",
                  f"STORE 1:{part} +FLAGS.SILENT (\\Deleted)", "EXPUNGE"]),
    ]
    for state, commands in sessions:
        rows = []
        if state == "after a restart":
            for server in (dovecot, node):
                server.stop()
                harness.eventually(lambda: harness.is_free(server.port("imap")), "nobody listens any more")
                server.start()
                harness.eventually(lambda: not harness.is_free(server.port("imap")), "it listens again")
        for port in (dovecot.port("imap"), node.port("imap")):
            rows.append(bench("imap", f"127.0.0.1:{port}", "--user", name, "--password", harness.PASSWORD, "--", *commands))
        for of_dovecot, of_tepui in zip(*rows):
            print(f"| {of_tepui['work']}, {state} | {of_dovecot['p50']:,.1f} | {of_tepui['p50']:,.1f} | {of_dovecot['p50'] / of_tepui['p50']:.1f} |", flush=True)
    node.stop()
    dovecot.stop()


def print_pop3():
    count = int(os.environ.get("TEPUI_BENCH_MESSAGES", POP3_MESSAGES))
    print(f"\nPOP3: one session takes a mailbox of {count:,} messages of {MESSAGE_SIZE:,} octets. `cold` is the first time ever; logins and lists in\n"
          "milliseconds, messages for each second, and in brackets for each second of processor time of the server's processes:\n")
    print("| command | Dovecot | Tepui | ratio |\n| --- | ---: | ---: | ---: |", flush=True)
    name = mail_users(1)[0]
    dovecot, node = Dovecot(users=[name]), new_node(users=[name])
    fill(dovecot.folder / "mail/user1/maildir", count, owner=peer_dovecot.MAIL_USER)
    fill(node.folder / "mail/example.test/user1/maildir", count)
    for state in ("cold", "warm"):
        rows = [bench("pop3", f"127.0.0.1:{peer.port('pop3')}", "--pid", peer.pid, "--user", name, "--password", harness.PASSWORD)
                for peer in (dovecot, node)]
        for of_dovecot, of_tepui in zip(*rows):
            show_pop3(f"{of_tepui['work']}, {state}", of_dovecot, of_tepui)
    node.stop()
    dovecot.stop()


def show_pop3(name, dovecot, tepui):
    if dovecot["count"] == 1:
        cells, ratio = [f"{row['p50']:,.1f} ms" for row in (dovecot, tepui)], dovecot["p50"] / tepui["p50"]
    else:
        cells = [f"{row['per_second']:,.0f} ({row['per_second'] / max(row['server_cores'], 0.01):,.0f})" for row in (dovecot, tepui)]
        ratio = tepui["per_second"] / dovecot["per_second"]
    print(f"| {name} | {cells[0]} | {cells[1]} | {ratio:.1f} |", flush=True)


def print_idle():
    sessions = int(os.environ.get("TEPUI_BENCH_SESSIONS", IDLE_SESSIONS))
    print(f"\nMemory of {sessions:,} idle IMAP sessions (logged in, INBOX selected, IDLE), KiB each:\n")
    print("| | Dovecot | Tepui |\n| --- | ---: | ---: |")
    names = mail_users(min(sessions, 100))
    dovecot, node = Dovecot(users=names, cache="100M"), new_node(users=names)
    each = []
    for port, pid in ((dovecot.port("imap"), dovecot.pid), (node.port("imap"), node.pid)):
        idle = ["--user", "user{}@example.test", "--users", len(names), "--password", harness.PASSWORD]
        with held(port, idle, len(names)):
            before = memory_of(pid)
            with held(port, idle, sessions):
                each.append((memory_of(pid) - before) / sessions / 1024)
    print(f"| each | {each[0]:,.1f} | {each[1]:,.1f} |", flush=True)
    node.stop()
    dovecot.stop()


@contextlib.contextmanager
def held(port, options, sessions):
    command = [BENCH, "idle", f"127.0.0.1:{port}", *options, "--sessions", sessions]
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if not process.stdout.readline():
            raise RuntimeError("the idle sessions could not be opened")
        yield
        process.stdin.close()


def memory_of(pid):
    """Octets that a process and all below it hold, shared pages divided among those who share them (PSS)."""
    total, wanted = 0, [pid]
    while wanted:
        parent = wanted.pop()
        try:
            rollup = Path(f"/proc/{parent}/smaps_rollup").read_text()
            for task in Path(f"/proc/{parent}/task").iterdir():
                wanted += [int(child) for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
    return total


PARTS = {"logins": print_logins, "deliveries": print_deliveries, "sieve": print_sieve, "chain": print_chain, "imap": print_imap, "pop3": print_pop3, "idle": print_idle}


def main(wanted):
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        sys.exit(f"there is no part {unknown[0]!r}; there are: {' '.join(PARTS)}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name, part in PARTS.items():
        if not wanted or name in wanted:
            part()


if __name__ == "__main__":
    main(sys.argv[1:])
