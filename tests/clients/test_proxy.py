"""A load balancer before each listener says for whom it connects (PROXY protocol)."""

import socket
import struct

import messages
from harness import HERE, LISTENERS, Case, Node, plain
from wire import Wire

BALANCERS = {"proxy": ["192.0.2.0/24", "127.0.0.0/8"]}
GREETINGS = {"smtp": b"220 ", "submission": b"220 ", "lmtp": b"220 ", "imap": b"* OK", "pop3": b"+OK", "managesieve": b'"IMPLEMENTATION"'}


def first(client):
    """Version 1."""
    return f"PROXY TCP4 {client} 203.0.113.1 50000 25\r\n".encode()


def second(client):
    """Version 2."""
    addresses = socket.inet_aton(client) + socket.inet_aton("203.0.113.1") + struct.pack(">HH", 50000, 25)
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", len(addresses)) + addresses


class Proxy(Case):
    @classmethod
    def setUpClass(cls):
        rows = {name: (*row, BALANCERS) for name, row in LISTENERS.items() if name != "admin"}
        # The queue's own hop would have to send headers.
        cls.server = Node(listeners=rows, hop=HERE, limits={"connections_per_address": 3}).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def come(self, port, header):
        wire = Wire(self.server.port(port))
        wire.send(header)
        self.addCleanup(wire.close)
        return wire

    def test_every_protocol_takes_the_client_from_the_header(self):
        for number, (port, greeting) in enumerate(GREETINGS.items()):
            for header in (first, second):
                client = f"198.51.100.{2 * number + (header is second)}"
                wire = self.come(port, header(client))
                self.assertTrue(wire.line().startswith(greeting), port)
                protocol = LISTENERS[port][0]
                self.assertRegex(self.server.log(), f"peer={client}:50000.*protocol=\"?{protocol}")

    def test_a_login_and_its_failure_are_the_clients(self):
        user = self.server.user()
        wire = self.come("pop3s", second("198.51.100.77"))
        wire.start_tls(self.server.tls())
        wire.line()
        wire.send("AUTH PLAIN d3Jvbmc=")
        self.assertTrue(wire.line().startswith(b"-ERR"))
        wire.send(f"AUTH PLAIN {plain(user)}")
        self.assertEqual(wire.line(), b"+OK Logged in.")
        login = next(line for line in self.server.log().splitlines() if "pop3 login" in line and user.address in line)
        self.assertIn("peer=198.51.100.77:50000", login)

    def test_the_trace_line_names_the_client(self):
        user = self.server.user()
        wire = self.come("lmtp", first("198.51.100.78"))
        wire.reply()
        for command in ["LHLO client.test", "MAIL FROM:<a@elsewhere.test>", f"RCPT TO:<{user.address}>", "DATA"]:
            self.assertIn(wire.ask(command)[:3], ("250", "354"))
        wire.send(messages.text("proxied") + b".\r\n")
        self.assertTrue(wire.reply().startswith("250"))
        self.assertIn("[198.51.100.78]", user.messages()[0].read_text())

    def test_each_client_has_his_own_bound_of_connections(self):
        mine = [self.come("imap", first("198.51.100.80")) for _ in range(3)]
        self.assertTrue(all(wire.line().startswith(b"* OK") for wire in mine))
        self.assertIn(b"too many connections from 198.51.100.80", self.come("imap", first("198.51.100.80")).line())
        self.assertTrue(self.come("imap", first("198.51.100.81")).line().startswith(b"* OK"))

    def test_a_balancer_that_looks_whether_we_live_is_greeted(self):
        self.assertTrue(self.come("imap", b"PROXY UNKNOWN\r\n").line().startswith(b"* OK"))

    def test_what_is_no_header_is_closed_without_a_word(self):
        for octets in [b"EHLO client.example.test\r\n", b"a1 CAPABILITY and more\r\n", b"PROXY TCP4 nobody nowhere 1 2\r\n"]:
            for port in GREETINGS:
                self.assertEqual(self.come(port, octets).rest(), b"", (port, octets))
        self.assertIn("a balancer's connection is refused", self.server.log())


class Direct(Case):
    def test_who_is_no_balancer_is_taken_as_he_comes_and_sends_no_header(self):
        server = self.node(listeners={"imap": ("imap", "starttls", {"proxy": ["192.0.2.0/24"]})})
        with Wire(server.port("imap")) as wire:
            self.assertTrue(wire.line().startswith(b"* OK"))
            wire.send(first("198.51.100.9"))
            self.assertTrue(wire.line().startswith(b"PROXY BAD"))
