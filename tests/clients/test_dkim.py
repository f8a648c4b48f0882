"""Messages are signed by OpenDKIM's own tables; OpenDKIM and dkimpy verify them."""

import os
import stat

import harness
from harness import HERE, Case, eventually, run, tepui
from slapd import tool

try:
    import dkim
except ImportError:
    dkim = None

SUBJECT = "Subject:   a  subject\r\n folded\r\n"
BODY = "line one  \r\n\t two\r\n\r\n..dots\r\n\r\n\r\n"


def message(user, body=BODY):
    return f"From: Ana <{user.address}>\r\nTo: bob@elsewhere.test\r\n{SUBJECT}Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\n{body}"


def record_of(folder, selector):
    """The text of the DNS record, out of the strings of the zone's line."""
    return "".join((folder / f"{selector}.txt").read_text().split('"')[1::2])


class Dkim(Case):
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

    def assert_verified(self, folder, content):
        """OpenDKIM, with the keys out of a file, and dkimpy."""
        if dkim is not None:
            dnsfunc = lambda name, timeout=5: record_of(folder, name.decode().split(".")[0]).encode()
            for index in range(content.count(b"DKIM-Signature:")):
                self.assertTrue(dkim.DKIM(content).verify(idx=index, dnsfunc=dnsfunc), f"signature {index}")
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
