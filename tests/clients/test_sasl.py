"""Logins beyond passwords: SCRAM with and without channel binding, and client certificates."""

import base64
import hashlib
import hmac
import os
import signal
import ssl

import harness
import slapd
from harness import Case, eventually, run
from wire import Wire

PASSWORD = "pencil"


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def kept_keys(password, salt=b"sixteen octets..", rounds=4096):
    """A line's {SCRAM-SHA-256}, as `doveadm pw` makes it."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return f"{{SCRAM-SHA-256}}{rounds},{b64(salt)},{b64(stored)},{b64(hmac.digest(salted, b'Server Key', 'sha256'))}"


class Scram:
    """A client of SCRAM-SHA-256 (RFC 5802, RFC 7677), written after the RFC."""

    def __init__(self, user, password, header="n,,", binding=b""):
        self.password, self.bound = password, header.encode() + binding
        self.bare = f"n={user},r={b64(os.urandom(18))}"
        self.first = header + self.bare

    def answer(self, server_first):
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        assert fields["r"].startswith(self.bare.split("r=", 1)[1])
        self.salt, self.rounds = fields["s"], int(fields["i"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(self.salt), self.rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        final = f"c={b64(self.bound)},r={fields['r']}"
        message = f"{self.bare},{server_first},{final}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        self.expected = "v=" + b64(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256"))
        return f"{final},p={b64(bytes(a ^ b for a, b in zip(key, signature)))}"


class Imap(Wire):
    """Says AUTHENTICATE and gives what comes of it."""

    def __init__(self, node, context=None):
        super().__init__(node.port("imaps"), context or node.tls())
        self.greeting = self.line().decode()

    def authenticate(self, mechanism, client):
        self.send(f"a AUTHENTICATE {mechanism} {b64(client.first)}")
        line = self.line().decode()
        if line.startswith("+ "):
            self.send(b64(client.answer(base64.b64decode(line[2:]).decode())))
            line = self.line().decode()
        if line.startswith("+ "):
            assert base64.b64decode(line[2:]).decode() == client.expected
            self.send("")
            line = self.line().decode()
        return line

    def end_point(self):
        return hashlib.sha256(self.socket.getpeercert(binary_form=True)).digest()


def certificate(folder, name, address, issuer=None, alternative=None):
    """A key and a certificate for a user, by an authority or by itself. `alternative` is another name than a mail address."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    by = ["-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key"] if issuer else []
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj",
        f"/CN={name}", "-addext", f"subjectAltName={alternative or 'email:' + address}", *(["-addext", "basicConstraints=critical,CA:FALSE"] if issuer else []),
        *by, "-keyout", key, "-out", certificate)
    return certificate, key


