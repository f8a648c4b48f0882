"""Logins by access tokens of an issuer that is down, rotates its keys, and gives tokens for others; over HTTPS, by every kind of key, and
for accounts of a directory."""

import base64
import http.server
import json
import ssl
import threading
import time
import urllib.parse

import harness
import slapd
from harness import Case, run
from test_sasl import b64, certificate
from wire import Wire


def url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def der_integers(signature):
    """The two numbers of an ECDSA signature, as JWS wants them (RFC 7518 §3.4): each in 32 octets."""
    at, numbers = 2, []
    for _ in range(2):
        length = signature[at + 1]
        numbers.append(signature[at + 2:at + 2 + length].lstrip(b"\0").rjust(32, b"\0"))
        at += 2 + length
    return b"".join(numbers)


PSS = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
# By the algorithm of the signature: how openssl makes such a key, and how it signs with it.
ALGORITHMS = {
    "RS256": (["genrsa", "2048"], ["dgst", "-sha256", "-sign"]),
    "PS256": (["genrsa", "2048"], ["dgst", "-sha256", *PSS, "-sign"]),
    "ES256": (["ecparam", "-name", "prime256v1", "-genkey", "-noout"], ["dgst", "-sha256", "-sign"]),
    "EdDSA": (["genpkey", "-algorithm", "ed25519"], None),
}


class Issuer:
    """An OpenID Connect issuer on loopback: its keys at /keys, introspection at /introspect. With `tls` it has a certificate of an authority of its own."""

    def __init__(self, tls=False):
        self.folder, self.keys, self.asked, self.active = harness.temporary_folder(), {}, [], {}
        self.server = self.thread = None
        self.port = harness.free_port()
        self.tls = tls and certificate(self.folder, "ca", "ca@example.test")[0]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def add_key(self, name, algorithm="RS256"):
        file = self.folder / f"{name}.pem"
        file.write_text(run("openssl", *ALGORITHMS[algorithm][0]).stdout)
        key = {"kid": name, "use": "sig", "alg": algorithm}
        if algorithm in ("RS256", "PS256"):
            modulus = run("openssl", "rsa", "-in", file, "-noout", "-modulus").stdout.strip().split("=")[1]
            self.keys[name] = key | {"kty": "RSA", "n": url64(bytes.fromhex(modulus)), "e": "AQAB"}
            return
        # The point is what stands at the end of a public key in DER.
        public = run("openssl", "pkey", "-in", file, "-pubout", "-outform", "DER", text=False).stdout
        if algorithm == "ES256":
            self.keys[name] = key | {"kty": "EC", "crv": "P-256", "x": url64(public[-64:-32]), "y": url64(public[-32:])}
        else:
            self.keys[name] = key | {"kty": "OKP", "crv": "Ed25519", "x": url64(public[-32:])}

    def sign(self, key, signed):
        algorithm, file = self.keys[key]["alg"], self.folder / f"{key}.pem"
        if algorithm == "EdDSA":
            message = self.folder / "message"
            message.write_bytes(signed)
            return run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", file, "-in", message, text=False).stdout
        signature = run("openssl", *ALGORITHMS[algorithm][1], file, text=False, input=signed).stdout
        return der_integers(signature) if algorithm == "ES256" else signature

    def token(self, user, key="one", header=None, **changes):
        claims = {"iss": self.url, "aud": "mail", "exp": int(time.time()) + 600, "email": user, "scope": "openid mail"} | changes
        head = url64(json.dumps({"alg": self.keys[key]["alg"], "typ": "JWT", "kid": key} | (header or {})).encode())
        signed = f"{head}.{url64(json.dumps(claims).encode())}"
        return f"{signed}.{url64(self.sign(key, signed.encode()))}"

    def start(self):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.tell({"keys": list(issuer.keys.values())})

            def do_POST(self):
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                assert self.headers["Authorization"] == "Basic " + b64("tepui:s%26cret"), self.headers["Authorization"]
                self.tell(issuer.active.get(form["token"][0], {"active": False}))

            def tell(self, answer):
                issuer.asked.append(self.path)
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        # Who hangs up in the handshake is no news.
        self.server.handle_error = lambda *_: None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate(self.folder, "issuer", "issuer@example.test", "ca", alternative="IP:127.0.0.1"))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


