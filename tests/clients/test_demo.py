"""`tepui demo`: what a person sees who tries Tepui for the first time."""

import contextlib
import os
import re
import shutil
import signal
import socket

import harness
from harness import Case, Process

STEPS = ["submission", "queue", "delivery"]


def demo(base=None, prefix=(), folder=None):
    folder = folder or harness.temporary_folder()
    base = base or harness.free_base()
    process = Process(folder, ["demo", "--dir", folder / "demo", "--base-port", base], "It runs.", prefix)
    process.base = base
    return process


class Demo(Case):
    @classmethod
    def setUpClass(cls):
        cls.demo = demo().start()
        cls.said = cls.demo.log()

    @classmethod
    def tearDownClass(cls):
        if cls.demo in Process.running:
            cls.demo.kill()

    def test_the_first_message_is_told_step_by_step_under_one_trace_id(self):
        steps = re.findall(r"^ +[\d.]+ ms +(\w+) .*trace=(\S+)", self.said, re.MULTILINE)
        rooms = [room for room, _ in steps]
        # The mailbox has the message before the delivery hears so: these two steps may be told in either order.
        self.assertEqual(rooms[:3], STEPS)
        self.assertEqual(sorted(rooms[3:]), ["delivery", "mailbox"])
        self.assertEqual(len({trace for _, trace in steps}), 1, steps)

    def test_the_table_tells_what_listens_where_and_it_does(self):
        for offset in harness.OFFSETS.values():
            port = self.demo.base + offset
            self.assertIn(f"127.0.0.1:{port}", self.said)
            socket.create_connection(("127.0.0.1", port), timeout=5).close()

    def test_the_line_for_curl_works_as_printed(self):
        line = re.search(r"^curl +(curl .*)$", self.said, re.MULTILINE).group(1)
        fetched = harness.run("sh", "-c", line)
        self.assertIn("Subject: The first mail", fetched.stdout)

    def test_the_line_for_mbsync_works_as_printed(self):
        line = re.search(r"^mbsync +(mkdir .*)$", self.said, re.MULTILINE).group(1)
        harness.run("sh", "-c", line, cwd=self.demo.folder)
        copies = list((self.demo.folder / "demo/mbsync/INBOX").glob("*/*"))
        self.assertTrue(any(b"The first mail" in copy.read_bytes() for copy in copies if copy.is_file()), copies)

    def test_thunderbird_is_told_its_two_ports(self):
        line = re.search(r"^Thunderbird.*$", self.said, re.MULTILINE).group()
        self.assertIn(str(self.demo.base + 993), line)
        self.assertIn(str(self.demo.base + 465), line)

    def test_a_taken_port_is_an_error_that_names_it(self):
        other = demo(base=self.demo.base)
        other.ready = None
        self.own(other.start())
        self.assertEqual(other.wait(), 1)
        self.assertIn(f"127.0.0.1:{self.demo.base + 587}", other.log())

    def test_without_a_base_port_it_finds_ports_that_are_free(self):
        with socket.socket() as other:
            # Taken by us, or by somebody before us.
            with contextlib.suppress(OSError):
                other.bind(("127.0.0.1", 2993))
                other.listen()
            folder = harness.temporary_folder()
            found = self.own(Process(folder, ["demo", "--dir", folder / "demo"], "It runs.")).start()
        said = found.log()
        self.assertRegex(said, r"127\.0\.0\.1:2\d{3} \(\w+\): another program listens there already; counting ports from 3000")
        base = int(re.search(r"127\.0\.0\.1:(\d+) +implicit +the same", said).group(1)) - harness.OFFSETS["submissions"]
        self.assertGreaterEqual(base, 3000)
        socket.create_connection(("127.0.0.1", base + harness.OFFSETS["imap"]), timeout=5).close()

    def test_a_base_port_beyond_the_last_port_is_refused(self):
        refused = harness.tepui("demo", "--base-port", 65_000)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("base-port", refused.stderr)


class DemoAgain(Case):
    def test_ctrl_c_stops_it_and_a_second_start_serves_the_same_mail(self):
        first = self.own(demo()).start()
        mail = first.folder / "demo/mail/example.test/bob/maildir"
        before = {path.name.split(":")[0] for path in mail.glob("[nc]*/*")}
        self.assertEqual(len(before), 1)
        self.assertEqual(first.stop(signal.SIGINT, patience=15), 0)
        self.assertNotIn("had to be cut", first.log())
        second = self.own(demo(first.base, folder=first.folder)).start()
        after = {path.name.split(":")[0] for path in mail.glob("[nc]*/*")}
        self.assertLessEqual(before, after)
        self.assertEqual(second.stop(signal.SIGINT, patience=15), 0)

    def test_no_root_is_needed(self):
        if os.geteuid() != 0:
            self.own(demo()).start()
            return
        folder = harness.temporary_folder()
        # The build's folder may be closed to others.
        binary = shutil.copy(harness.BINARY, folder / "tepui")
        os.chmod(folder, 0o755)
        home = folder / "home"
        home.mkdir()
        shutil.chown(home, "nobody", "nogroup")
        nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", f"HOME={home}"]
        process = demo(folder=home)
        process.log_file = folder / "process.log"
        process.binary = binary
        process.prefix = nobody
        self.own(process).start()
        self.assertEqual((home / "demo").stat().st_uid, home.stat().st_uid)
