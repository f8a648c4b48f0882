"""A real clamd whose only virus is the harmless EICAR test string."""

import signal
import socket
import subprocess

import harness
from harness import eventually
from slapd import tool

# In two parts: a scanner that looks at this very file finds nothing.
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
# What clamd calls a signature that did not come from its makers.
NAME = "Eicar-Test-Signature.UNOFFICIAL"

CONFIGURATION = """
Foreground yes
DatabaseDirectory {folder}/db
TemporaryDirectory {folder}/tmp
LogFile {folder}/clamd.log
LocalSocket {folder}/clamd.sock
TCPSocket {port}
TCPAddr 127.0.0.1
StreamMaxLength 2M
"""


class Clamd:
    """Started on loopback, on a port and in a folder of its own."""

    def __init__(self):
        self.folder, self.port = harness.temporary_folder(), harness.free_port()
        for name in ("db", "tmp"):
            (self.folder / name).mkdir()
        (self.folder / "db/test.ndb").write_text(f"Eicar-Test-Signature:0:*:{EICAR.encode().hex()}\n")
        configuration = self.folder / "clamd.conf"
        configuration.write_text(CONFIGURATION.format(folder=self.folder, port=self.port))
        command = [tool("clamd", "clamav-daemon"), "--config-file", configuration]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self.answers, "clamd answers", patience=60)

    @property
    def tcp(self):
        return f"127.0.0.1:{self.port}"

    @property
    def unix(self):
        return f"unix:{self.folder}/clamd.sock"

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"zPING\0")
                return connection.recv(16) == b"PONG\0"
        except OSError:
            return False

    def freeze(self):
        """It takes connections and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def end(self):
        self.process.kill()
        self.process.wait()
