"""Two nodes on one tree: what is changed through one is told to who waits on the other. At once where there are hints, else
within the poll bound; and hints that are lost, forged or sent to nobody harm nothing.

A bound of ten minutes is far beyond a test's patience: what is told then came by a hint.
"""

import hmac
import os
import socket
import struct
import time

from harness import Case, Node, User, eventually, temporary_folder
from wire import Wire

NEVER = "10m"
# Seconds: ten times the shortest poll, for a machine that is busy.
POLL_PATIENCE = 10
HEAD = struct.Struct(">4sQQQ")


def message(subject):
    return f"Subject: {subject}\r\n\r\nBody.\r\n"


def udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Idler:
    """A session of a node that waits for changes of INBOX."""

    def __init__(self, node, user):
        self.wire = Wire(node.port("imaps"), node.tls())
        self.wire.line()
        self.wire.tagged("l", f"LOGIN {user.address} {user.password}")
        self.wire.tagged("s", "SELECT INBOX")
        self.wire.send("i IDLE")
        assert self.wire.line().startswith(b"+ ")

    def hears(self, word, patience=POLL_PATIENCE):
        """The next line with this word."""
        self.wire.socket.settimeout(patience)
        while word not in (line := self.wire.line().decode()):
            assert line, f"closed before {word}"
        return line

    def hears_nothing(self, seconds):
        self.wire.socket.settimeout(seconds)
        try:
            line = self.wire.line()
        except TimeoutError:
            return
        raise AssertionError(f"heard {line}")


