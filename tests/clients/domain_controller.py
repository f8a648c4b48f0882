"""A real Active Directory: a domain controller of Samba with the platform's directory in it.

Its ports cannot be chosen (389, 636), so it has an address of its own below 127.0.0.0/8, and root has to start it.
"""

import os
import random
import shutil
import socket
import subprocess
from pathlib import Path

import harness
from harness import eventually, run

DATA = harness.ROOT / "crates/directory/tests/data/directory"
BASE = "dc=domain01,dc=dom"
BIND_DN = "cn=correoapp,ou=mailapps,dc=domain01,dc=dom"
BIND_PASSWORD = "Pass2016Mail"
PASSWORD = "P@ssw0rd"
# More than the 1,500 members and the 1,000 entries that Active Directory gives at once.
MEMBERS = 1700
# Wrong passwords until an account is locked.
LOCKED_AFTER = 3

# By account name, principal name, address or alias.
PERSON = "(&(objectCategory=person)(objectClass=user)(|(sAMAccountName=%u)(userPrincipalName=%u)(mail=%u)(proxyAddresses=smtp:%u)))"
RECIPIENT = "(&(objectCategory=person)(objectClass=user)(|(mail=%s)(proxyAddresses=smtp:%s)))"
GROUP = "(&(objectClass=group)(mail=%s))"

# Seconds.
PROVISION_PATIENCE = 240
LDAP_PORT, LDAPS_PORT = 389, 636

# Only LDAP, only on one address of the loopback, everything in one folder. As in real life, a password that is not in TLS is
# refused ("ldap server require strong auth", whose default is "yes").
CONFIGURATION = """[global]
    netbios name = DC1
    realm = DOMAIN01.DOM
    workgroup = DOMAIN01
    server role = active directory domain controller
    server services = ldap
    interfaces = {host}/8
    bind interfaces only = yes
    private dir = {folder}/private
    lock directory = {folder}
    state directory = {folder}/state
    cache directory = {folder}/cache
    pid directory = {folder}/run
    binddns dir = {folder}/bind-dns
    ncalrpc dir = {folder}/ncalrpc
    ntp signd socket directory = {folder}/ntp
    winbindd socket directory = {folder}/winbindd
    log file = {folder}/samba.log
    logging = file
    tls certfile = {folder}/certificate.pem
    tls keyfile = {folder}/key.pem
    tls cafile = {folder}/ca.pem
    dns update command = /bin/true
    spn update command = /bin/true
    gpo update command = /bin/true
    load printers = no
"""


class DomainController:
    def __init__(self):
        assert os.geteuid() == 0, "a Samba domain controller can only be started by root"
        for name in ("samba", "samba-tool"):
            assert shutil.which(name), f"{name} is missing: install the Debian packages samba-ad-dc and samba-ad-provision"
        self.folder = harness.temporary_folder()
        self.host = free_host()
        self.configuration = self.folder / "smb.conf"
        self._provision()
        self._certify()
        self._load()
        self._start()

    def _provision(self):
        run("samba-tool", "domain", "provision", "--realm=DOMAIN01.DOM", "--domain=DOMAIN01", "--server-role=dc",
            "--use-rfc2307", "--dns-backend=NONE", "--adminpass=Adm1n.P@ss", "--host-name=dc1", f"--host-ip={self.host}",
            f"--targetdir={self.folder}", patience=PROVISION_PATIENCE)
        for name in ("run", "cache"):
            (self.folder / name).mkdir(exist_ok=True)
        self.configuration.write_text(CONFIGURATION.format(host=self.host, folder=self.folder))

    def _certify(self):
        """An authority of its own, and a certificate for the address."""
        ca, key = self.folder / "ca.pem", self.folder / "ca.key"
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"]
        run(*new, "-subj", "/CN=Domain CA", "-keyout", key, "-out", ca)
        run(*new, "-subj", "/CN=dc1.domain01.dom", "-CA", ca, "-CAkey", key, "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", f"subjectAltName=DNS:dc1.domain01.dom,IP:{self.host}",
            "-keyout", self.folder / "key.pem", "-out", self.folder / "certificate.pem")
        # Samba takes no key that others may read.
        (self.folder / "key.pem").chmod(0o600)

    def _load(self):
        load = Path(__file__).with_name("domain_load.py")
        run("/usr/bin/python3", load, self.configuration, self.folder / "private/sam.ldb", DATA / "directory.ldif",
            MEMBERS, LOCKED_AFTER, patience=PROVISION_PATIENCE)

    def _start(self):
        # In the foreground and in one process, so that its id is all that has to be ended.
        command = ["samba", "--foreground", "--no-process-group", "--model=single", f"--configfile={self.configuration}"]
        with open(self.folder / "output.log", "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        eventually(self._listens, "samba listens")

    def _listens(self):
        assert self.process.poll() is None, "samba ended:\n" + (self.folder / "output.log").read_text(errors="replace")
        try:
            for port in (LDAP_PORT, LDAPS_PORT):
                socket.create_connection((self.host, port), timeout=1).close()
        except OSError:
            return False
        return True

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def table(self, folder, **more):
        """The `[[ldap]]` that describes it."""
        password = folder / "ldap.password"
        password.write_text(BIND_PASSWORD + "\n")
        options = {
            "servers": [f"ldaps://{self.host}"], "ca_file": str(self.folder / "ca.pem"), "base": BASE, "bind_dn": BIND_DN,
            "bind_password_file": str(password), "login_filter": PERSON, "recipient_filter": RECIPIENT, "group_filter": GROUP,
            "attributes": f"sAMAccountName=home={folder}/mail/%1M$/%2.1M$/%$,=quota_rule=*:bytes=%{{ldap:info}}",
            # Its one process answers for all the members of a large group on a busy machine.
            "operation_timeout": "60s", "answer_timeout": "20s",
        }
        return harness.table("[[ldap]]", options | more)


def free_host():
    """An address of the loopback on which nobody serves LDAP."""
    for _ in range(100):
        host = f"127.77.{random.randrange(256)}.{random.randrange(1, 255)}"
        with socket.socket() as probe:
            try:
                probe.bind((host, LDAP_PORT))
                return host
            except OSError:
                continue
    raise RuntimeError("no address below 127.77.0.0/16 has port 389 free")
