"""A hundred generated names: the same home and the same quota as a real Dovecot gives them, asking the same directory."""

import base64
import random
import re
import unicodedata

import harness
from dovecot import Dovecot
from harness import Case
from slapd import Slapd

SEED = 1
COUNT = 100
USERS = "ou=usuarios,dc=domain01,dc=dom"

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZabc", "áéñüßøçÑÅŁΩжЯ", "日本語漢字한국어", "😀🎉e\u0301",
    "ab\"'`", "ab*?", "ab()&|!", "ab\\\\%$", "ab ", "ab.", "ab+-_=", "ab@", "ab,;<>#", "ab{}[]~^:",
]
# What went wrong somewhere, once.
FIXED = [
    "a", "A", "Ana.García", "O'Brien", "\"quoted\"", "*", "**", "a*b", "(", ")(", "a(b)c", "\\", "\\2a", "a\\", "a b", "a  b", "a.", ".a", "a..b", "a+b", "+", "ana@example.test",
    "ANA@Example.TEST", "@", "a@b@c", "%u", "%%", "%{ldap:info}", "$", "%$", "~", "-", "--help", "#a", "a,b", "ñ", "Ñ", "x" * 64, "ñ" * 100, "y" * 250, "a=b", "a:b", "..", ".", "a/b", "../a",
]
QUOTAS = ["1073741824", "0", "20480", "10M", "2G", "", "unlimited", "-1"]


# Dovecot takes these for rules that allow nothing, or for none, and the account cannot be used. Here the default rule stands in,
# with a warning, and such an account gets its mail; the test's node has no default.
MALFORMED = ["", "unlimited", "-1"]


def leads_out(name):
    """Dovecot gives homes outside of their folder. Here nobody has such a name."""
    return "/" in name or name in (".", "..")


def same_to_slapd(name):
    """Two names with one key would be two entries for one name."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def names():
    chance = random.Random(SEED)
    known = {}
    for name in FIXED:
        known.setdefault(same_to_slapd(name), name)
    while len(known) < COUNT:
        letters = chance.choice(ALPHABETS) + chance.choice(ALPHABETS)
        name = "".join(chance.choice(letters) for _ in range(chance.choice([1, 2, 3, 5, 8, 13, 21, 60])))
        if name.strip():
            known.setdefault(same_to_slapd(name), name)
    return list(known.values())


def entry(number, name, quota):
    encoded = base64.b64encode(name.encode()).decode()
    lines = [f"dn: cn=g{number:03},{USERS}", "objectClass: user", f"cn: g{number:03}", "sn: g", f"sAMAccountName:: {encoded}"]
    return "\n".join(lines + ([f"info: {quota}"] if quota else [])) + "\n"


def octets(rule):
    """What a quota rule of Dovecot allows; no limit is None."""
    number, unit = re.fullmatch(r"\*:bytes=(\d+)([bkMGT]?)", rule).groups()
    return int(number) * 1024 ** "bkMGT".index(unit or "b") or None


class Names(Case):
    @classmethod
    def setUpClass(cls):
        cls.people = [(name, QUOTAS[number % len(QUOTAS)]) for number, name in enumerate(names())]
        cls.slapd = Slapd("\n".join(entry(number, *person) for number, person in enumerate(cls.people)))
        cls.addClassCleanup(cls.slapd.end)
        cls.dovecot = Dovecot(cls.slapd.port)
        cls.addClassCleanup(cls.dovecot.end)
        # Only its configuration is wanted: the commands ask the directory themselves.
        cls.node = harness.Node(directory=cls.slapd.described(
            login_filter="(&(objectClass=user)(sAMAccountName=%u))",
            attributes="sAMAccountName=home=/var/vmail/%1M$/%2.1M$/%$,=quota_rule=*:bytes=%{ldap:info}",
        ))

    def ours(self, name):
        """Home and limit in octets, or None for nobody."""
        shown = harness.tepui("user", "show", "--config", self.node.configuration, "--", name)
        if shown.returncode != 0:
            return None
        rows = dict(re.match(r"(\S+) +(.*)", line).groups() for line in shown.stdout.splitlines())
        limit = re.match(r"(\d+) ", rows["storage"])
        return rows["home"], int(limit[1]) if limit else None

    def test_a_hundred_names_have_dovecots_home_and_quota(self):
        for name, quota in self.people:
            theirs = self.dovecot.user(name)
            self.assertEqual(theirs["quota_rule"], f"*:bytes={quota}", name)
            limit = None if quota in MALFORMED else octets(theirs["quota_rule"])
            self.assertEqual(self.ours(name), None if leads_out(name) else (theirs["home"], limit), name)
        self.assertEqual(len(self.people), COUNT)

    def test_a_name_in_other_case_is_the_same_account(self):
        for name, _ in self.people:
            typed = name.swapcase() if name.isascii() else name
            if not leads_out(name):
                self.assertEqual(self.ours(typed)[0], self.dovecot.user(typed)["home"], typed)