class Hints(Case):
    def pair(self, poll, hints=True, secrets=("same", "same"), peers=None):
        """Two nodes; each node's port for hints is in `ports`."""
        self.ports = [udp_port(), udp_port()]
        addresses = [f"127.0.0.1:{port}" for port in self.ports]
        tree, shared = temporary_folder(), temporary_folder()
        self.nodes = []
        for name, address, secret in zip("ab", addresses, secrets):
            tables = {"[node]": {"name": f"{name}.example.test"}, "[mailboxes]": {"home": f"{tree}/%d/%n", "poll": poll}}
            if hints:
                tables["[hints]"] = {"listen": address, "peers": peers or addresses, "secret_file": f"{shared}/{secret}"}
            self.nodes.append(self.node(tables=tables))
        self.secret_file = shared / secrets[0]
        a, b = self.nodes
        user = a.user()
        # Its files are where the configuration says, not in the node's folder.
        return a, b, User(a, user.address)

    def changes_come_through(self, a, b, user, patience):
        idler = Idler(b, user)
        a.deliver(user, message("one"))
        self.assertEqual(idler.hears("EXISTS", patience), "* 1 EXISTS")
        client = a.imap(user, "INBOX")
        client.store("1", "+FLAGS", "\\Flagged")
        self.assertIn("\\Flagged", idler.hears("FETCH", patience))
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()
        self.assertEqual(idler.hears("EXPUNGE", patience), "* 1 EXPUNGE")
        client.logout()
        return idler

    def test_a_hint_tells_of_mail_flags_and_expunges_at_once(self):
        a, b, user = self.pair(NEVER)
        self.changes_come_through(a, b, user, POLL_PATIENCE)
        self.changes_come_through(b, a, user, POLL_PATIENCE)
        told, heard = a.status()["hints"], b.status()["hints"]
        self.assertGreater(min(told["sent"], heard["received"], heard["looked"]), 0)
        self.assertEqual([heard[word] for word in ("malformed", "foreign", "out_of_time", "replayed", "dropped")], [0] * 5)

    def test_every_one_of_many_changes_in_a_row_is_seen(self):
        a, b, user = self.pair(NEVER)
        idler = Idler(b, user)
        a.deliver(user, *[message(n) for n in range(40)])
        while idler.hears("EXISTS") != "* 40 EXISTS":
            pass

    def test_a_mailbox_that_is_deleted_on_the_other_node_is_gone_at_once(self):
        a, b, user = self.pair(NEVER)
        client = a.imap(user)
        client.create("Old")
        wire = Wire(b.port("imaps"), b.tls())
        wire.line()
        wire.tagged("l", f"LOGIN {user.address} {user.password}")
        wire.tagged("s", "SELECT Old")
        wire.send("i IDLE")
        wire.line()
        client.delete("Old")
        wire.socket.settimeout(POLL_PATIENCE)
        # RFC 2180 §3.3 leaves it to the server how: ours says BYE.
        self.assertTrue(wire.line(), "the session hears nothing")

    def test_without_hints_a_change_is_seen_within_the_bound(self):
        a, b, user = self.pair("1s", hints=False)
        self.changes_come_through(a, b, user, POLL_PATIENCE)
        self.assertIsNone(b.status()["hints"])

    def test_without_hints_nothing_is_seen_before_the_bound(self):
        a, b, user = self.pair(NEVER, hints=False)
        idler = Idler(b, user)
        a.deliver(user, message("one"))
        idler.hears_nothing(3)
        # Who asks sees it, whatever the bound.
        idler.wire.send("DONE")
        idler.wire.until("i")
        self.assertIn("* 1 EXISTS", idler.wire.tagged("n", "NOOP"))

    def test_lost_hints_cost_time_only(self):
        # Nobody listens there, so every hint is lost.
        a, b, user = self.pair("1s", peers=[f"127.0.0.1:{udp_port()}"])
        self.changes_come_through(a, b, user, POLL_PATIENCE)
        self.assertGreater(a.status()["hints"]["sent"], 0)
        self.assertEqual(b.status()["hints"]["received"], 0)
        b.stop()
        client = a.imap(user, "INBOX")
        a.deliver(user, message("two"))
        self.assertEqual(client.noop()[0], "OK")
        client.logout()

    def test_who_does_not_know_the_secret_is_not_heard_and_the_log_is_not_filled(self):
        a, b, user = self.pair(NEVER, secrets=("one", "another"))
        idler = Idler(b, user)

        def several_are_refused():
            # Those that come close together are one datagram.
            a.deliver(user, message("one"))
            return b.status()["hints"]["foreign"] >= 5
        eventually(several_are_refused, "the hints are counted as foreign")
        idler.hears_nothing(1)
        self.assertEqual(b.log().count("hints of other nodes are refused"), 1)

    def test_octets_from_anywhere_and_replays_are_counted_and_harmless(self):
        a, b, user = self.pair(NEVER)
        idler = Idler(b, user)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            def send(data):
                stranger.sendto(data, ("127.0.0.1", self.ports[1]))
            for length in (0, 1, 27, 60, 76, 1084, 1085, 9000):
                send(os.urandom(length))
            eventually(lambda: b.status()["hints"]["malformed"] == 8, "eight are malformed")
            # One that is sealed rightly, heard once; then the same one, and one from long ago.
            sealed = self.sealed(HEAD.pack(b"TPH1", 77, 1, int(time.time() * 1e6)) + bytes(16))
            send(sealed)
            eventually(lambda: b.status()["hints"]["received"] == 1, "a sealed one is heard")
            send(sealed)
            send(self.sealed(HEAD.pack(b"TPH1", 77, 2, int((time.time() - 3600) * 1e6)) + bytes(16)))
            eventually(lambda: b.status()["hints"]["replayed"] == 1 and b.status()["hints"]["out_of_time"] == 1, "both are refused")
        a.deliver(user, message("one"))
        self.assertEqual(idler.hears("EXISTS"), "* 1 EXISTS")

    def sealed(self, data):
        """As a node would, written anew after docs/internals/hints.md."""
        def sign(key, text):
            return hmac.digest(key, text, "sha256")
        return data + sign(sign(self.secret_file.read_bytes().strip(), b"tepui hints: seal"), data)
