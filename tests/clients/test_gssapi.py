"""Logins by Kerberos tickets of a real key distribution centre: `./test gssapi` builds the server with the feature that they need."""

import time

import harness
import slapd
from harness import Case, eventually, run
from kdc import HOST, OTHER_REALM, REALM, Kdc
from test_sasl import b64
from wire import Wire

REFUSED = "a NO [AUTHENTICATIONFAILED] Authentication failed."


class Gssapi(Case):
    @classmethod
    def setUpClass(cls):
        cls.kdc = Kdc(["user001", "user002", "usuario01", "usuario07", "admin"])
        cls.addClassCleanup(cls.kdc.end)
        cls.server = cls.described(login="principal", directory={}).start()
        cls.addClassCleanup(cls.server.kill)

    @classmethod
    def described(cls, login="name", directory=None, **options):
        """A node that takes tickets; not started."""
        gssapi = {"keytab": str(cls.kdc.keytab), "realms": [REALM], "hosts": [HOST], "login": login}
        node = harness.Node(tables={"[gssapi]": gssapi, "[directory]": directory or {}}, **options)
        environment = cls.kdc.environment()
        node.prefix = ["env", *(f"{name}={environment[name]}" for name in ("KRB5_CONFIG", "KRB5RCACHENAME", "KRB5RCACHEDIR"))]
        return node

    def begin(self, token, node=None):
        """What the server says to a client's first token."""
        with Wire((node or self.server).port("imaps"), self.server.tls()) as wire:
            self.assertIn("AUTH=GSSAPI", wire.line().decode())
            wire.send(f"a AUTHENTICATE GSSAPI {token}")
            return wire.line().decode()

    def curl(self, environment, scheme, node=None, check=True, **more):
        node = node or self.server
        port = node.port({"smtps": "submissions"}.get(scheme, scheme))
        path = "/client.test" if scheme == "smtps" else "/"
        return run("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", node.ca, "--user", ":", "--login-options", "AUTH=GSSAPI",
                   "--connect-to", f"{HOST}:{port}:127.0.0.1:{port}", *more.get("options", []), f"{scheme}://{HOST}:{port}{path}",
                   env=environment, check=check, patience=30)

    def gsasl(self, environment, acting_as="", port="imap", protocol="--imap"):
        return run("gsasl", protocol, "--connect", f"127.0.0.1:{self.server.port(port)}", "--hostname", HOST, "--mechanism", "GSSAPI",
                   "--authentication-id", "", "--authorization-id", acting_as, "--x509-ca-file", self.server.ca, "--no-cb",
                   env=environment, check=False, input="", patience=30)

    def test_curl_logs_in_by_its_ticket_over_every_protocol(self):
        environment = self.kdc.ticket("user001")
        self.assertIn("INBOX", self.curl(environment, "imaps").stdout)
        self.curl(environment, "pop3s")
        mail = self.server.folder / "mail.eml"
        mail.write_text("Subject: by ticket\r\n\r\nhello\r\n")
        self.curl(environment, "smtps", options=["--mail-from", "user001@example.test", "--mail-rcpt", "user001@example.test", "--upload-file", mail])
        for protocol in ["imap", "pop3", "submission"]:
            lines = [line for line in self.server.log().splitlines() if f"{protocol} login" in line]
            self.assertTrue(any("mechanism=GSSAPI account=user001@example.test" in line for line in lines), protocol)

    def test_gsasl_logs_in_as_itself_and_as_nobody_else(self):
        environment = self.kdc.ticket("user002")
        for port, protocol in [("imap", "--imap"), ("submission", "--smtp")]:
            for name in ["", f"user002@{REALM}"]:
                said = self.gsasl(environment, name, port, protocol)
                self.assertEqual(said.returncode, 0, f"{protocol} {name}\n{said.stdout}{said.stderr}")
        self.assertNotEqual(self.gsasl(environment, "user001@example.test").returncode, 0)
        self.assertIn("asks to act for somebody else", self.server.log())

    def test_without_a_ticket_nobody_comes_in(self):
        self.assertNotEqual(self.curl(self.kdc.environment(), "imaps", check=False).returncode, 0)
        for token in [b64("no token"), "=", "YIICxgYJKoZIhvcSAQICAQBu", b64(b"\x60\x06" + bytes(6))]:
            self.assertEqual(self.begin(token), REFUSED, token)
        self.assertIn("ticket: ", self.server.log())

    def test_a_stranger_of_a_realm_that_ours_trusts_is_refused(self):
        environment = self.kdc.ticket("stranger", OTHER_REALM)
        self.assertEqual(self.begin(self.kdc.token(environment)), REFUSED)
        self.assertIn("stranger@OTHER.TEST is of another realm", self.server.log())

    def test_a_ticket_for_another_service_is_refused(self):
        environment = self.kdc.ticket("user001")
        self.assertEqual(self.begin(self.kdc.token(environment, service="smtp")), REFUSED)
        self.assertIn(f"it is for smtp/{HOST}@{REALM}, not for imap", self.server.log())
        self.assertTrue(self.begin(self.kdc.token(environment)).startswith("+ "))

    def test_a_token_is_good_once(self):
        token = self.kdc.token(self.kdc.ticket("user001"))
        self.assertTrue(self.begin(token).startswith("+ "))
        self.assertEqual(self.begin(token), REFUSED)
        self.assertIn("replay", self.server.log())

    def test_a_ticket_whose_time_is_over_is_refused(self):
        environment = self.kdc.ticket("user001", lifetime="3s")
        token = self.kdc.token(environment)
        eventually(lambda: self.kdc.is_over(environment), "the ticket's time is over")
        # One second is how far clocks may differ here, and times have no fractions.
        end = time.monotonic() + 2
        eventually(lambda: time.monotonic() > end, "the server's clock agrees")
        self.assertEqual(self.begin(token), REFUSED)
        self.assertIn("xpired", self.server.log())

    def test_accounts_of_the_directory_log_in_by_their_names_unless_they_are_disabled(self):
        directory = slapd.Slapd()
        self.addCleanup(directory.end)
        node = self.described(directory=None)
        node.directory, node.domains = directory, ["domain01.dom"]
        node.write_configuration()
        self.own(node).start()
        self.assertIn("INBOX", self.curl(self.kdc.ticket("usuario01"), "imaps", node).stdout)
        self.assertIn("account=usuario01", node.log())
        self.assertNotEqual(self.curl(self.kdc.ticket("usuario07"), "imaps", node, check=False).returncode, 0)
        self.assertIn("the account is disabled", node.log())
        self.assertNotEqual(self.curl(self.kdc.ticket("admin"), "imaps", node, check=False).returncode, 0)
        self.assertIn("login=admin mechanism=GSSAPI reason=\"no such account", node.log())

    def test_a_keytab_that_is_not_there_is_told_at_the_start_and_is_a_temporary_answer_later(self):
        node, keytab = self.described(), harness.temporary_folder() / "keytab"
        node.configuration.write_text(node.configuration.read_text().replace(str(self.kdc.keytab), str(keytab)))
        node.ready = None
        self.own(node).start()
        self.assertNotEqual(node.wait(), 0)
        self.assertIn("[gssapi] `keytab`", node.log())
        keytab.write_bytes(self.kdc.keytab.read_bytes())
        node.ready = " started "
        node.start()
        token = self.kdc.token(self.kdc.ticket("user001"))
        keytab.unlink()
        self.assertIn("a NO [UNAVAILABLE]", self.begin(token, node))
        keytab.write_bytes(self.kdc.keytab.read_bytes())
        self.assertTrue(self.begin(token, node).startswith("+ "))
