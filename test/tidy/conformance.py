#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Say for each numbered statement of MQTT 5.0 and 3.1.1 that concerns a server where it is
applied and which tests hold us to it, as docs/CONFORMANCE.md. Exits 1 when a statement has
neither a test nor a written reason, or when a source or test cites one of 3.1.1 that is not
in the list; only notes when the page is out of date.

    conformance.py [ROOT]            compare
    conformance.py --write [ROOT]    write the page
"""
import pathlib
import re
import sys

NUMBER = r"(\d+\.\d+\.\d+-\d+)"
# For each standard: its title, the list of its statements, how they are cited.
STANDARDS = (
    ("MQTT 5.0", "statements.txt", re.compile(rf"[\[\"]MQTT-{NUMBER}[\]\"]")),
    ("MQTT 3.1.1", "statements311.txt", re.compile(rf"[\[\"]MQTT311-{NUMBER}[\]\"]")),
)
SOURCES = ("src", "test")
SKIPPED = ("test/tidy/", "test/browser/node_modules/")
HEAD = """<!-- SPDX-License-Identifier: Apache-2.0 -->
# Conformance

The numbered statements of MQTT 5.0 and 3.1.1 that concern a server, in our own words, with
the files that apply them and the tests that hold us to them. Written by
`test/tidy/conformance.py --write` from the lists beside it and the identifiers in sources and
tests, `[MQTT-3.1.2-4]` for 5.0 and `[MQTT311-3.1.2-4]` for 3.1.1; the tidy suite fails when a
statement has neither a test nor a reason. Where both standards say the same, sources name
only that of 5.0; tests name those of 3.1.1 where they speak it.

Choices where the standard leaves one:

- Overlapping subscriptions of a client: one copy, at the highest QoS, with all identifiers.
- Shared subscriptions: round robin among members that can take the message at once, then
  among those whose window is full, and only if nobody is connected to a member that is away.
  What a lost member left unanswered at QoS 1, or was never sent, goes to another that is
  connected, at once; QoS 2 that was sent stays. A message from another broker of the mesh
  goes to one member on each broker that has members.
- A CONNECT of version 5 that cannot be read is answered by CONNACK with its reason, 0x81,
  0x82, 0x90 or 0x95; one of 3.1.1 is closed without a word; another level of the protocol
  gets CONNACK 1 in the words of 3.1.1.
- An identifier of a property that has no place in its packet makes it malformed, 0x81 (2.2.2.2);
  a doubled one, or a value out of its range, is a protocol error, 0x82.
- A filter that is none is refused with 0x8F (0x80 in 3.1.1) and the connection stays; an empty
  one closes it. A topic name with wildcards closes it with 0x90.
- A second PUBLISH of QoS 2 with the identifier of one that waits for its PUBREL is that one
  again, with DUP or without. QoS 2 is delivered when its PUBLISH comes, not its PUBREL.
- Names and filters have 128 levels at most. Control characters in them are characters like
  others.
- 3.1: client identifiers may be longer than 23 characters; flags and bits that have no use are
  ignored; a refused subscription is granted in the SUBACK, which has no word for a refusal.
- A will whose delay is longer than its session lives is published when the session ends; a
  client that is taken over from is mourned like one that was lost.
- A queue that is full drops the newest message, and says so now and then. QoS 0 is queued
  only with `session.queue_qos0`.
- Message expiry, at every QoS: what can go out at once to a client that is connected is in time,
  even with an interval of 0; waiting for the disk alone is no waiting. What has to wait, for the
  client or for room in its window, is dropped when its interval is over, and goes out with what
  is left of it. A message that was sent once is completed, whatever its age. Between brokers
  what is left counts in whole seconds, begun ones as whole.
- No Local looks at the client identifier, in whatever session the message was published: retained
  messages and wills of earlier ones are a client's own. What came from another broker of the
  mesh is nobody's own.
- A client that is back gets its PUBRELs first, in the order of its PUBRECs, then PUBLISHes in
  their order. After a restart of the broker those PUBRELs come in the order of the messages: the
  store knows what was received, not when.
- Topic aliases towards clients that allow them: 32 at most, at once while one is free, then
  from the second time a topic is met; the least recently used goes first.
- Reason 0x10 goes out only while no other broker of the mesh wants anything.
- `$SYS/broker` has the names of Mosquitto 2 but for its heap; they go out at QoS 0, and only
  while somebody subscribes to them.
"""
TABLE = """
## {}

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


def citations(root, cited):
    """For each id the sources and the tests that name it as the pattern says."""
    found = {}
    for top in SOURCES:
        for path in sorted((root / top).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.suffix not in (".c", ".h", ".py", ".mjs") or name.startswith(SKIPPED):
                continue
            for number in set(cited.findall(path.read_text(errors="replace"))):
                found.setdefault(number, {"src": [], "test": []})[top].append(name[len(top) + 1:])
    return found


def table(title, known, cited):
    lines = [TABLE.format(title)]
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
    text, bad, count = HEAD, [], 0
    for title, name, pattern in STANDARDS:
        known, cited = statements(here / name), citations(root, pattern)
        count += len(known)
        text += table(title, known, cited)
        bad += [f"{title} {number}: neither test nor reason: {gist}"
                for number, (gist, reason) in known.items()
                if not reason and not cited.get(number, {}).get("test")]
        if title == "MQTT 3.1.1":
            bad += [f"{title} {number}: cited by {', '.join(where['src'] + where['test'])}, "
                    "but not in the list" for number, where in cited.items()
                    if number not in known]
    target = root / "docs" / "CONFORMANCE.md"
    if write:
        target.write_text(text)
    elif not target.exists() or target.read_text() != text:
        print("note: docs/CONFORMANCE.md is out of date: run test/tidy/conformance.py --write")
    for line in bad:
        print(line)
    print(f"{count} statements, {len(bad)} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
