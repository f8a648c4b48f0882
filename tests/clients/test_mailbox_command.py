"""`tepui mailbox` and `tepui backup` work on the mail of a running node."""

import json
import mailbox as maildirs
import shutil
import tarfile

import harness
import messages
from harness import Case, tepui


class MailboxCommand(Case):
    def setUp(self):
        self.server = self.node()
        self.ana = self.server.user()
        self.server.deliver(self.ana, messages.of_size("one", 2000), messages.of_size("two", 3000))
        client = self.server.imap(self.ana)
        client.select("INBOX")
        client.store("2", "+FLAGS", r"(\Seen work)")
        client.create("Projects/2026")
        client.copy("1", "Projects/2026")
        client.logout()

    def command(self, *arguments, check=True, of="mailbox"):
        result = tepui(of, "--config", self.server.configuration, *arguments)
        if check:
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result

    def state(self, name):
        client = self.server.imap(self.ana)
        client.select(f'"{name}"', readonly=True)
        _, data = client.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")
        validity = client.untagged_responses["UIDVALIDITY"]
        client.logout()
        found = [(item[0].split(b" (", 1)[1].replace(rb"\Recent", b"").replace(b"( ", b"("), item[1]) for item in data if isinstance(item, tuple)]
        return validity, found

    def test_list_and_status_tell_what_imap_tells(self):
        address = self.ana.address
        listed = {row["name"]: row for row in json.loads(self.command("list", address, "--json").stdout)}
        self.assertTrue(listed["INBOX"]["subscribed"])
        self.assertFalse(listed["Projects"]["selectable"])
        self.assertEqual(listed["Sent"]["special_use"], r"\Sent")
        self.assertIn("Projects/2026", self.command("list", address).stdout)
        rows = {row["name"]: row for row in json.loads(self.command("status", address, "--json").stdout)}
        self.assertEqual((rows["INBOX"]["messages"], rows["INBOX"]["unseen"], rows["INBOX"]["uid_next"]), (2, 1, 3))
        self.assertIn("Projects/2026", self.command("status", address, "Projects/2026").stdout)

    def test_changes_are_seen_over_imap(self):
        address = self.ana.address
        self.command("create", address, "Años/x", "--subscribe", "--special-use", "Archive")
        self.command("rename", address, "Projects", "Work")
        self.command("subscribe", address, "Work/2026")
        self.command("unsubscribe", address, "Años/x")
        client = self.server.imap(self.ana)
        everything = b"\n".join(client.list()[1])
        subscribed = b"\n".join(client.lsub()[1])
        client.logout()
        self.assertIn(b"A&APE-os/x", everything)
        self.assertIn(b"Work/2026", everything)
        self.assertIn(b"Work/2026", subscribed)
        self.assertNotIn(b"A&APE-os/x", subscribed)
        refused = self.command("delete", address, "Work/2026", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("--with-messages", refused.stderr)
        self.command("delete", address, "Work/2026", "--with-messages")
        self.assertNotIn("Work", self.command("list", address).stdout)

    def test_mistakes_are_told(self):
        for arguments, code in [
            (("list", "nobody@example.test"), 1),
            (("create", self.ana.address, "INBOX"), 1),
            (("create", self.ana.address, "a//b"), 2),
            (("rename", self.ana.address, "None", "Some"), 1),
            (("verify",), 2),
        ]:
            refused = self.command(*arguments, check=False)
            self.assertEqual(refused.returncode, code, (arguments, refused.stderr))
            self.assertTrue(refused.stderr)

    def test_verify_finds_damage_and_repair_keeps_every_message_and_uid(self):
        self.command("verify", self.ana.address)
        before = self.state("INBOX")
        uidlist = self.ana.maildir / "dovecot-uidlist"
        uidlist.write_text(uidlist.read_text() + "junk\n")
        refused = self.command("verify", self.ana.address, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("lines that make no sense", refused.stdout)
        self.assertIn("mended damage", self.command("verify", self.ana.address, "--repair").stdout)
        self.command("verify", self.ana.address)
        self.assertEqual(self.state("INBOX"), before)
        self.assertIn("read anew", self.command("reindex", self.ana.address).stdout)
        self.assertEqual(self.state("INBOX"), before)

    def messages_of(self, kind, target):
        """How many another program finds."""
        if kind == "tar":
            with tarfile.open(target) as archive:
                return sum(entry.name.startswith("cur/") and entry.isfile() for entry in archive)
        return len(maildirs.mbox(target) if kind == "mbox" else maildirs.Maildir(target))

    def test_a_mailbox_goes_out_and_comes_in_again_once(self):
        address, folder = self.ana.address, self.server.folder
        _, before = self.state("INBOX")
        for kind, target in [("mbox", folder / "out.mbox"), ("maildir", folder / "out"), ("tar", folder / "out.tar")]:
            told = self.command("export", address, "INBOX", str(target), "--format", kind).stdout
            self.assertIn("2 messages", told)
            self.assertEqual(self.messages_of(kind, target), 2)
            came = self.command("import", address, f"In-{kind}", str(target), "--format", kind, "--create").stdout
            self.assertIn("2 messages taken in, 0 were there already", came)
            again = self.command("import", address, f"In-{kind}", str(target), "--format", kind).stdout
            self.assertIn("0 messages taken in, 2 were there already", again)
            self.assertEqual(self.state(f"In-{kind}")[1], before)
        refused = self.command("export", address, "INBOX", str(folder / "out.mbox"), check=False)
        self.assertEqual(refused.returncode, 1)

    def test_a_backup_of_a_live_account_brings_back_uids_and_flags(self):
        address, place = self.ana.address, str(self.server.folder / "backups")
        before = {name: self.state(name) for name in ["INBOX", "Projects/2026"]}
        self.command("create", "--to", place, address, of="backup")
        self.server.deliver(self.ana, messages.of_size("later", 2500))
        self.assertIn("1 of them new", self.command("create", "--to", place, address, of="backup").stdout)
        self.command("verify", "--to", place, address, of="backup")
        listed = json.loads(self.command("list", "--to", place, address, "--json", of="backup").stdout)
        self.assertEqual([row["messages"] for row in listed], [3, 4])
        self.command("delete", address, "Projects/2026", "--with-messages")
        first = listed[0]["id"]
        self.command("restore", "--to", place, address, "--mailbox", "Projects/2026", "--id", first, of="backup")
        self.assertEqual(self.state("Projects/2026"), before["Projects/2026"])
        # All is lost, and comes back under the same UIDs.
        self.server.stop()
        shutil.rmtree(self.ana.maildir.parent)
        self.command("restore", "--to", place, address, "--id", first, of="backup")
        self.server.start()
        self.assertEqual({name: self.state(name) for name in before}, before)
        self.command("verify", address)

    def test_damage_in_a_backup_is_told(self):
        place = self.server.folder / "backups"
        self.command("create", "--to", str(place), self.ana.address, of="backup")
        blob = max((path for path in place.glob("blobs/*/*")), key=lambda path: path.stat().st_size)
        blob.write_bytes(b"x" + blob.read_bytes()[1:])
        refused = self.command("verify", "--to", str(place), self.ana.address, check=False, of="backup")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("missing or changed", refused.stdout)

    def test_all_accounts_are_backed_up_and_old_backups_go(self):
        place = str(self.server.folder / "backups")
        created = self.command("create", "--to", place, "--all", of="backup").stdout.splitlines()
        self.assertRegex(created[1], rf"^{self.ana.address} +\d+ +3 +\d+ ")
        self.assertRegex(created[-1], r"^1 accounts with 3 messages, .* 0 not wholly read, \d+ without mail, 0 failed$")
        client = self.server.imap(self.ana)
        client.select("INBOX")
        client.store("2", "+FLAGS", r"(\Deleted)")
        client.expunge()
        client.logout()
        row = json.loads(self.command("create", "--to", place, self.ana.address, "--json", of="backup").stdout)
        self.assertEqual((row["account"], row["messages"], row["missing"]), (self.ana.address, 2, []))
        self.assertEqual(self.command("prune", "--to", place, check=False, of="backup").returncode, 2)
        prune = lambda *more: self.command("prune", "--to", place, "--keep-last", "1", *more, of="backup").stdout
        would = json.loads(prune("--dry-run", "--json"))
        self.assertEqual([len(would["accounts"][0][what]) for what in ("kept", "removed")], [1, 1])
        listed = lambda: json.loads(self.command("list", "--to", place, self.ana.address, "--json", of="backup").stdout)
        self.assertEqual(len(listed()), 2)
        # The message and the list of INBOX that only the first backup needs.
        self.assertIn(f"{would['contents']} contents removed", prune())
        self.assertGreaterEqual(would["contents"], 1)
        self.assertEqual([row["id"] for row in listed()], [row["id"]])
        self.command("verify", "--to", place, self.ana.address, of="backup")
