"""A real slapd with the platform's directory: Active Directory's attributes, the users and groups of the original."""

import copy
import os
import shutil
import signal
import socket
import subprocess

import harness
from harness import eventually

DATA = harness.ROOT / "crates/directory/tests/data/directory"
BASE = "dc=domain01,dc=dom"
BIND_DN = "cn=correoapp,ou=mailapps,dc=domain01,dc=dom"
BIND_PASSWORD = "Pass2016Mail"
USER_PASSWORD = "P@ssw0rd"

# As the platform's own files have them: dovecot-ldap-mycompany.conf.ext and the Postfix maps.
PERSON = "(|(&(sAMAccountName=%n)(mail=%n@domain01.dom))(&(sAMAccountName=%n)(mail=%n@domain02.dom)))"
RECIPIENT = "(|(&(objectClass=person)(mail=%s)(mail=*@domain01.dom))(&(objectClass=person)(mail=%s)(mail=*@domain02.dom)))"
GROUP = "(|(&(objectClass=group)(mail=%s)(mail=*@domain01.dom))(&(objectClass=group)(mail=%s)(mail=*@domain02.dom)))"


class Slapd:
    """Started on loopback, on a port and in a folder of its own."""

    def __init__(self, more=""):
        """`more` are entries beside the platform's, in LDIF."""
        self.folder, self.options = harness.temporary_folder(), {}
        self.port = harness.free_port()
        (self.folder / "db").mkdir()
        configuration = self.folder / "slapd.conf"
        text = (DATA / "slapd.conf").read_text()
        for mark, value in {"@DATA@": DATA, "@FOLDER@": self.folder, "@TLS@": ""}.items():
            text = text.replace(mark, str(value))
        configuration.write_text(text)
        entries = self.folder / "all.ldif"
        entries.write_text((DATA / "directory.ldif").read_text() + "\n\n" + more)
        subprocess.run([tool("slapadd"), "-q", "-f", configuration, "-l", entries], check=True, timeout=60)
        self.url = f"ldap://127.0.0.1:{self.port}"
        command = [tool("slapd"), "-d", "0", "-h", self.url + "/", "-f", configuration]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self.listens, "slapd listens")

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def freeze(self):
        """It keeps its connections and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.process.kill()
        self.process.wait()

    def described(self, **options):
        """The same directory, for a node that describes it in another way."""
        other = copy.copy(self)
        other.options = options
        return other

    def table(self, folder, **more):
        """The `[[ldap]]` that describes it."""
        password = folder / "ldap.password"
        password.write_text(BIND_PASSWORD + "\n")
        options = {
            "servers": [self.url], "base": BASE, "bind_dn": BIND_DN, "bind_password_file": str(password),
            "login_filter": PERSON, "recipient_filter": RECIPIENT, "group_filter": GROUP,
            "attributes": f"sAMAccountName=home={folder}/mail/%1M$/%2.1M$/%$,=quota_rule=*:bytes=%{{ldap:info}}",
            "operation_timeout": "3s", "answer_timeout": "1s",
        }
        options |= self.options | more
        in_folder = {key: value.replace("@FOLDER@", str(folder)) if isinstance(value, str) else value for key, value in options.items()}
        return harness.table("[[ldap]]", in_folder)


def tool(name, packages="slapd ldap-utils"):
    """A server's programs lie where an ordinary user's path does not lead."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    assert found, f"{name} is missing: install the Debian packages {packages}"
    return found
