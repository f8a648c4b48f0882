"""mbsync keeps a local copy and the server equal, in both directions."""

import messages
from harness import Case, run, shared_node


class Mbsync(Case):
    def setUp(self):
        self.server = shared_node()
        self.user = self.server.user()
        self.home = self.server.folder / f"mbsync-{self.user.address}"
        self.copy = self.home / "copy"
        self.copy.mkdir(parents=True)
        (self.home / "mbsyncrc").write_text(f"""
IMAPStore far
Host localhost
Port {self.server.port('imaps')}
User {self.user.address}
Pass {self.user.password}
SSLType IMAPS
CertificateFile {self.server.ca}

MaildirStore near
Path {self.copy}/
Inbox {self.copy}/INBOX
SubFolders Verbatim

Channel both
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")

    def sync(self):
        return run("mbsync", "--config", self.home / "mbsyncrc", "both")

    def local(self, mailbox="INBOX"):
        """Subject: flags, of the copy."""
        found = {}
        for file in [*(self.copy / mailbox / "cur").iterdir(), *(self.copy / mailbox / "new").iterdir()]:
            found[self.subject(file.read_bytes())] = "".join(sorted(set("DFRST") & set(file.name.partition(":2,")[2])))
        return found

    def remote(self, mailbox="INBOX"):
        """The same of the server's maildir."""
        place = "" if mailbox == "INBOX" else f".{mailbox}"
        files = self.user.messages(place)
        return {self.subject(file.read_bytes()): "".join(sorted(set("DFRST") & set(file.name.partition(":2,")[2]))) for file in files}

    @staticmethod
    def subject(message):
        return next(line for line in message.splitlines() if line.startswith(b"Subject: "))[9:].decode()

    def local_file(self, subject):
        files = [*(self.copy / "INBOX/cur").iterdir(), *(self.copy / "INBOX/new").iterdir()]
        return next(file for file in files if self.subject(file.read_bytes()) == subject)

    def assert_equal_sides(self, *mailboxes):
        for mailbox in mailboxes:
            self.assertEqual(self.local(mailbox), self.remote(mailbox), mailbox)

    def test_two_runs_carry_mail_flags_deletions_and_folders_both_ways(self):
        self.server.deliver(self.user, *(messages.text(f"far {n}") for n in range(4)))
        self.sync()
        self.assertEqual(self.local(), {f"far {n}": "" for n in range(4)})
        self.change_near()
        self.change_far()
        self.sync()
        self.assertEqual(self.remote(), {"far 1": "RS", "far 2": "F", "far 4": "", "near 1": "S"})
        self.assertEqual(self.remote("Projects"), {"in a new folder": "S"})
        self.assert_equal_sides("INBOX", "Projects", "Archive")
        self.sync()
        self.assert_equal_sides("INBOX", "Projects", "Archive")

    def change_near(self):
        """The reader answers one message, removes another, writes one, and makes a folder."""
        cur = self.copy / "INBOX/cur"
        answered, removed = self.local_file("far 1"), self.local_file("far 0")
        answered.rename(cur / (answered.name.partition(":")[0] + ":2,RS"))
        removed.rename(cur / (removed.name.partition(":")[0] + ":2,ST"))
        (cur / "1700000001.near.client:2,S").write_bytes(messages.text("near 1"))
        for folder in ["cur", "new", "tmp"]:
            (self.copy / "Projects" / folder).mkdir(parents=True)
        (self.copy / "Projects/cur/1700000002.near.client:2,S").write_bytes(messages.text("in a new folder"))

    def change_far(self):
        """Meanwhile another program flags one, removes one, gets one, and makes a folder."""
        client = self.server.imap(self.user, "INBOX")
        client.store("3", "+FLAGS", "\\Flagged")
        client.store("4", "+FLAGS", "\\Deleted")
        client.expunge()
        client.create("Archive")
        client.append("Archive", "\\Seen", None, messages.text("archived"))
        client.logout()
        self.server.deliver(self.user, messages.text("far 4"))

    def test_hundreds_of_messages_are_copied_whole(self):
        sent = [messages.text(f"many {n}", body=f"{n}\r\n" * (n % 50)) for n in range(300)]
        self.server.deliver(self.user, *sent)
        self.sync()
        copies = [file.read_bytes().replace(b"\r\n", b"\n") for file in (self.copy / "INBOX").glob("[nc]*/*")]
        whole = {messages.without_trace(self.without_tuid(copy).replace(b"\n", b"\r\n")) for copy in copies}
        self.assertEqual(whole, set(sent))

    @staticmethod
    def without_tuid(copy):
        """mbsync marks what it copies with a header field of its own."""
        return b"".join(line for line in copy.splitlines(keepends=True) if not line.startswith(b"X-TUID: "))
