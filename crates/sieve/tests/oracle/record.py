#!/usr/bin/env python3
"""Asks Pigeonhole (Debian's dovecot-sieve) what it says of each script in scripts.txt and writes its answers there.

    ./record.py          as root: sieve-test wants to run as somebody, and becomes nobody

A case of scripts.txt:

    === NAME
    the script
    --- sievec
    accepted | refused LINE…            the lines that it finds errors in, each once
    --- sieve-test                      only if accepted: what it does with message.eml, an action a line
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# What the message comes with; ../oracle.rs says the same.
ENVELOPE = ["-f", "ana@bounces.test", "-a", "bob+work@house.test", "-r", "bob@house.test"]
# Off by default in Pigeonhole, on in ours.
EXTENSIONS = "+vacation-seconds +spamtest +spamtestplus +virustest +editheader +mboxmetadata +servermetadata +special-use"


def main():
    path = os.path.join(HERE, "scripts.txt")
    with open(path, encoding="utf-8", newline="") as file:
        cases = read(file.read())
    work = tempfile.mkdtemp(prefix="sieve-oracle-")
    try:
        os.chmod(work, 0o777)
        prepare(work)
        answers = "".join(case(work, name, script) for name, script in cases)
    finally:
        shutil.rmtree(work)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(answers)
    print(f"{len(cases)} scripts")


def read(text):
    cases = []
    for block in re.split(r"^=== ", text, flags=re.M)[1:]:
        name, _, rest = block.partition("\n")
        cases.append((name.strip(), rest.split("--- sievec\n")[0]))
    return cases


def prepare(work):
    with open(os.path.join(work, "dovecot.conf"), "w", encoding="utf-8", newline="") as file:
        file.write(f"mail_location = maildir:{work}/mail\nbase_dir = {work}/run\nlog_path = /dev/stderr\nssl = no\n")
        file.write(f"plugin {{\n  sieve_extensions = {EXTENSIONS}\n}}\n")
    shutil.copy(os.path.join(HERE, "message.eml"), work)


def case(work, name, script):
    path = os.path.join(work, "script.sieve")
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(script)
    os.chmod(path, 0o644)
    config = ["-c", os.path.join(work, "dovecot.conf")]
    asked = run(["sievec", *config, path, os.path.join(work, "out.svbin")], work)
    lines = sorted({int(line) for line in re.findall(r": line (\d+): error:", asked.stderr)})
    answer = "accepted\n" if asked.returncode == 0 else "refused " + " ".join(map(str, lines)) + "\n"
    text = f"=== {name}\n{script}--- sievec\n{answer}"
    if asked.returncode == 0:
        tested = run(["sieve-test", *config, *ENVELOPE, path, os.path.join(work, "message.eml")], work)
        text += "--- sieve-test\n" + "".join(line + "\n" for line in actions(tested.stdout + tested.stderr))
    return text


def run(command, work):
    become = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    environment = {**os.environ, "HOME": work, "USER": "nobody"}
    return subprocess.run([*become, *command], env=environment, capture_output=True, text=True, timeout=60, check=False)


def actions(output):
    """`store FOLDER (flags)`, `redirect ADDRESS`, `discard`, `reject`, `vacation`, `notify`; the implicit keep last."""
    found = []
    for line in output.splitlines():
        if match := re.match(r" \* store message in folder: (.*)", line):
            found.append("store " + match[1])
        elif match := re.match(r" \* redirect message to: <(.*)>", line):
            found.append("redirect " + match[1])
        elif match := re.match(r" \* (discard|reject|send vacation|send notification)", line):
            found.append(match[1].removeprefix("send ").replace("notification", "notify"))
        elif (match := re.match(r"\s+\+ add IMAP flags: (.*)", line)) and found:
            found[-1] += f" ({match[1].lower()})"
        elif "final result: failed" in line or "runtime error" in line.lower():
            found.append("error")
    return found or ["nothing"]


if __name__ == "__main__":
    sys.exit(main())
