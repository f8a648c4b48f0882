"""POP3 by Python's poplib."""

import poplib
import signal

import messages
from harness import Case, shared_node
from wire import Wire


class Pop3(Case):
    def setUp(self):
        self.server = shared_node()
        self.user = self.server.user()
        self.sent = [messages.text("one"), messages.text("two", body="a\r\n.b\r\n..c\r\n\r\nd\r\n"), messages.eight_bit("three")]
        self.server.deliver(self.user, *self.sent)

    def test_announces_what_it_can(self):
        client = poplib.POP3("127.0.0.1", self.server.port("pop3"), timeout=20)
        before = client.capa()
        self.assertIn("STLS", before)
        self.assertNotIn("USER", before)
        client.stls(self.server.tls())
        secure = client.capa()
        self.assertLessEqual({"UIDL", "TOP", "USER", "SASL", "PIPELINING", "RESP-CODES"}, set(secure))
        self.assertIn("PLAIN", secure["SASL"])
        self.assertNotIn("STLS", secure)

    def test_stls_before_the_password(self):
        client = poplib.POP3("127.0.0.1", self.server.port("pop3"), timeout=20)
        with self.assertRaises(poplib.error_proto):
            client.user(self.user.address)
            client.pass_(self.user.password)
        client.stls(self.server.tls())
        client.user(self.user.address)
        client.pass_(self.user.password)
        self.assertEqual(client.stat()[0], 3)
        client.quit()

    def test_retrieves_each_message_whole(self):
        client = self.server.pop3(self.user)
        sizes = [int(line.split()[1]) for line in client.list()[1]]
        for number, message in enumerate(self.sent, 1):
            content = b"".join(line + b"\r\n" for line in client.retr(number)[1])
            self.assertEqual(messages.without_trace(content), message)
            self.assertEqual(len(content), sizes[number - 1])
        client.quit()

    def test_top_gives_the_header_and_so_many_lines(self):
        lines = self.server.pop3(self.user).top(2, 2)[1]
        self.assertEqual(lines[lines.index(b"") + 1:], [b"a", b".b"])

    def test_deleted_messages_go_at_quit_and_not_before(self):
        client = self.server.pop3(self.user)
        client.dele(1)
        client.close()
        again = self.server.pop3(self.user)
        self.assertEqual(again.stat()[0], 3)
        again.dele(1)
        again.dele(2)
        again.rset()
        again.dele(2)
        again.quit()
        left = [messages.without_trace(content) for content in self.server.content(self.user)]
        self.assertEqual(left, [self.sent[0], self.sent[2]])

    def test_a_number_that_is_no_message_is_refused(self):
        client = self.server.pop3(self.user)
        for number in [0, 4, 99999999999]:
            with self.assertRaises(poplib.error_proto):
                client.retr(number)
        client.dele(1)
        with self.assertRaises(poplib.error_proto):
            client.retr(1)
        client.rset()
        client.quit()

    def test_a_wrong_password_is_refused_and_in_no_log(self):
        with Wire(self.server.port("pop3s"), self.server.tls()) as wire:
            wire.line()
            wire.send(f"USER {self.user.address}")
            self.assertTrue(wire.line().startswith(b"+OK"))
            wire.send("PASS not-the-password-9")
            self.assertTrue(wire.line().startswith(b"-ERR [AUTH]"))
        self.assertNotIn("not-the-password-9", self.server.log())


class Restart(Case):
    def test_unique_ids_stay_the_same_over_a_restart(self):
        node = self.node()
        user = node.user()
        node.deliver(user, messages.text("one"), messages.text("two"))
        before = node.pop3(user).uidl()[1]
        self.assertEqual(len({line.split()[1] for line in before}), 2)
        self.assertEqual(node.stop(signal.SIGTERM), 0)
        node.start()
        node.deliver(user, messages.text("three"))
        self.assertEqual(node.pop3(user).uidl()[1][:2], before)
