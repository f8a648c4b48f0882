"""A real Kerberos: MIT's key distribution centre on loopback, for two realms of which one trusts the other, and the clients' tickets."""

import os
import shutil
import subprocess

import harness
from harness import eventually, run
from slapd import tool

REALM, OTHER_REALM = "EXAMPLE.TEST", "OTHER.TEST"
HOST = "mail.example.test"
SERVICES = ("imap", "pop", "smtp")
PASSWORD = "ticket-office-42"
PACKAGES = "krb5-kdc krb5-admin-server krb5-user"

# Nobody is asked about names, and a clock that is wrong by more than a second is wrong: tests wait for the end of tickets.
CLIENTS = """[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
    clockskew = 1
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
    {other} = {{
        kdc = 127.0.0.1:{port}
    }}
[domain_realm]
    .example.test = {realm}
"""
SERVER = """[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {realm} = {{
        database_name = {folder}/{realm}
        key_stash_file = {folder}/{realm}.stash
    }}
    {other} = {{
        database_name = {folder}/{other}
        key_stash_file = {folder}/{other}.stash
    }}
[logging]
    kdc = FILE:{folder}/kdc.log
"""


class Kdc:
    """`users` are principals of REALM; `stranger` is one of the other realm."""

    def __init__(self, users):
        self.folder, self.port = harness.temporary_folder(), harness.free_port()
        names = {"folder": self.folder, "port": self.port, "realm": REALM, "other": OTHER_REALM}
        (self.folder / "krb5.conf").write_text(CLIENTS.format(**names))
        (self.folder / "kdc.conf").write_text(SERVER.format(**names))
        for realm in (REALM, OTHER_REALM):
            self._run("kdb5_util", "-r", realm, "create", "-s", "-P", "master")
        for user in users:
            self._admin(REALM, f"addprinc -pw {PASSWORD} {user}")
        self._admin(OTHER_REALM, f"addprinc -pw {PASSWORD} stranger")
        for realm in (REALM, OTHER_REALM):
            self._admin(realm, f"addprinc -pw trust krbtgt/{REALM}@{OTHER_REALM}")
        for service in SERVICES:
            self._admin(REALM, f"addprinc -randkey {service}/{HOST}")
            self._admin(REALM, f"ktadd -k {self.keytab} {service}/{HOST}")
        command = [tool("krb5kdc", PACKAGES), "-n", "-r", REALM, "-r", OTHER_REALM]
        self.process = subprocess.Popen(command, env=self.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: not harness.is_free(self.port), "the key distribution centre listens")

    @property
    def keytab(self):
        return self.folder / "keytab"

    def environment(self, cache="none"):
        """What programs need to find it, and a user's tickets."""
        return os.environ | {"KRB5_CONFIG": str(self.folder / "krb5.conf"), "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
                             "KRB5CCNAME": f"FILE:{self.folder / cache}", "KRB5RCACHENAME": "dfl:", "KRB5RCACHEDIR": str(self.folder)}

    def _run(self, name, *arguments):
        return run(tool(name, PACKAGES), *arguments, env=self.environment())

    def _admin(self, realm, query):
        said = self._run("kadmin.local", "-r", realm, "-q", query)
        assert "kadmin.local:" not in said.stderr, said.stderr

    def ticket(self, user, realm=REALM, lifetime="10m"):
        """Logs a user in. Gives the environment that has the ticket."""
        environment = self.environment(cache=f"{user}-{realm}-{lifetime}".replace("/", "-"))
        run(shutil.which("kinit") or PACKAGES, "-l", lifetime, f"{user}@{realm}", env=environment, input=PASSWORD + "\n")
        return environment

    def token(self, environment, service="imap"):
        """What a client that has such a ticket says first, in base64."""
        said = run("gsasl", "--client", "--mechanism", "GSSAPI", "--service", service, "--hostname", HOST, "--authentication-id", "",
                   "--authorization-id", "", "--quiet", env=environment, input="", check=False, patience=20)
        tokens = [line for line in said.stdout.splitlines() if len(line) > 200]
        assert tokens, said.stdout + said.stderr
        return tokens[0]

    def is_over(self, environment):
        """Whether the tickets' time is over."""
        return run("klist", "-s", env=environment, check=False).returncode != 0

    def end(self):
        self.process.kill()
        self.process.wait()
