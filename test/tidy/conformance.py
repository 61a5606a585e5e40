#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Say for each numbered statement of MQTT 5.0 that concerns a server where it is applied and
which tests hold us to it, as docs/CONFORMANCE.md. Exits 1 when a statement has neither a
test nor a written reason; only notes when the page is out of date.

    conformance.py [ROOT]            compare
    conformance.py --write [ROOT]    write the page
"""
import pathlib
import re
import sys

CITED = re.compile(r"[\[\"]MQTT-(\d+\.\d+\.\d+-\d+)[\]\"](?! of 3\.1)")
SOURCES = ("src", "test")
SKIPPED = ("test/tidy/", "test/browser/node_modules/")
HEAD = """<!-- SPDX-License-Identifier: Apache-2.0 -->
# Conformance

The numbered statements of MQTT 5.0 that concern a server, in our own words, with the files
that apply them and the tests that hold us to them. Written by `test/tidy/conformance.py
--write` from `test/tidy/statements.txt` and the identifiers in sources and tests; the tidy
suite fails when a statement has neither a test nor a reason. MQTT 3.1.1 says the same where
it has the statement at all; where it differs (return codes, no reasons, no properties) the
tests name it beside the identifier.

Choices where the standard leaves one:

- Overlapping subscriptions of a client: one copy, at the highest QoS, with all identifiers.
- Shared subscriptions: round robin among members that can take the message at once, then
  among those whose window is full, and only if nobody is connected to a member that is away.
  What a lost member left unanswered at QoS 1, or was never sent, goes to another that is
  connected, at once; QoS 2 that was sent stays. A message from another broker of the mesh
  goes to one member on each broker that has members.
- A queue that is full drops the newest message, and says so now and then. QoS 0 is queued
  only with `session.queue_qos0`.
- Topic aliases towards clients that allow them: from the second time a topic is met, the
  least recently used goes first, 32 at most.
- Reason 0x10 goes out only while no other broker of the mesh wants anything.
- `$SYS` topics go out at QoS 0, and only while somebody subscribes to them.

| statement | in short | applied in | held by |
|---|---|---|---|
"""


def statements(path):
    """Pairs of id and [gist, reason or None]."""
    found = {}
    last = None
    for line in path.read_text().splitlines():
        if line.startswith("!"):
            found[last][1] = line[1:].strip()
        elif line and not line.startswith("#"):
            last, gist = line.split(" ", 1)
            found[last] = [gist, None]
    return found


def citations(root):
    """For each id the sources and the tests that name it."""
    found = {}
    for top in SOURCES:
        for path in sorted((root / top).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix not in (".c", ".h", ".py", ".mjs") or name.startswith(SKIPPED):
                continue
            for number in set(CITED.findall(path.read_text(errors="replace"))):
                found.setdefault(number, {"src": [], "test": []})[top].append(name[len(top) + 1:])
    return found


def page(known, cited):
    lines = [HEAD]
    for number, (gist, reason) in known.items():
        where = cited.get(number, {"src": [], "test": []})
        tests = ", ".join(where["test"]) or f"*{reason}*"
        lines.append(f"| {number} | {gist} | {', '.join(where['src'])} | {tests} |\n")
    return "".join(lines)


def main(arguments):
    write = "--write" in arguments
    roots = [each for each in arguments if each != "--write"]
    here = pathlib.Path(__file__).resolve().parent
    root = pathlib.Path(roots[0]).resolve() if roots else here.parents[1]
    known, cited = statements(here / "statements.txt"), citations(root)
    bad = [f"{number}: neither test nor reason: {gist}" for number, (gist, reason) in known.items()
           if not reason and not cited.get(number, {}).get("test")]
    target = root / "docs" / "CONFORMANCE.md"
    text = page(known, cited)
    if write:
        target.write_text(text)
    elif not target.exists() or target.read_text() != text:
        print("note: docs/CONFORMANCE.md is out of date: run test/tidy/conformance.py --write")
    for line in bad:
        print(line)
    print(f"{len(known)} statements, {len(bad)} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