class Oauth(Case):
    def setUp(self):
        self.begin(Issuer())

    def begin(self, issuer):
        self.issuer = issuer
        issuer.add_key("one")
        issuer.start()
        self.addCleanup(issuer.stop)

    def serve(self, node=None, **options):
        oauth = {"issuer": self.issuer.url, "audience": ["mail"], "scope": "mail", "timeout": "2s", "keys_pause": "1ms"}
        if not any(key in options for key in ("keys_file", "introspection_url")):
            oauth["keys_url"] = f"{self.issuer.url}/keys"
        self.server = self.node(tables={"[oauth]": oauth | options}, **(node or {}))
        return self.server.user()

    def bearer(self, token, user="", mechanism="OAUTHBEARER"):
        """What the server says at the end, and its error before that."""
        separator = "\x01"
        name = f"a={user}" if user else ""
        first = f"user={user}{separator}" if mechanism == "XOAUTH2" else f"n,{name},{separator}"
        with Wire(self.server.port("imaps"), self.server.tls()) as wire:
            self.assertIn(f"AUTH={mechanism}", wire.line().decode())
            wire.send(f"a AUTHENTICATE {mechanism} " + b64(f"{first}auth=Bearer {token}{separator}{separator}"))
            line, error = wire.line().decode(), None
            if line.startswith("+ "):
                error = json.loads(base64.b64decode(line[2:]))
                wire.send("AQ==")
                line = wire.line().decode()
            return line, error

    def assert_refused(self, token, reason, user=""):
        line, error = self.bearer(token, user)
        self.assertIn("a NO [AUTHENTICATIONFAILED]", line, reason)
        self.assertEqual(error["status"], "invalid_token")
        self.assertEqual(error["openid-configuration"], f"{self.issuer.url}/.well-known/openid-configuration")
        self.assertIn(reason, self.server.log())

    def test_a_token_lets_in_whom_it_names(self):
        user = self.serve()
        token = self.issuer.token(user.address)
        for name, mechanism in [("", "OAUTHBEARER"), (user.address, "OAUTHBEARER"), (user.address, "XOAUTH2")]:
            self.assertIn("a OK", self.bearer(token, name, mechanism)[0], f"{name} {mechanism}")
        self.assertEqual(len(self.issuer.asked), 1)
        self.assertNotIn(token, self.server.log())

    def test_other_tokens_are_refused_with_an_error_that_says_where_to_get_one(self):
        user, now = self.serve(), int(time.time())
        token = self.issuer.token
        for bad, reason in [
            (token(user.address, exp=now - 120), "expired"), (token(user.address, aud="web"), "for another audience"),
            (token(user.address, iss="http://evil.test"), "of another issuer"), (token(user.address, nbf=now + 600), "not valid yet"),
            (token(user.address, scope="openid"), "without the scope mail"), (token("nobody@example.test"), "no such account"),
            (token(user.address, email=None), "without a user"), (token(user.address)[:-8] + "AAAAAAAA", "InvalidSignature"),
            (token(user.address, header={"alg": "HS256"}), "which is not accepted"), ("x.y.z", "not a signed one"),
            (token(user.address, header={"alg": "none"}), "not a signed one"),
            (token(user.address, header={"kid": "unknown"}), "signed by a key that the issuer does not have"),
        ]:
            self.assert_refused(bad, reason)
        self.assert_refused(token(user.address), f"the token is {user.address}'s", user="user001@example.test")

    def test_new_keys_are_fetched_and_old_ones_outlive_the_issuer(self):
        user = self.serve()
        self.assertIn("a OK", self.bearer(self.issuer.token(user.address))[0])
        self.issuer.add_key("two")
        self.assertIn("a OK", self.bearer(self.issuer.token(user.address, key="two"))[0])
        self.assertEqual(len(self.issuer.asked), 2)
        self.issuer.stop()
        self.assertIn("a OK", self.bearer(self.issuer.token(user.address))[0])
        self.issuer.add_key("three")
        line, error = self.bearer(self.issuer.token(user.address, key="three"))
        self.assertIn("a NO [UNAVAILABLE]", line)
        self.assertIsNone(error)

    def test_keys_of_every_kind_sign(self):
        user = self.serve()
        for algorithm in ["ES256", "PS256", "EdDSA"]:
            self.issuer.add_key(algorithm, algorithm)
            token = self.issuer.token(user.address, key=algorithm)
            self.assertIn("a OK", self.bearer(token)[0], algorithm)
            damaged = token[:-8] + ("AAAAAAAA" if token[-8:] != "AAAAAAAA" else "BBBBBBBB")
            self.assertIn("a NO [AUTHENTICATIONFAILED]", self.bearer(damaged)[0], algorithm)
        # A key is for the one algorithm that it names.
        self.assert_refused(self.issuer.token(user.address, key="PS256", header={"alg": "RS256"}), "a key that the issuer does not have")

    def test_keys_out_of_a_file_need_no_issuer(self):
        file = self.issuer.folder / "keys.json"
        file.write_text(json.dumps({"keys": list(self.issuer.keys.values())}))
        self.issuer.stop()
        user = self.serve(keys_file=str(file))
        self.assertIn("a OK", self.bearer(self.issuer.token(user.address))[0])
        self.issuer.add_key("two")
        self.assert_refused(self.issuer.token(user.address, key="two"), "a key that the issuer does not have")
        self.assertEqual(self.issuer.asked, [])

    def test_keys_come_over_https_from_an_issuer_whom_the_authority_vouches_for(self):
        self.begin(Issuer(tls=True))
        user = self.serve(ca_file=str(self.issuer.tls))
        self.assertIn("a OK", self.bearer(self.issuer.token(user.address))[0])
        self.assertEqual(self.issuer.asked, ["/keys"])

    def test_an_issuer_whom_nobody_vouches_for_is_asked_nothing(self):
        self.begin(Issuer(tls=True))
        for options in [{}, {"ca_file": str(certificate(self.issuer.folder, "other", "other@example.test")[0])}]:
            user = self.serve(**options)
            self.assertIn("a NO [UNAVAILABLE]", self.bearer(self.issuer.token(user.address))[0], options)
            self.assertIn("certificate", self.server.log())
        self.assertEqual(self.issuer.asked, [])

    def test_accounts_of_the_directory_log_in_by_tokens_unless_they_are_disabled(self):
        directory = slapd.Slapd()
        self.addCleanup(directory.end)
        self.serve(user_claim="upn", node={"directory": directory, "domains": ["domain01.dom"]})
        token = lambda name: self.issuer.token(None, upn=name)
        for name in ["usuario01", "usuario01@domain01.dom"]:
            self.assertIn("a OK", self.bearer(token(name))[0], name)
        self.assertIn("a OK", self.bearer(token("usuario01@domain01.dom"), "usuario01")[0])
        self.assert_refused(token("usuario07"), "the account is disabled")
        self.assert_refused(token("*"), "token of *: no such account")
        self.assert_refused(token("usuario02"), "the token is usuario02's", user="usuario01")
        directory.end()
        self.assertIn("a NO [UNAVAILABLE]", self.bearer(token("usuario03"))[0])

    def test_an_issuer_that_is_down_is_a_temporary_answer(self):
        self.issuer.stop()
        user = self.serve()
        self.assertIn("a NO [UNAVAILABLE]", self.bearer(self.issuer.token(user.address))[0])
        self.issuer.start()
        self.assertIn("a OK", self.bearer(self.issuer.token(user.address))[0])

    def test_the_issuer_is_asked_about_tokens_that_nobody_can_read(self):
        secret = self.issuer.folder / "secret"
        secret.write_text("s&cret\n")
        user = self.serve(introspection_url=f"{self.issuer.url}/introspect", client_id="tepui", client_secret_file=str(secret))
        self.issuer.active["opaque"] = {"active": True, "email": user.address, "scope": "mail", "exp": int(time.time()) + 600}
        self.assertIn("a OK", self.bearer("opaque")[0])
        self.assertIn("a OK", self.bearer("opaque")[0])
        self.assertEqual(self.issuer.asked, ["/introspect"])
        self.assert_refused("another", "not active")
        self.issuer.stop()
        self.assertIn("a NO [UNAVAILABLE]", self.bearer("a-third")[0])

    def test_curl_brings_a_token(self):
        user = self.serve()
        token = self.issuer.token(user.address)
        for port, mechanism in [("imaps", "OAUTHBEARER"), ("imaps", "XOAUTH2"), ("pop3s", "XOAUTH2")]:
            run("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", self.server.ca, "--user", f"{user.address}:",
                "--oauth2-bearer", token, "--login-options", f"AUTH={mechanism}", f"{port}://127.0.0.1:{self.server.port(port)}/")
        mail = self.server.folder / "mail.eml"
        mail.write_text("Subject: by token\r\n\r\nhello\r\n")
        run("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", self.server.ca, "--user", f"{user.address}:",
            "--oauth2-bearer", token, "--login-options", "AUTH=OAUTHBEARER", "--mail-from", user.address, "--mail-rcpt", user.address,
            "--upload-file", mail, f"smtps://127.0.0.1:{self.server.port('submissions')}/client.test")
        harness.eventually(lambda: user.messages(), "the message is there")
