"""The two SMTP layers of the platform, played by tepui with `tests/peers/tepui-*.toml` in front of a real slapd."""

import harness
from slapd import Slapd

PEERS = harness.ROOT / "tests/peers"

# Of the outgoing layer: saslauthd's filter, and its map of relay recipients, in which groups are entries like people.
OUTGOING = {
    "login_filter": "(sAMAccountName=%n)",
    "recipient_filter": "(|(&(mail=%s)(mail=*@domain01.dom))(&(mail=%s)(mail=*@domain02.dom)))",
    "attributes": "sAMAccountName=home=@FOLDER@/mail/%$",
}


class Platform:
    def __init__(self):
        self.slapd = Slapd()
        nowhere = harness.free_port()
        self.processes = []
        self.delivery = self._node("delivery", nowhere, self.slapd)
        self.outgoing = self._node("outgoing", self.delivery, self.slapd.described(**OUTGOING))

    def _node(self, name, next_hop, directory):
        """Starts a layer, and gives its port."""
        folder, port = harness.temporary_folder(), harness.free_port()
        text = (PEERS / f"tepui-{name}.toml").read_text()
        for mark, value in {"@PORT@": port, "@NEXT@": next_hop, "@LDAP@": directory.table(folder)}.items():
            text = text.replace(mark, str(value))
        (folder / "tepui.toml").write_text(text)
        self.processes.append(harness.Process(folder, ["serve", "--config", folder / "tepui.toml"], " started ").start())
        return port

    def end(self):
        for process in self.processes:
            process.kill()
        self.slapd.end()
