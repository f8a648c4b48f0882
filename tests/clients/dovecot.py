"""A real Dovecot that is asked who somebody is: the platform's configuration (tests/peers), in a folder of its own."""

import getpass
import grp
import os
import socket
import subprocess

import harness
from harness import eventually
from slapd import tool

PEERS = harness.ROOT / "tests/peers"
# For a run that is not root's: everything belongs to one user, who cannot change a process's root.
AS_USER = """
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


class Dovecot:
    def __init__(self, ldap_port):
        self.folder = harness.temporary_folder()
        # Its processes are other users.
        self.folder.chmod(0o711)
        user, group = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
        as_user = "" if os.geteuid() == 0 else AS_USER.format(user=user, group=group)
        marks = {"@FOLDER@": self.folder, "@PORT@": ldap_port, "@AS_USER@": as_user}
        for name in ("dovecot.conf", "dovecot-ldap.conf.ext"):
            text = (PEERS / name).read_text()
            for mark, value in marks.items():
                text = text.replace(mark, str(value))
            (self.folder / name).write_text(text)
        self.configuration = self.folder / "dovecot.conf"
        self.socket = self.folder / "run/auth-userdb"
        command = [tool("dovecot", "dovecot-core dovecot-ldap"), "-F", "-c", self.configuration]
        with open(self.folder / "output.log", "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        eventually(self.answers, "dovecot listens")

    def answers(self):
        assert self.process.poll() is None, "dovecot ended:\n" + (self.folder / "output.log").read_text(errors="replace")
        return self.socket.exists()

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def log(self):
        return (self.folder / "dovecot.log").read_text(errors="replace")

    def user(self, name):
        """The fields of `doveadm user`, or None for nobody."""
        # To doveadm these are patterns, so it is asked for as doveadm itself asks.
        if "*" in name or "?" in name:
            return self.looked_up(name)
        asked = subprocess.run(["doveadm", "-c", self.configuration, "user", "--", name], capture_output=True, timeout=60)
        rows = [line.split("\t", 1) for line in asked.stdout.decode().splitlines() if "\t" in line]
        assert asked.returncode == 0 or b"doesn't exist" in asked.stderr, (name, asked, self.log())
        return {row[0]: row[1] for row in rows if row[0] != "field"} if asked.returncode == 0 else None

    def looked_up(self, name):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(harness.WAIT_PATIENCE)
            client.connect(str(self.socket))
            client.sendall(b"VERSION\t1\t1\n" + f"USER\t1\t{name}\tservice=doveadm\n".encode())
            for line in client.makefile(encoding="utf-8"):
                kind, *rest = line.rstrip("\n").split("\t")
                if kind in ("NOTFOUND", "FAIL"):
                    assert kind == "NOTFOUND", line
                    return None
                if kind == "USER":
                    return dict(field.partition("=")[::2] for field in rest[2:])
        raise AssertionError(f"dovecot says nothing about {name!r}")
