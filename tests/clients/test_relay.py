"""Who may send mail through a node: networks, users, and everybody for our own domains and those we relay for."""

import socket

from harness import HERE, Case, Node, eventually, plain
from wire import NextHop, Wire

INSIDE, OUTSIDE = "127.0.0.1", "127.0.0.9"


def policy(others):
    return f"permit networks, permit authenticated, {others} others"


class Client(Wire):
    """From an address of its own; greeted."""

    def __init__(self, node, source=OUTSIDE, port="smtp", login=None):
        self.socket = socket.create_connection(("127.0.0.1", node.port(port)), timeout=20, source_address=(source, 0))
        self.buffer = b""
        self.banner = self.reply()
        self.capabilities = self.ask("EHLO client.test") if self.banner.startswith("220") else ""
        if login:
            assert self.ask(f"AUTH PLAIN {plain(login)}").startswith("235"), "logged in"

    def rcpt(self, *addresses):
        """Code and status of each answer."""
        assert self.ask("MAIL FROM:<someone@elsewhere.test>").startswith("250")
        return [self.ask(f"RCPT TO:<{address}>").split()[:2] for address in addresses]

    def content(self, text="Subject: s\r\n\r\nt\r\n"):
        assert self.ask("DATA").startswith("354")
        return self.ask(text + ".")


TAKEN, UNKNOWN = ["250", "2.1.5"], ["550", "5.1.1"]


class Relay(Case):
    @classmethod
    def setUpClass(cls):
        cls.hop = NextHop()
        routes = [("partner.test", cls.hop.port), ("elsewhere.test", cls.hop.port), ("anything.test", cls.hop.port)]
        tables = {
            "[relay]": {"policy": policy("defer"), "networks": [INSIDE], "domains": ["partner.test", "anything.test"], "recipients": "any"},
            "[domains]": {"postmaster": "user000@example.test", "catch_all": ["@catch.test user001@example.test"]},
        }
        listeners = {"smtp": ("smtp", "off", {"auth": "offered"})}
        cls.node = Node(routes, tables=tables, listeners=listeners, hop=HERE, domains=("example.test", "catch.test")).start()
        cls.users = [cls.node.user() for _ in range(4)]

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()
        cls.hop.close()

    def test_strangers_may_write_to_us_and_to_domains_we_relay_for(self):
        with Client(self.node) as client:
            answers = client.rcpt(self.users[2].address, "nobody@example.test", "who@partner.test", "who@elsewhere.test")
            self.assertEqual(answers, [TAKEN, UNKNOWN, TAKEN, ["454", "4.7.1"]])

    def test_networks_and_users_may_write_to_everybody_who_has_a_route(self):
        addresses = ["who@elsewhere.test", "nobody@example.test", "who@nowhere.test"]
        for client in [Client(self.node, INSIDE), Client(self.node, login=self.users[2])]:
            with client:
                self.assertEqual(client.rcpt(*addresses), [TAKEN, UNKNOWN, ["550", "5.1.2"]])

    def test_postmaster_and_abuse_are_always_there_and_the_catch_all_takes_the_rest(self):
        with Client(self.node) as client:
            answers = client.rcpt("postmaster", "PostMaster@catch.test", "abuse@example.test", "whoever@catch.test", "whoever@example.test")
            self.assertEqual(answers, [TAKEN] * 4 + [UNKNOWN])
            self.assertTrue(client.content().startswith("250 2.0.0"))
        postmaster, catcher = self.users[:2]
        eventually(lambda: postmaster.messages() and catcher.messages(), "both have it")

    def test_one_message_goes_here_and_elsewhere(self):
        before = len(self.hop.messages)
        with Client(self.node) as client:
            self.assertEqual(client.rcpt(self.users[3].address, "who@partner.test"), [TAKEN] * 2)
            self.assertTrue(client.content().startswith("250 2.0.0"))
        self.assertEqual(len(self.users[3].messages()), 1)
        eventually(lambda: len(self.hop.messages) > before, "the partner has it")

    def test_a_message_that_only_passes_gets_a_trace_line_and_nothing_else(self):
        before = len(self.hop.messages)
        with Client(self.node) as client:
            client.rcpt("who@partner.test")
            self.assertIn("queued as", client.content("Subject: passing\r\n\r\nt\r\n"))
        eventually(lambda: len(self.hop.messages) > before, "the partner has it")
        names = [line.split(b":")[0] for line in self.hop.messages[-1].split(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] not in b"\t "]
        self.assertEqual(names, [b"Received", b"Subject"])

    def test_lmtp_relays_for_nobody(self):
        with Wire(self.node.port("lmtp")) as wire:
            wire.reply()
            wire.ask("LHLO client.test")
            wire.ask("MAIL FROM:<>")
            self.assertTrue(wire.ask("RCPT TO:<who@elsewhere.test>").startswith("554 5.7.1"))


class Refused(Case):
    def test_a_node_that_rejects_says_so_for_good_and_needs_no_mailboxes_to_relay(self):
        hop = NextHop()
        listeners = {"smtp": ("smtp", "off", {"auth": "offered"})}
        tables = {"[relay]": {"policy": policy("reject"), "networks": [INSIDE]}}
        node = Node(listeners=listeners, roles=["outgoing"], hop=hop.port, tables=tables).start()
        user = node.user()
        with Client(node) as client:
            self.assertEqual(client.rcpt("who@elsewhere.test", user.address, "nobody@example.test"), [["554", "5.7.1"], TAKEN, UNKNOWN])
            self.assertIn("queued as", client.content())
        eventually(lambda: hop.messages, "the mailbox layer has it")
        node.stop()
        hop.close()
