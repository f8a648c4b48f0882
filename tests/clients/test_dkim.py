"""Messages are signed by OpenDKIM's own tables; OpenDKIM and dkimpy verify them."""

import json
import os
import socket
import stat
import threading

import harness
from harness import HERE, Case, eventually, run, tepui
from slapd import tool

# Debian's dkimpy is of the system's Python, which need not be the one that runs the tests.
PYTHON = "/usr/bin/python3"
VERIFY = """
import dkim, json, sys
records = json.loads(sys.argv[1])
lookup = lambda name, timeout=5: records[name.decode().split(".")[0]].encode()
content = sys.stdin.buffer.read()
count = content.count(b"DKIM-Signature:")
sys.exit(not count or not all(dkim.DKIM(content).verify(idx=index, dnsfunc=lookup) for index in range(count)))
"""
SIGN = """
import dkim, sys
form, key = sys.argv[1].encode(), open(sys.argv[2], "rb").read()
sys.stdout.buffer.write(dkim.sign(sys.stdin.buffer.read(), b"rsa", b"example.test", key, canonicalize=(form, form)))
"""

SUBJECT = "Subject:   a  subject\r\n folded\r\n"
BODY = "line one  \r\n\t two\r\n\r\n..dots\r\n\r\n\r\n"


def message(user, body=BODY):
    return f"From: Ana <{user.address}>\r\nTo: bob@elsewhere.test\r\n{SUBJECT}Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\n{body}"


def record_of(folder, selector):
    """The text of the DNS record, out of the strings of the zone's line."""
    return "".join((folder / f"{selector}.txt").read_text().split('"')[1::2])


class Keys(Case):
    def keys(self):
        """A folder with a key of each kind, and tables for them."""
        folder = harness.temporary_folder()
        for selector, kind in (("rsa", "rsa"), ("ed", "ed25519")):
            made = tepui("dkim", "keygen", "--domain", "example.test", "--selector", selector, "--type", kind, "--directory", folder)
            self.assertEqual(made.returncode, 0, made.stderr)
        rows = [f"{name} example.test:{name}:{folder}/{name}.private\n" for name in ("rsa", "ed")]
        (folder / "KeyTable").write_text("# as OpenDKIM has it\n" + "".join(rows))
        (folder / "SigningTable").write_text("*@example.test rsa\n*@example.test ed\n")
        return folder

    def signing(self, folder, **options):
        tables = {"key_table": f"refile:{folder}/KeyTable", "signing_table": f"refile:{folder}/SigningTable"}
        return self.node(hop=HERE, tables={"[dkim]": tables | {"signatures": "all"} | options})

    def sent(self, node, text=message):
        """A message as it arrives where it is sent to."""
        user = node.user()
        with node.smtp(user) as client:
            client.sendmail(user.address, [user.address], text(user))
        eventually(lambda: user.messages(), "the message is there")
        [content] = node.content(user)
        return content


class Dkim(Keys):
    def assert_verified(self, folder, content):
        """OpenDKIM, with the keys out of a file, and dkimpy."""
        records = json.dumps({name: record_of(folder, name) for name in ("rsa", "ed")})
        run(PYTHON, "-c", VERIFY, records, input=content, text=False)
        if b"c=simple/" in content:
            # `opendkim -t` takes white space off values before it verifies them.
            return
        keys = folder / "public"
        keys.write_text("".join(f"{name}._domainkey.example.test {record_of(folder, name)}\n" for name in ("rsa", "ed")))
        configuration = folder / "opendkim.conf"
        configuration.write_text(f"Mode v\nTestPublicKeys {keys}\n")
        (folder / "message").write_bytes(content.replace(b"\r\n", b"\n"))
        verified = run(tool("opendkim", "opendkim"), "-x", configuration, "-vv", "-t", folder / "message")
        self.assertIn("dkim=pass (2048-bit key) header.d=example.test", verified.stdout)

    def test_signed_mail_is_verified_by_others_in_every_form(self):
        folder = self.keys()
        for form in ("relaxed/relaxed", "simple/simple", "relaxed/simple"):
            content = self.sent(self.signing(folder, canonicalization=form))
            self.assertEqual(content.count(b"DKIM-Signature: v=1;"), 2)
            self.assertTrue(content.index(b"DKIM-Signature:") < content.index(b"Received:"))
            self.assert_verified(folder, content)

    def test_a_large_message_is_signed_too(self):
        folder = self.keys()
        content = self.sent(self.signing(folder), lambda user: message(user, ("x \t y" * 14 + "\r\n") * 15_000))
        self.assert_verified(folder, content)

    def test_added_fields_are_signed_and_whose_domain_is_elsewhere_is_not(self):
        folder = self.keys()
        node = self.signing(folder)
        content = self.sent(node, lambda user: f"From: {user.address}\r\n\r\nno date\r\n")
        self.assertIn(b"h=From:Date:From;", content.replace(b"Date:From:From", b"From:Date:From"))
        self.assert_verified(folder, content)
        content = self.sent(node, lambda user: "From: eve@elsewhere.test\r\n\r\nhello\r\n")
        self.assertNotIn(b"DKIM-Signature", content)

    def test_keys_come_and_go_without_a_restart(self):
        folder = self.keys()
        node = self.signing(folder, signatures="first")
        self.assertIn(b"s=rsa;", self.sent(node))
        (folder / "SigningTable").write_text("*@example.test ed\n")
        eventually(lambda: "are in force" in node.log(), "the tables are read again")
        self.assertIn(b"s=ed;", self.sent(node))
        (folder / "ed.private").rename(folder / "away")
        eventually(lambda: node.log().count("are in force") == 2, "the tables are read again")
        with self.assertRaisesRegex(Exception, "451, b'4.7.1 "):
            self.sent(node)

    def test_keygen_makes_what_opendkim_takes(self):
        folder = self.keys()
        self.assertEqual(stat.S_IMODE(os.stat(folder / "rsa.private").st_mode), 0o600)
        again = tepui("dkim", "keygen", "--domain", "example.test", "--selector", "rsa", "--directory", folder)
        self.assertEqual(again.returncode, 1, "a key that is there stays")
        (folder / "unsigned").write_bytes(b"From: a@example.test\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nSubject: x\r\n\r\nhello\r\n")
        with open(folder / "unsigned") as unsigned:
            signed = run(tool("opendkim-testmsg", "opendkim-tools"), "-d", "example.test", "-k", folder / "rsa.private", "-s", "rsa", stdin=unsigned)
        self.assertIn("s=rsa;", signed.stdout)

    def test_check_names_keys_that_do_not_sign(self):
        folder = self.keys()
        node = self.signing(folder)
        (folder / "ed.private").write_text("nonsense")
        checked = tepui("check", "--config", node.configuration)
        self.assertEqual(checked.returncode, 1)
        self.assertIn("rsa: rsa-sha256 signs for example.test", checked.stdout)
        self.assertIn("no private key in PEM", checked.stdout)


