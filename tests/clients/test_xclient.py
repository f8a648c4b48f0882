"""XCLIENT and XFORWARD: who may say for whom he speaks, and what follows from it."""

from harness import Case, Node
from test_relay import INSIDE, OUTSIDE, TAKEN, Client


class XClient(Case):
    @classmethod
    def setUpClass(cls):
        smtp = {"xclient": [INSIDE], "xforward": [INSIDE], "message_rate": 2, "exempt": [], "sender_login": "reject"}
        tables = {"[smtp]": smtp, "[relay]": {"networks": [INSIDE, "127.0.0.50"]}}
        cls.node = Node([("elsewhere.test", 9)], tables=tables).start()
        cls.user = cls.node.user()

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()

    def test_a_session_is_the_clients_for_whom_the_peer_speaks(self):
        with Client(self.node, INSIDE) as client:
            self.assertIn("XCLIENT NAME ADDR", client.capabilities)
            self.assertEqual(client.ask("XCLIENT ADDR=192.0.2.7 PORT=4711 HELO=far.test PROTO=ESMTP")[:3], "220")
            # Our own networks may relay, this client may not.
            self.assertEqual(client.rcpt("who@elsewhere.test", self.user.address), [["554", "5.7.1"], TAKEN])
            self.assertEqual(client.content()[:3], "250")
            head = self.node.content(self.user)[0].split(b"\r\n\r\n")[0]
            self.assertIn(b"from far.test ([192.0.2.7])", head)
            self.assertEqual(client.rcpt(self.user.address), [TAKEN])
            client.ask("RSET")
            self.assertEqual(client.ask("MAIL FROM:<>"), "450 4.7.1 Error: too much mail from 192.0.2.7")
            self.assertEqual(client.ask("XCLIENT ADDR=127.0.0.50")[:3], "220")
            self.assertEqual(client.rcpt("who@elsewhere.test"), [TAKEN])

    def test_a_login_that_a_peer_tells_counts_as_one(self):
        with Client(self.node, INSIDE) as client:
            self.assertEqual(client.ask("XCLIENT ADDR=192.0.2.8 LOGIN=nobody@example.test")[:9], "550 5.7.8")
            self.assertEqual(client.ask(f"XCLIENT ADDR=192.0.2.8 LOGIN={self.user.address}")[:3], "220")
            self.assertEqual(client.ask("MAIL FROM:<ceo@elsewhere.test>")[:9], "553 5.7.1")
            self.assertEqual(client.ask(f"MAIL FROM:<{self.user.address}>")[:3], "250")
            self.assertEqual(client.ask("RCPT TO:<who@elsewhere.test>")[:3], "250")

    def test_whoever_is_not_trusted_has_no_such_commands(self):
        with Client(self.node, OUTSIDE) as client:
            self.assertNotIn("XCLIENT", client.capabilities)
            self.assertNotIn("XFORWARD", client.capabilities)
            for verb in ["XCLIENT", "XFORWARD"]:
                self.assertEqual(client.ask(f"{verb} ADDR=127.0.0.1")[:9], "500 5.5.2")

    def test_xforward_is_in_the_log(self):
        with Client(self.node, INSIDE) as client:
            self.assertEqual(client.ask("XFORWARD ADDR=192.0.2.9 IDENT=4C1AB")[:9], "250 2.0.0")
        self.assertIn("4C1AB", self.node.log())
