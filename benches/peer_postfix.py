"""Postfix from Debian's packages, started on loopback with folders and ports of its own: it takes mail for one domain by SMTP, queues it and
hands it to an LMTP server, as the platform's mailbox layer does. To be measured beside Tepui.

Plain on purpose: every recipient of the domain exists, nothing is looked up, no filter. Needs root. Ended by `postfix stop` on its own folder.
"""

import atexit
import os
import pwd
import shutil
import subprocess
import sys

import harness
from harness import eventually

MAIN = """
compatibility_level = 3.6
myhostname = bench.example.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = example.test
virtual_mailbox_maps = static:yes
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
alias_maps =
alias_database =
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
default_process_limit = 200
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = none
message_size_limit = 26214400
"""
MASTER = """
127.0.0.1:{smtp} inet n - n - - smtpd
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""


class Postfix:
    def __init__(self, lmtp):
        self.program = shutil.which("postfix", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if not self.program:
            sys.exit("Postfix is missing: apt-get install postfix")
        if os.geteuid() != 0:
            sys.exit("Postfix is started as root only")
        folder = harness.temporary_folder()
        os.chmod(folder, 0o755)
        self.settings = folder / "etc"
        for name in ("etc", "spool", "data"):
            (folder / name).mkdir()
        os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
        self.port = harness.free_port()
        (self.settings / "main.cf").write_text(MAIN.format(folder=folder, lmtp=lmtp))
        (self.settings / "master.cf").write_text(MASTER.format(smtp=self.port))
        harness.run(self.program, "-c", self.settings, "start")
        atexit.register(self.stop)
        self.pid = int((folder / "spool/pid/master.pid").read_text())
        eventually(lambda: not harness.is_free(self.port), "Postfix listens")

    def stop(self):
        atexit.unregister(self.stop)
        subprocess.run([self.program, "-c", self.settings, "stop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
