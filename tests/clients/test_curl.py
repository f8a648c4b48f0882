"""curl, in each of the protocols it speaks with us."""

import messages
from harness import Case, eventually, run, shared_node


class Curl(Case):
    def setUp(self):
        self.server = shared_node()
        self.user, self.other = self.server.user(), self.server.user()

    def curl(self, port, path="", *options, scheme=None, check=True):
        url = f"{scheme or port}://127.0.0.1:{self.server.port(port)}/{path}"
        login = f"{self.user.address}:{self.user.password}"
        return run("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", self.server.ca, "--user", login, url, *options,
                   check=check, text=False)

    def message_file(self, message):
        file = self.server.folder / f"curl-{self.user.address}.eml"
        file.write_bytes(message)
        return file

    def send(self, port, scheme, *options):
        message = messages.text(f"curl {port}")
        self.curl(port, "client.test", "--mail-from", self.user.address, "--mail-rcpt", self.other.address, "--upload-file",
                  self.message_file(message), *options, scheme=scheme)
        eventually(lambda: self.other.messages(), "the message is there")
        self.assertEqual(messages.without_trace(self.server.content(self.other)[0]), message)

    def test_sends_with_starttls(self):
        self.send("submission", "smtp", "--ssl-reqd")

    def test_sends_over_implicit_tls(self):
        self.send("submissions", "smtps")

    def test_lists_fetches_searches_flags_and_appends_over_imap(self):
        first, second = messages.text("first of curl"), messages.text("second of curl")
        self.server.deliver(self.user, first, second)
        listing = self.curl("imaps").stdout
        for mailbox in [b"INBOX", b"Drafts", b"Sent", b"Trash", b"Junk"]:
            self.assertIn(mailbox, listing)
        self.assertEqual(messages.without_trace(self.curl("imaps", "INBOX;UID=2").stdout), second)
        self.assertEqual(messages.without_trace(self.curl("imap", "INBOX;MAILINDEX=1", "--ssl-reqd").stdout), first)
        self.assertEqual(self.curl("imaps", "INBOX?SUBJECT%20second").stdout, b"* SEARCH 2\r\n")
        flagged = self.curl("imaps", "INBOX", "--request", "STORE 1 +FLAGS (\\Flagged)").stdout
        self.assertIn(b"\\Flagged", flagged)
        self.assertEqual(self.curl("imaps", "INBOX?FLAGGED").stdout, b"* SEARCH 1\r\n")

    def test_appends_over_imap(self):
        draft = messages.text("a draft of curl")
        self.curl("imaps", "Drafts", "--upload-file", self.message_file(draft))
        self.assertEqual(self.server.content(self.user, "Drafts"), [draft])

    def test_lists_and_retrieves_over_pop3(self):
        message = messages.text("curl pop3")
        self.server.deliver(self.user, message)
        listing = self.curl("pop3s").stdout
        self.assertTrue(listing.startswith(b"1 "), listing)
        for port, options in [("pop3s", []), ("pop3", ["--ssl-reqd"])]:
            self.assertEqual(messages.without_trace(self.curl(port, "1", *options).stdout), message)

    def test_a_wrong_password_is_told_in_each_protocol(self):
        self.user.password = "wrong"
        for port in ["imaps", "pop3s"]:
            # curl's 67: the server said no to the login.
            self.assertEqual(self.curl(port, check=False).returncode, 67, port)