class Records:
    """A DNS server on loopback that knows texts, and nothing else (RFC 1035)."""

    def __init__(self, records):
        self.records = records
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            self.socket.sendto(self.answer(query), peer)

    def answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        text = self.records.get(".".join(labels).lower())
        flags = 0x8180 if text else 0x8183
        head = query[:2] + flags.to_bytes(2, "big") + (1).to_bytes(2, "big") + (1 if text else 0).to_bytes(2, "big") + bytes(4)
        if not text:
            return head + question
        strings = b"".join(bytes([len(part)]) + part for part in (text[n:n + 250].encode() for n in range(0, len(text), 250)))
        return head + question + b"\xc0\x0c\x00\x10\x00\x01" + (60).to_bytes(4, "big") + len(strings).to_bytes(2, "big") + strings

    def end(self):
        self.socket.close()


class Verify(Keys):
    def setUp(self):
        self.folder = self.keys()
        self.records = Records({f"{name}._domainkey.example.test": record_of(self.folder, name) for name in ("rsa", "ed")})
        self.addCleanup(self.records.end)

    def verifying(self):
        return self.node(hop=HERE, tables={"[verify]": {"protocols": ["lmtp"]}, "[dns]": {"servers": [self.records.address]}})

    def delivered(self, node, content):
        user = node.user()
        node.deliver(user, content)
        [content] = node.content(user)
        return content

    def test_what_others_signed_is_verified_and_claims_of_our_name_are_taken_out(self):
        node = self.verifying()
        plain = b"From: a@example.test\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nSubject: x  y\r\n\r\nhello  \r\n\r\n"
        content = self.delivered(node, plain)
        self.assertIn(b"\r\nAuthentication-Results: mail.example.test; dkim=none\r\n", content)
        claim = b"Authentication-Results: mail.example.test; dkim=pass header.d=bank.test\r\nAuthentication-Results: other.test; dkim=pass\r\n"
        content = self.delivered(node, claim + plain)
        self.assertNotIn(b"bank.test", content)
        self.assertIn(b"other.test; dkim=pass", content)
        # dkimpy knows the older form only.
        run("openssl", "rsa", "-traditional", "-in", self.folder / "rsa.private", "-out", self.folder / "rsa.older")
        for form in ("relaxed", "simple"):
            signature = run(PYTHON, "-c", SIGN, form, self.folder / "rsa.older", input=plain, text=False).stdout
            content = self.delivered(node, signature + plain)
            self.assertIn(b"dkim=pass (2048-bit key)", content)
            content = self.delivered(node, signature + plain.replace(b"hello", b"hullo"))
            self.assertIn(b"dkim=fail (body hash did not verify)", content)
            (self.folder / "signed").write_bytes(signature + plain)
            (self.folder / "public").write_text(f"rsa._domainkey.example.test {record_of(self.folder, 'rsa')}\n")
            said = tepui("dkim", "verify", self.folder / "signed", "--keys", self.folder / "public")
            self.assertEqual((said.returncode, "dkim=pass" in said.stdout), (0, True), said.stdout + said.stderr)

    def test_a_large_message_is_verified_too(self):
        content = self.sent(self.signing(self.folder), lambda user: message(user, ("x \t y" * 14 + "\r\n") * 15_000))
        content = content[content.index(b"DKIM-Signature:"):]
        self.assertEqual(self.delivered(self.verifying(), content).count(b"dkim=pass"), 2)

    def test_check_compares_keys_with_the_dns(self):
        node = self.node(hop=HERE, tables={"[dns]": {"servers": [self.records.address]}, "[dkim]": {"key_table": f"{self.folder}/KeyTable", "signing_table": f"refile:{self.folder}/SigningTable"}})
        checked = tepui("dkim", "check", "--config", node.configuration)
        self.assertEqual((checked.returncode, checked.stdout.count("the DNS has this key")), (0, 2), checked.stdout + checked.stderr)
        name = "rsa._domainkey.example.test"
        self.records.records[name] = record_of(self.folder, "rsa").replace("p=MIIB", "p=MIIC")
        checked = tepui("dkim", "check", "--config", node.configuration)
        self.assertEqual((checked.returncode, f"{name}  FAILED: the DNS has another key" in checked.stdout), (1, True), checked.stdout)
