"""fetchmail takes mail away, over IMAP and over POP3."""

import os

import messages
from harness import Case, run, shared_node

# fetchmail's exit codes.
FETCHED, NO_MAIL, NO_LOGIN = 0, 1, 3


class Fetchmail(Case):
    def setUp(self):
        self.server = shared_node()
        self.user = self.server.user()
        self.home = self.server.folder / f"fetchmail-{self.user.address}"
        self.home.mkdir()
        self.sent = [messages.text(f"fetch {n}", body=f"body {n}\r\n..dots\r\n") for n in range(3)]
        self.server.deliver(self.user, *self.sent)

    def fetch(self, protocol, port, tls, options="", server_options=""):
        rc = self.home / "fetchmailrc"
        rc.write_text(f"poll localhost service {self.server.port(port)} protocol {protocol} auth password {server_options}\n"
                      f"user '{self.user.address}' password '{self.user.password}' {tls}\n"
                      f"sslcertfile '{self.server.ca}' sslcertck {options}\n"
                      f"mda \"cat >> '{self.home}/mbox'\"\n")
        rc.chmod(0o600)
        environment = os.environ | {"HOME": str(self.home), "FETCHMAILHOME": str(self.home)}
        return run("fetchmail", "--fetchmailrc", rc, "--nosyslog", "--nodetach", "-v", "-v", "--pidfile", self.home / "pid",
                   "--timeout", "20", check=False, env=environment)

    def assert_fetched(self, result):
        self.assertEqual(result.returncode, FETCHED, result.stdout + result.stderr)
        mbox = (self.home / "mbox").read_bytes()
        for message in self.sent:
            # fetchmail writes a Received line into the header, and LF line ends.
            self.assertIn(message.split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b"\n"), mbox)
        return mbox

    def test_takes_mail_away_over_imap(self):
        self.assert_fetched(self.fetch("imap", "imaps", "ssl"))
        self.assertEqual(self.server.content(self.user), [])
        self.assertEqual(self.user.messages(), [])

    def test_takes_mail_away_over_pop3(self):
        self.assert_fetched(self.fetch("pop3", "pop3s", "ssl"))
        self.assertEqual(self.server.content(self.user), [])

    def test_keeps_mail_over_imap_with_starttls_and_marks_it_seen(self):
        self.assert_fetched(self.fetch("imap", "imap", "sslproto TLS1.2+", "keep"))
        self.assertEqual(len(self.user.files("cur")), 3)
        self.assertTrue(all(file.name.endswith("S") for file in self.user.files("cur")))
        self.assertEqual(self.fetch("imap", "imap", "sslproto TLS1.2+", "keep").returncode, NO_MAIL)

    def test_keeps_mail_over_pop3_with_stls_and_knows_it_again_by_its_uidl(self):
        before = self.assert_fetched(self.fetch("pop3", "pop3", "sslproto TLS1.2+", "keep", "uidl"))
        self.assertEqual(self.fetch("pop3", "pop3", "sslproto TLS1.2+", "keep", "uidl").returncode, NO_MAIL)
        self.assertEqual((self.home / "mbox").read_bytes(), before)
        self.assertEqual(len(self.server.content(self.user)), 3)

    def test_hears_that_its_password_is_wrong(self):
        self.user.password = "wrong"
        for protocol, port in [("imap", "imaps"), ("pop3", "pop3s")]:
            self.assertEqual(self.fetch(protocol, port, "ssl").returncode, NO_LOGIN)
