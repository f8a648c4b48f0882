"""mutt in batch mode: sends through submission, and reads from IMAP on a terminal that is none."""

import mailbox
import os
import pty
import select
import subprocess
import time

import messages
from harness import Case, eventually, run, shared_node

TERMINAL_PATIENCE = 30


class Mutt(Case):
    def setUp(self):
        self.server = shared_node()
        self.user, self.other = self.server.user(), self.server.user()
        self.home = self.server.folder / f"mutt-{self.user.address}"
        self.home.mkdir()
        login = self.user.address.replace("@", "%40")
        (self.home / "muttrc").write_text(f"""
set from={self.user.address} use_from=yes envelope_from=yes realname="Ana"
set smtp_url="smtp://{self.user.address}@127.0.0.1:{self.server.port('submission')}" smtp_pass={self.user.password}
set imap_user={self.user.address} imap_pass={self.user.password}
set ssl_starttls=yes ssl_force_tls=yes certificate_file={self.server.ca} ssl_verify_host=yes
set folder=imaps://{login}@127.0.0.1:{self.server.port('imaps')}/ record=+Sent
set mbox_type=mbox confirmappend=no confirmcreate=no quit=yes delete=yes move=no wait_key=no sleep_time=0 mail_check=1
""")

    def mutt(self, *arguments, **options):
        environment = os.environ | {"HOME": str(self.home), "TERM": "vt100"}
        return run("mutt", "-n", "-F", self.home / "muttrc", *arguments, env=environment, **options)

    def mutt_on_a_terminal(self, *arguments):
        """Runs mutt to its end with a terminal that nobody looks at."""
        outside, inside = pty.openpty()
        environment = os.environ | {"HOME": str(self.home), "TERM": "vt100", "LINES": "24", "COLUMNS": "80"}
        command = ["mutt", "-n", "-F", str(self.home / "muttrc"), *map(str, arguments)]
        process = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, env=environment, start_new_session=True)
        os.close(inside)
        shown, end = b"", time.monotonic() + TERMINAL_PATIENCE
        while process.poll() is None:
            if select.select([outside], [], [], 0.1)[0]:
                try:
                    shown += os.read(outside, 65536)
                except OSError:
                    break
            if time.monotonic() > end:
                process.kill()
                process.wait()
                self.fail(f"mutt does not end: {shown[-2000:]}")
        os.close(outside)
        self.assertEqual(process.wait(10), 0, shown[-2000:])

    def test_sends_with_an_attachment_and_files_a_copy_into_sent(self):
        attachment = self.home / "numbers.csv"
        attachment.write_text("1,2,3\n")
        self.mutt("-s", "From mutt", "-a", attachment, "--", self.other.address, input="The text.\n")
        eventually(lambda: self.other.messages(), "the message is there")
        received = self.server.content(self.other)[0]
        self.assertIn(b"filename=\"numbers.csv\"", received)
        self.assertIn(b"Subject: From mutt\r\n", received)
        filed = self.server.content(self.user, "Sent")
        self.assertEqual(len(filed), 1)
        self.assertIn(b"Subject: From mutt\r\n", filed[0])

    def test_reads_saves_and_deletes_a_message_on_the_server(self):
        self.server.deliver(self.user, messages.text("to be saved"), messages.text("to stay"))
        saved = self.home / "saved"
        inbox = f"imaps://127.0.0.1:{self.server.port('imaps')}/INBOX"
        keys = f"<first-entry><display-message><exit><save-message><kill-line>{saved}<enter><sync-mailbox><quit>"
        self.mutt_on_a_terminal("-f", inbox, "-e", f"push '{keys}'")
        subjects = [message["Subject"] for message in mailbox.mbox(saved)]
        self.assertEqual(subjects, ["to be saved"])
        left = self.server.content(self.user)
        self.assertEqual([messages.without_trace(message) for message in left], [messages.text("to stay")])