class Sasl(Case):
    @classmethod
    def setUpClass(cls):
        node = harness.Node(tables={"[directory]": {"mechanisms": ["EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN"]},
                                    "[tls]": {"client_ca": "ca.pem"}})
        with open(node.folder / "users", "a") as users:
            users.write(f"kept@example.test:{kept_keys(PASSWORD)}\nplain@example.test:{{PLAIN}}{PASSWORD}\n")
        certificate(node.folder, "ca", "ca@example.test")
        cls.server = node.start()
        cls.addClassCleanup(node.kill)

    def try_scram(self, user, password, mechanism="SCRAM-SHA-256", header="n,,", binding=None):
        with Imap(self.server) as imap:
            client = Scram(user, password, header, imap.end_point() if binding is None and header.startswith("p=") else binding or b"")
            return imap.authenticate(mechanism, client), client

    def test_scram_lets_in_by_kept_keys_and_by_kept_passwords(self):
        for user in ["kept@example.test", "plain@example.test", "PLAIN@example.test"]:
            self.assertIn("a OK", self.try_scram(user, PASSWORD)[0], user)
            bound = self.try_scram(user, PASSWORD, "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,")[0]
            self.assertIn("a OK", bound, user)
        self.assertIn("mechanism=SCRAM-SHA-256-PLUS", self.server.log())

    def test_wrong_passwords_names_and_bindings_are_refused_alike(self):
        other = {"mechanism": "SCRAM-SHA-256-PLUS", "header": "p=tls-server-end-point,,", "binding": b"another certificate"}
        for user, password, options, reason in [
            ("kept@example.test", "wrong", {}, "wrong password"),
            ("nobody@example.test", PASSWORD, {}, "no such account"),
            ("user001@example.test", harness.PASSWORD, {}, "no such account"),
            ("kept@example.test", PASSWORD, {"header": "y,,"}, "was not shown SCRAM-SHA-256-PLUS"),
            ("kept@example.test", PASSWORD, other, "bound to another TLS connection"),
            ("kept@example.test", PASSWORD, other | {"header": "p=tls-unique,,"}, "channel binding wanted is not there"),
        ]:
            line = self.try_scram(user, password, **options)[0]
            self.assertEqual(line, "a NO [AUTHENTICATIONFAILED] Authentication failed.", reason)
            self.assertIn(reason, self.server.log())

    def test_a_name_that_nobody_has_looks_the_same_every_time(self):
        first, second, known = [self.try_scram(name, "x")[1] for name in ["no@example.test"] * 2 + ["kept@example.test"]]
        self.assertEqual((first.salt, first.rounds), (second.salt, second.rounds))
        self.assertEqual((len(first.salt), first.rounds), (len(known.salt), known.rounds))

    def test_gsasl_is_a_client_of_scram(self):
        for port, protocol in [("imap", "--imap"), ("submission", "--smtp")]:
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]:
                said = self.gsasl(port, protocol, mechanism, PASSWORD)
                self.assertEqual(said.returncode, 0, f"{protocol} {mechanism}\n{said.stdout}{said.stderr}")
        self.assertNotEqual(self.gsasl("imap", "--imap", "SCRAM-SHA-256", "wrong").returncode, 0)

    def gsasl(self, port, protocol, mechanism, password):
        return run("gsasl", protocol, "--connect", f"127.0.0.1:{self.server.port(port)}", "--mechanism", mechanism, "--authentication-id",
                   "kept@example.test", "--password", password, "--x509-ca-file", self.server.ca, "--hostname", "localhost",
                   "--no-cb" if not mechanism.endswith("PLUS") else "--verbose", check=False,
                   input="", patience=30)

    def with_certificate(self, name, address, issuer="ca"):
        context = self.server.tls()
        context.load_cert_chain(*certificate(self.server.folder, name, address, issuer))
        return context

    def test_a_client_certificate_names_its_user(self):
        user = self.server.user()
        with Imap(self.server, self.with_certificate("ana", user.address)) as imap:
            self.assertIn("AUTH=EXTERNAL", imap.greeting)
            imap.send("a AUTHENTICATE EXTERNAL =")
            self.assertIn("a OK", imap.line().decode())
        with Imap(self.server, self.with_certificate("bob", user.address)) as imap:
            imap.send(f"a AUTHENTICATE EXTERNAL {b64('user001@example.test')}")
            self.assertIn("a NO [AUTHENTICATIONFAILED]", imap.line().decode())
        with Imap(self.server, self.with_certificate("nobody", "nobody@example.test")) as imap:
            imap.send("a AUTHENTICATE EXTERNAL =")
            self.assertIn("a NO [AUTHENTICATIONFAILED]", imap.line().decode())
        with Imap(self.server) as imap:
            self.assertNotIn("AUTH=EXTERNAL", imap.greeting)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            # In TLS 1.3 the client hears of it with its first answer.
            with Imap(self.server, self.with_certificate("forged", user.address, issuer=None)) as imap:
                self.assertTrue(imap.greeting, "the server closed")
                raise AssertionError("a certificate of nobody's was taken")

    def external(self, node, *names, **more):
        """What the server says to somebody with such a certificate."""
        context = node.tls()
        context.load_cert_chain(*certificate(node.folder, *names, issuer="ca", **more))
        with Imap(node, context) as imap:
            imap.send("a AUTHENTICATE EXTERNAL =")
            return imap.line().decode()

    def with_client_ca(self, name="email", more=None, **options):
        """A node that takes certificates of an authority of its own."""
        folder = harness.temporary_folder()
        authority, key = certificate(folder, "ca", "ca@example.test")
        tls = {"client_ca": str(authority), "client_name": name} | (more or {})
        node = self.node(tables={"[tls]": tls}, **options)
        for file in (authority, key):
            (node.folder / file.name).write_bytes(file.read_bytes())
        return node

    def test_the_user_principal_name_or_the_common_name_is_the_user_where_it_is_set_so(self):
        upn = "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:user003@example.test"
        node = self.with_client_ca("upn")
        self.assertIn("a OK", self.external(node, "ana", "user001@example.test", alternative=f"{upn},email:user001@example.test"))
        self.assertIn("account=user003@example.test", node.log())
        # Without that name there is no user, whatever else the certificate says.
        self.assertIn("a NO", self.external(node, "user001@example.test", "user001@example.test"))
        node = self.with_client_ca("common-name")
        self.assertIn("a OK", self.external(node, "user004@example.test", "user001@example.test"))
        self.assertIn("account=user004@example.test", node.log())

    def test_where_certificates_are_required_nobody_comes_in_without_one(self):
        node = self.with_client_ca(more={"client_certificates": "required"})
        user = node.user()
        self.assertIn("a OK", self.external(node, "ana", user.address))
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            with Imap(node) as imap:
                self.assertTrue(imap.greeting, "the server closed")
                raise AssertionError("it greeted somebody without a certificate")

    def test_accounts_of_the_directory_log_in_by_certificates_unless_they_are_disabled(self):
        directory = slapd.Slapd()
        self.addCleanup(directory.end)
        node = self.with_client_ca(directory=directory, domains=["domain01.dom"])
        self.assertIn("a OK", self.external(node, "ana", "usuario01@domain01.dom"))
        self.assertIn("a NO [AUTHENTICATIONFAILED]", self.external(node, "disabled", "usuario07@domain01.dom"))
        self.assertIn("the account is disabled", node.log())
        self.assertIn("a NO [AUTHENTICATIONFAILED]", self.external(node, "nobody", "*@domain01.dom"))
        directory.end()
        self.assertIn("a NO [UNAVAILABLE]", self.external(node, "bob", "usuario03@domain01.dom"))

    def test_an_edit_of_the_password_file_tells_no_name_from_another_on_no_node(self):
        tables = {"[directory]": {"secret_file": str(harness.temporary_folder() / "secret"), "mechanisms": ["SCRAM-SHA-256", "PLAIN"]}}
        kept = f"kept@example.test:{kept_keys(PASSWORD)}\nplain@example.test:{{PLAIN}}{PASSWORD}\n"
        nodes = [harness.Node(tables=tables), harness.Node(tables=tables)]
        for node in nodes:
            (node.folder / "users").write_text(kept)
            self.own(node).start()

        def salts(node):
            shown = []
            for name in ["kept@example.test", "plain@example.test", "nobody@example.test"]:
                client = Scram(name, "wrong")
                with Imap(node) as imap:
                    imap.authenticate("SCRAM-SHA-256", client)
                shown.append((client.salt, client.rounds))
            return shown

        before = salts(nodes[0])
        self.assertEqual(len(set(before)), 3)
        self.assertEqual(salts(nodes[1]), before)
        (nodes[0].folder / "users").write_text(kept + f"new@example.test:{{PLAIN}}{PASSWORD}\n")
        nodes[0].send_signal(signal.SIGHUP)
        eventually(lambda: "a OK" in self.scram_at(nodes[0], "new@example.test"), "the new account is there")
        self.assertEqual(salts(nodes[0]), before)
        nodes[0].stop()
        nodes[0].start()
        self.assertEqual(salts(nodes[0]), before)

    def scram_at(self, node, user):
        with Imap(node) as imap:
            return imap.authenticate("SCRAM-SHA-256", Scram(user, PASSWORD))

    def test_curl_logs_in_by_its_certificate(self):
        user = self.server.user()
        pem, key = certificate(self.server.folder, "curl", user.address, "ca")
        said = run("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", self.server.ca, "--cert", pem, "--key", key,
                   "--user", f"{user.address}:", "--login-options", "AUTH=EXTERNAL", f"imaps://127.0.0.1:{self.server.port('imaps')}/")
        self.assertIn("INBOX", said.stdout)
