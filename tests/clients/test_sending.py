"""How much a user may send, wherever he does it."""

from harness import Case, Node, eventually, temporary_folder
from test_relay import INSIDE, Client

CONTENT = "Subject: s\r\n\r\nt\r\n"


class Sending(Case):
    def node(self, shared, *limits):
        tables = {"[smtp]": {"sending_folder": str(shared / "sending")}, "[[sending_limit]]": limits, "[relay]": {"networks": [INSIDE]},
                  "[domains]": {"postmaster": "user099@example.test"}}
        server = Node(tables=tables, listeners={"smtp": ("smtp", "off", {"auth": "offered"})}).start()
        self.addCleanup(server.stop)
        return server

    def send(self, server, login, *recipients):
        """The answer to DATA, or to the content."""
        with Client(server, login=login) as client:
            client.rcpt(*recipients)
            answer = client.ask("DATA")
            return client.ask(CONTENT + ".") if answer.startswith("354") else answer

    def test_two_nodes_count_together_and_a_lock_is_told_to_the_postmaster(self):
        shared = temporary_folder()
        limit = {"recipients_day": 5, "exceeded": "lock"}
        one, two = self.node(shared, limit), self.node(shared, limit)
        user, other = one.user(), one.user()
        self.assertEqual(self.send(one, user, *[other.address] * 2)[:3], "250")
        self.assertEqual(self.send(two, user, *[other.address] * 3)[:3], "250")
        self.assertEqual(self.send(one, user, other.address), "450 4.7.1 Error: too many recipients a day")
        self.assertEqual(self.send(two, user, other.address)[:9], "550 5.7.1")
        postmaster = one.user()
        while postmaster.address != "user099@example.test":
            postmaster = one.user()
        eventually(lambda: postmaster.messages(), "the postmaster is told")
        self.assertIn(f"Subject: {user.address} is locked for sending", postmaster.messages()[0].read_text())
        self.assertEqual(self.send(two, other, user.address)[:3], "250", "another user")
        with Client(two, INSIDE) as client:
            client.rcpt(other.address)
            self.assertEqual(client.content()[:3], "250", "a server in our networks is no user")
        (shared / "sending" / user.address).unlink()
        self.assertEqual(self.send(one, user, other.address)[:3], "250", "unlocked")

    def test_the_first_limit_that_is_for_a_user_holds(self):
        server = self.node(temporary_folder(), {"accounts": ["user000@example.test"], "new_recipients_day": 2}, {"messages_hour": 1})
        named, other = server.user(), server.user()
        self.assertEqual(named.address, "user000@example.test")
        for _ in range(3):
            self.assertEqual(self.send(server, named, other.address, named.address)[:3], "250")
        self.assertEqual(self.send(server, named, "user005@example.test")[:9], "450 4.7.1")
        self.assertEqual(self.send(server, other, named.address)[:3], "250")
        self.assertEqual(self.send(server, other, named.address), "450 4.7.1 Error: too many messages an hour")

    def test_when_nobody_can_count_nobody_sends(self):
        gone = temporary_folder() / "not-mounted"
        server = self.node(gone, {"messages_day": 10})
        user = server.user()
        self.assertEqual(self.send(server, user, user.address)[:9], "451 4.3.0")
