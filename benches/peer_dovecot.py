"""Dovecot 2.3 from Debian's packages, started on loopback with a folder and ports of its own, to be measured beside Tepui.

Plain on purpose: no plugins, no script after the login, mail is synced as Tepui syncs it, and, unless its default is asked for, its
"high-performance" login processes, of which each serves many connections. So it is faster here than on the platform that Tepui replaces.
Needs root, as Dovecot's own processes want users of their own. Ended by the id of the process that was started.
"""

import atexit
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import harness
from harness import eventually

MAIL_USER = 5000
PASSWORD_FILE = """
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={folder}/mail/%n
}}
"""
LDAP = """
passdb {{
  driver = ldap
  args = {folder}/ldap.conf
}}
userdb {{
  driver = ldap
  args = {folder}/ldap.conf
}}
"""
CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
listen = 127.0.0.1
instance_name = tepui-bench
protocols = imap lmtp pop3
ssl = no
disable_plaintext_auth = no
auth_cache_size = {cache}
mail_location = maildir:~/maildir
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = 500
mail_fsync = {fsync}
mail_max_userip_connections = 20000
mmap_disable = {nfs}
mail_nfs_storage = {nfs}
mail_nfs_index = {nfs}
lmtp_save_to_detail_mailbox = no
{directory}
{sieve}
service imap-login {{
  {login_service}
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service imap {{
  process_limit = 20000
  {imap_service}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  process_min_avail = 4
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
service auth {{
  client_limit = 50000
}}
service anvil {{
  client_limit = 50000
}}
service stats {{
  client_limit = 50000
}}
default_vsz_limit = 2 G
"""

SIEVE = """
protocol lmtp {{
  mail_plugins = sieve
}}
plugin {{
  sieve = file:~/sieve;active=~/.dovecot.sieve
  sieve_default = {file}
}}
"""

# Dovecot's manual, "Login processes": its default is one process for each login; or few that serve many.
MODES = {
    "default": ("service_count = 1", "service_count = 1"),
    "fast": ("service_count = 0\n  process_min_avail = 2\n  client_limit = 20000", "service_count = 0\n  process_min_avail = 8"),
}


class Dovecot:
    """`users` are names with the tests' password; `slapd` is asked instead when there is one. `sieve` is everybody's script, compiled."""

    def __init__(self, users=(), slapd=None, sieve=None, cache="0", fsync="always", nfs="no", mode="fast"):
        program = shutil.which("dovecot", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if not program or not all(Path("/usr/lib/dovecot", part).exists() for part in ("imap", "lmtp", "pop3")):
            sys.exit("Dovecot is missing: apt-get install dovecot-core dovecot-imapd dovecot-lmtpd dovecot-pop3d dovecot-ldap")
        if os.geteuid() != 0:
            sys.exit("Dovecot is started as root only")
        self.folder = harness.temporary_folder()
        os.chmod(self.folder, 0o755)
        self.ports = {name: harness.free_port() for name in ("imap", "lmtp", "pop3")}
        mail = self.folder / "mail"
        mail.mkdir()
        os.chown(mail, MAIL_USER, MAIL_USER)
        self.write_directory(users, slapd)
        directory = (LDAP if slapd else PASSWORD_FILE).format(folder=self.folder, uid=MAIL_USER)
        text = CONFIGURATION.format(folder=self.folder, uid=MAIL_USER, directory=directory, cache=cache, fsync=fsync, nfs=nfs, sieve=SIEVE.format(file=sieve) if sieve else "",
                                    login_service=MODES[mode][0], imap_service=MODES[mode][1], **self.ports)
        (self.folder / "dovecot.conf").write_text(text)
        self.program = program
        if sieve:
            subprocess.run(["sievec", "-c", self.folder / "dovecot.conf", sieve], check=True)
        self.start()
        atexit.register(self.stop)

    def start(self):
        self.process = subprocess.Popen([self.program, "-F", "-c", self.folder / "dovecot.conf"], stdin=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        eventually(lambda: not any(map(harness.is_free, self.ports.values())), "Dovecot listens")

    def write_directory(self, users, slapd):
        (self.folder / "users").write_text("".join(f"{name}:{harness.PASSWORD}\n" for name in users))
        if not slapd:
            return
        import slapd as platform
        home = f"sAMAccountName=home={self.folder}/mail/%1M$/%2.1M$/%$"
        (self.folder / "ldap.conf").write_text(
            f"uris = {slapd.url}\ndn = {platform.BIND_DN}\ndnpass = {platform.BIND_PASSWORD}\nldap_version = 3\nbase = {platform.BASE}\n"
            f"auth_bind = yes\nuser_attrs = {home},=quota_rule=*:bytes=%{{ldap:info}}\n"
            f"pass_filter = {platform.PERSON}\nuser_filter = {platform.PERSON}\n")

    @property
    def pid(self):
        return self.process.pid

    def port(self, name):
        return self.ports[name]

    def log(self):
        log = self.folder / "dovecot.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
