"""Fills the database of a domain controller that does not run.

    /usr/bin/python3 domain_load.py SMB_CONF SAM_LDB LDIF MEMBERS FAILURES

A program of its own, because Samba's modules belong to the system's Python. Adds the platform's directory, accounts that Active
Directory refuses for a reason each, and a group of so many MEMBERS; after so many FAILURES an account is locked. All passwords
are PASSWORD, but for the ones that the LDIF file gives.
"""

import base64
import sys
from pathlib import Path

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

BASE = "dc=domain01,dc=dom"
PASSWORD = "P@ssw0rd"
# 1 January 2020, in tenths of microseconds since 1601.
LONG_AGO = "132223104000000000"
REFUSED = {
    "vencido": {"accountExpires": LONG_AGO},
    "nuevo": {"pwdLastSet": "0"},
    "apagado": {"userAccountControl": "514"},
    # Locked by the test, by wrong passwords.
    "bloqueado": {},
    # No hour of the week; no machine but one.
    "horario": {"logonHours": bytes(21)},
    "equipo": {"userWorkstations": "OTRO-EQUIPO"},
}
# Every kind of name somebody may log in with, each another one.
ANA = {
    "sAMAccountName": "agarcia", "userPrincipalName": "ana.garcia@domain01.dom", "mail": "ana@domain01.dom",
    "proxyAddresses": ["SMTP:ana@domain01.dom", "smtp:anita@domain02.dom"], "info": "1073741824",
}


def entries(path):
    """Yields (dn, attributes); the file has no folded lines."""
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        rows = [row(line) for line in block.splitlines() if line and not line.startswith("#")]
        if rows:
            yield rows[0][1], rows[1:]


def row(line):
    name, _, value = line.partition(":")
    return name, base64.b64decode(value[1:]).decode() if value.startswith(":") else value.strip()


def secret(password):
    return f'"{password}"'.encode("utf-16-le")


def add_platform(database, path):
    """Members come last: Active Directory refuses those who are not there yet."""
    members = []
    for dn, rows in entries(path):
        values = {}
        for name, value in rows:
            values.setdefault(name, []).append(value)
        kind = values.pop("objectClass")[-1]
        if kind == "dcObject":
            continue
        members += [(dn, member) for member in values.pop("member", [])]
        password = values.pop("userPassword", None)
        if password:
            values["unicodePwd"] = secret(password[0])
        database.add({"dn": dn, "objectClass": kind} | {name: values[name] for name in values if name not in ("cn", "ou")})
    for dn, member in members:
        add_member(database, dn, member)


def add_member(database, group, member):
    message = ldb.Message(ldb.Dn(database, group))
    message["member"] = ldb.MessageElement(member.encode(), ldb.FLAG_MOD_ADD, "member")
    database.modify(message)


def add_person(database, name, **attributes):
    fixed = {"dn": f"cn={name},ou=usuarios,{BASE}", "objectClass": "user", "unicodePwd": secret(PASSWORD)}
    database.add(fixed | {"sAMAccountName": name, "mail": f"{name}@domain01.dom", "userAccountControl": "512"} | attributes)


def add_many(database, members):
    names = [f"cn=m{number:04},ou=contactos,{BASE}" for number in range(members)]
    for number, name in enumerate(names):
        database.add({"dn": name, "objectClass": "contact", "mail": f"m{number:04}@domain01.dom"})
    group = {"dn": f"cn=muchos,ou=grupos,{BASE}", "objectClass": "group", "mail": "muchos@domain01.dom"}
    database.add(group | {"member": names})


def add_masters(database):
    """jefes > soporte > usuario03: a master user by a group in a group."""
    person = f"cn=Usuario Tres,ou=usuarios,{BASE}"
    database.add({"dn": f"cn=soporte,ou=grupos,{BASE}", "objectClass": "group", "member": person})
    database.add({"dn": f"cn=jefes,ou=grupos,{BASE}", "objectClass": "group", "member": f"cn=soporte,ou=grupos,{BASE}"})


def lock_after(database, failures):
    message = ldb.Message(ldb.Dn(database, BASE))
    message["lockoutThreshold"] = ldb.MessageElement(failures, ldb.FLAG_MOD_REPLACE, "lockoutThreshold")
    database.modify(message)


def main(configuration, sam, ldif, members, failures):
    parameters = LoadParm()
    parameters.load(configuration)
    database = SamDB(url=sam, session_info=system_session(), lp=parameters)
    database.transaction_start()
    # The platform's passwords are what they are.
    database.set_minPwdLength("1")
    add_platform(database, Path(ldif))
    add_person(database, "Ana García", **ANA)
    for name, attributes in REFUSED.items():
        add_person(database, name, **attributes)
    add_many(database, int(members))
    add_masters(database)
    lock_after(database, failures)
    database.transaction_commit()


main(*sys.argv[1:])
