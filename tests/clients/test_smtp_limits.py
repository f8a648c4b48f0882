"""What one client of SMTP may do: sessions, connections and how often, with Postfix's answers."""

from harness import Case, Node, plain
from test_relay import INSIDE, TAKEN, Client

LIMITS = {"connections": 3, "connection_rate": 12, "message_rate": 2, "recipient_rate": 3, "login_rate": 1, "exempt": [INSIDE]}
TOO_MANY = "421 4.7.0 mail.example.test Error: too many connections from "


class Limits(Case):
    @classmethod
    def setUpClass(cls):
        listeners = {"smtp": ("smtp", "off", {"auth": "offered"})}
        cls.node = Node(listeners=listeners, tables={"[smtp]": LIMITS}).start()
        cls.user = cls.node.user()

    @classmethod
    def tearDownClass(cls):
        cls.node.stop()

    def client(self, source):
        return Client(self.node, source)

    def test_connections_at_once(self):
        source = "127.0.0.20"
        clients = [self.client(source) for _ in range(3)]
        self.assertTrue(all(client.banner.startswith("220") for client in clients))
        self.assertEqual(self.client(source).banner, TOO_MANY + source)
        self.assertTrue(self.client("127.0.0.19").banner.startswith("220"), "another client has room")
        for client in clients:
            client.ask("QUIT")
            self.assertEqual(client.rest(), b"")
            client.close()

    def test_connections_in_a_minute(self):
        source, banners = "127.0.0.21", []
        for _ in range(14):
            with self.client(source) as client:
                banners.append(client.banner)
        self.assertEqual([banner[:3] for banner in banners], ["220"] * 12 + ["421"] * 2)
        self.assertEqual(banners[-1], TOO_MANY + source)

    def test_messages_and_recipients_in_a_minute(self):
        with self.client("127.0.0.22") as client:
            self.assertEqual(client.rcpt(*[self.user.address] * 5), [TAKEN] * 3 + [["450", "4.7.1"]] * 2)
            client.ask("RSET")
            self.assertTrue(client.ask("MAIL FROM:<>").startswith("250"))
            client.ask("RSET")
            self.assertEqual(client.ask("MAIL FROM:<>"), "450 4.7.1 Error: too much mail from 127.0.0.22")

    def test_logins_in_a_minute(self):
        with self.client("127.0.0.23") as client:
            self.assertEqual(client.ask("AUTH PLAIN AHVzZXIAYmFk")[:9], "535 5.7.8")
            refused = client.ask(f"AUTH PLAIN {plain(self.user)}")
            self.assertEqual(refused, "450 4.7.1 Error: too many AUTH commands from 127.0.0.23")

    def test_an_exempt_client_has_none_of_these_bounds(self):
        clients = [self.client(INSIDE) for _ in range(20)]
        self.assertTrue(all(client.banner.startswith("220") for client in clients))
        self.assertEqual(clients[0].rcpt(*[self.user.address] * 9), [TAKEN] * 9)
        for client in clients:
            client.close()


class Sessions(Case):
    def test_sessions_in_all(self):
        node = Node(tables={"[smtp]": {"sessions": 2}}).start()
        clients = [Client(node, f"127.0.0.{number}") for number in (30, 31, 32)]
        self.assertEqual([client.banner[:3] for client in clients], ["220", "220", "421"])
        node.stop()
