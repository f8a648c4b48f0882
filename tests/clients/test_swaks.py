"""swaks, the Swiss army knife of SMTP, and LMTP."""

import messages
from harness import Case, eventually, run, shared_node
from wire import Wire


class Swaks(Case):
    def setUp(self):
        self.server = shared_node()
        self.user, self.other = self.server.user(), self.server.user()

    def swaks(self, port, *options, to=None, check=True):
        return run("swaks", "--server", "127.0.0.1", "--port", self.server.port(port), "--helo", "client.test", "--from", self.user.address,
                   "--to", to or self.other.address, "--timeout", "20", *options, check=check)

    def login(self, mechanism):
        return ["--auth", mechanism, "--auth-user", self.user.address, "--auth-password", self.user.password]

    def test_logs_in_with_plain_and_with_login_inside_tls(self):
        for mechanism in ["PLAIN", "LOGIN"]:
            said = self.swaks("submission", "--tls", *self.login(mechanism)).stdout
            self.assertIn("235 2.7.0", said)
        said = self.swaks("submissions", "--tls-on-connect", *self.login("PLAIN")).stdout
        self.assertIn("queued as", said)
        eventually(lambda: len(self.other.messages()) == 3, "the messages are there")

    def test_pipelines(self):
        said = self.swaks("submission", "--tls", "--pipeline", *self.login("PLAIN")).stdout
        self.assertIn("queued as", said)
        eventually(lambda: self.other.messages(), "the message is there")

    def test_hears_535_for_a_wrong_password_which_is_in_no_log(self):
        self.user.password = "not-the-password-7"
        refused = self.swaks("submission", "--tls", *self.login("PLAIN"), check=False)
        # swaks' 28: authentication failed.
        self.assertEqual(refused.returncode, 28)
        self.assertIn("535 5.7.8", refused.stdout)
        self.assertNotIn("not-the-password-7", self.server.log())

    def test_delivers_over_smtp_and_lmtp_to_the_mailbox_layer(self):
        self.assertIn("250 2.0.0", self.swaks("smtp", "--tls").stdout)
        self.assertIn("250 2.0.0", self.swaks("lmtp", "--protocol", "LMTP").stdout)
        self.assertEqual(len(self.other.messages()), 2)

    def test_the_mailbox_layer_refuses_strangers_and_unknown_users(self):
        self.assertIn("550 5.1.1", self.swaks("smtp", to="nobody@example.test", check=False).stdout)
        self.assertIn("554 5.7.1", self.swaks("smtp", to="someone@elsewhere.test", check=False).stdout)


class Lmtp(Case):
    def test_each_accepted_recipient_has_an_answer_of_its_own(self):
        node = shared_node()
        one, two = node.user(), node.user()
        with Wire(node.port("lmtp")) as wire:
            wire.reply()
            wire.ask("LHLO client.test")
            wire.ask("MAIL FROM:<a@elsewhere.test>")
            replies = [wire.ask(f"RCPT TO:<{address}>") for address in [one.address, "nobody@example.test", two.address]]
            self.assertEqual([reply[:3] for reply in replies], ["250", "550", "250"])
            wire.ask("DATA")
            wire.send(messages.text("lmtp") + b".\r\n")
            self.assertIn(one.address, wire.reply())
            self.assertIn(two.address, wire.reply())
            # Nothing else was said: the next reply is NOOP's.
            self.assertTrue(wire.ask("NOOP").startswith("250 2.0.0"))
        self.assertEqual((len(one.messages()), len(two.messages())), (1, 1))
