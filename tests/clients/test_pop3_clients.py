"""getmail, mpop and curl take mail away over POP3, and leave it there as they are told."""

import os

import messages
from harness import Case, run, shared_node


class Taker(Case):
    def setUp(self):
        self.server = shared_node()
        self.user = self.server.user()
        self.home = self.server.folder / f"{type(self).__name__}-{self.user.address}"
        self.mail = self.home / "mail"
        for folder in ("cur", "new", "tmp"):
            (self.mail / folder).mkdir(parents=True)
        self.sent = [messages.text(f"take {n}", body=f"body {n}\r\n..dots\r\n.\r\n") for n in range(3)]
        self.server.deliver(self.user, *self.sent)
        self.environment = os.environ | {"HOME": str(self.home)}

    def bodies(self):
        """Of what was taken; the programs add fields of their own to the headers, and write LF."""
        return sorted(file.read_bytes().split(b"\n\n", 1)[1] for file in (self.mail / "new").iterdir())

    def sent_bodies(self, sent):
        return sorted(message.split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b"\n") for message in sent)


class Getmail(Taker):
    def fetch(self, **options):
        rows = "".join(f"{key} = {value}\n" for key, value in options.items())
        rc = self.home / "getmailrc"
        # As root it gives mail to a program only, and only when told so.
        rc.write_text(f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {self.server.port('pop3s')}\n"
                      f"username = {self.user.address}\npassword = {self.user.password}\nca_certs = {self.server.ca}\n"
                      f"[destination]\ntype = MDA_external\nallow_root_commands = true\npath = /bin/sh\n"
                      f"arguments = ('-c', 'cat > \"$(mktemp {self.mail}/new/XXXXXXXX)\"')\n[options]\n{rows}")
        rc.chmod(0o600)
        return run("getmail", "--getmaildir", self.home, "--rcfile", rc, env=self.environment)

    def test_takes_mail_away(self):
        self.fetch(delete="true")
        self.assertEqual(self.bodies(), self.sent_bodies(self.sent))
        self.assertEqual(self.user.messages(), [])

    def test_leaves_mail_and_knows_it_again(self):
        self.fetch(delete="false", read_all="false")
        self.server.deliver(self.user, messages.text("one more"))
        self.fetch(delete="false", read_all="false")
        self.assertEqual(len(self.bodies()), 4)
        self.assertEqual(len(self.user.messages()), 4)


class Mpop(Taker):
    def fetch(self, *options):
        rc = self.home / "mpoprc"
        rc.write_text(f"account a\nhost localhost\nport {self.server.port('pop3')}\nuser {self.user.address}\npassword {self.user.password}\n"
                      f"auth plain\ntls on\ntls_starttls on\ntls_trust_file {self.server.ca}\ndelivery maildir {self.mail}\n"
                      f"uidls_file {self.home}/uidls\npipelining on\n")
        rc.chmod(0o600)
        return run("mpop", "--file", rc, *options, "a", env=self.environment)

    def test_takes_mail_away_pipelined_after_stls(self):
        self.fetch("--keep=off")
        self.assertEqual(self.bodies(), self.sent_bodies(self.sent))
        self.assertEqual(self.user.messages(), [])

    def test_leaves_mail_and_knows_it_again(self):
        self.fetch("--keep=on")
        self.server.deliver(self.user, messages.text("one more"))
        self.fetch("--keep=on")
        self.assertEqual(len(self.bodies()), 4)
        self.assertEqual(len(self.user.messages()), 4)

    def test_tells_what_the_server_can(self):
        said = run("mpop", "--serverinfo", "--host=localhost", f"--port={self.server.port('pop3')}", "--tls=on", "--tls-starttls=on",
                   f"--tls-trust-file={self.server.ca}", env=self.environment).stdout
        for capability in ["PIPELINING", "TOP", "UIDL", "USER PLAIN LOGIN", "IMPLEMENTATION"]:
            self.assertIn(capability, said)


class Curl(Taker):
    def curl(self, path, *options):
        return run("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", self.server.ca, "--user",
                   f"{self.user.address}:{self.user.password}", f"pop3s://localhost:{self.server.port('pop3s')}/{path}", *options, text=False).stdout

    def test_lists_and_fetches_and_deletes(self):
        self.assertEqual(len(self.curl("").splitlines()), 3)
        self.assertEqual(messages.without_trace(self.curl("2")), self.sent[1])
        self.assertIn(b"Subject: take 0", self.curl("", "--request", "TOP 1 0"))
        self.curl("1", "--request", "DELE", "--list-only")
        self.assertEqual(len(self.user.messages()), 2)
