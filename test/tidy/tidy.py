#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hold the tree against the numbers of the house style. Prints a short table and each
violation as file:line, exits 1 when there is one. Usage: tidy.py [ROOT]
"""
import pathlib
import re
import statistics
import sys

import cscan

FUNCTION_LINES_MAX = 70
FUNCTION_LINES_P90 = 40
FILE_LINES_MAX = 600
FILE_LINES_MEDIAN = 200
PROSE_PERCENT_MIN = 95
IF_PER_KLOC_MAX = 0.5

# A file includes only its own directory and rooms of a lower rank.
RANK = {
    "base": 0, "topic": 1, "mqtt": 2, "acl": 2, "core": 3, "mesh": 3, "node": 4, "store": 4,
    "net": 5, "bridge": 5, "auth": 5, "config": 5, "admin": 5, "plugin": 5,
    "server": 6, "cli": 6,
}
MAY_HOLD_STATE = ("src/server/", "src/base/log.c")
MAY_HAVE_IF = "src/base/os"
NOUNLESS = {"utils.c", "utils.h", "util.c", "util.h", "common.h", "common.c", "internal.h",
            "misc.c", "helpers.c"}

SOURCE_DIRS = ("src", "include", "plugins", "test", "bench", "dev.d", "docker", ".ci", "docs",
               "config")
SHIPPED = ("src/", "include/", "plugins/")
SKIPPED_DIRS = {"node_modules", "__pycache__", "corpus", "dist"}
LICENSED = {".c", ".h", ".py", ".sh", ".mjs", ".js", ".yaml", ".yml", ".css", ".html", ".S"}
LICENSED_NAMES = re.compile(r"^(meson\.build|meson_options\.txt|Dockerfile.*|dev|run)$")
SPDX = "SPDX-License-Identifier: Apache-2.0"
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")


class File:
    def __init__(self, root, path):
        self.name = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.count("\n")
        self.is_c = path.suffix in (".c", ".h")
        self.shipped = self.name.startswith(SHIPPED)
        self.pieces = cscan.pieces(self.text) if self.is_c else []
        # Literals are blanked too, so an include's name must come from the text itself.
        code = cscan.blank(self.text).splitlines() if self.is_c else []
        self.code_lines = list(zip(code, self.text.splitlines()))

    @property
    def room(self):
        parts = self.name.split("/")
        return parts[1] if parts[0] == "src" and len(parts) > 2 else None

    def includes(self):
        for number, (code, raw) in enumerate(self.code_lines, 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', raw)
            if match and code.lstrip().startswith("#"):
                yield number, match.group(1)


class Report:
    def __init__(self):
        self.rows = []
        self.violations = []

    def bad(self, file, line, text):
        self.violations.append(f"{file}:{line}: {text}")

    def row(self, what, value, limit, target=None):
        self.rows.append((what, str(value), limit, target or ""))

    def print(self):
        for what, value, limit, target in self.rows:
            print(f"{what:<34} {value:>8}   {limit}{target}")
        for violation in sorted(self.violations):
            print(violation)


def load(root):
    files = []
    for top in SOURCE_DIRS:
        for path in sorted((root / top).rglob("*")):
            relative = path.relative_to(root)
            if path.is_file() and not SKIPPED_DIRS & set(relative.parts):
                if path.suffix in LICENSED or LICENSED_NAMES.match(path.name):
                    files.append(File(root, path))
    for name in ("meson.build", "meson_options.txt", "dev"):
        if (root / name).is_file():
            files.append(File(root, root / name))
    return files


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0


def check_lengths(files, report):
    functions = [(f, p) for f in files for p in f.pieces if p.kind == "function"]
    for file, piece in functions:
        if piece.lines > FUNCTION_LINES_MAX:
            report.bad(file.name, piece.first, f"{piece.name} has {piece.lines} lines")
    sources = [f for f in files if f.is_c or f.name.endswith((".py", ".sh", ".mjs", ".js"))]
    for file in sources:
        if file.lines > FILE_LINES_MAX:
            report.bad(file.name, file.lines, f"the file has {file.lines} lines")
    own = [p.lines for f, p in functions if f.shipped]
    lengths = [f.lines for f in files if f.is_c and f.shipped]
    report.row("longest function", max(own, default=0), f"max {FUNCTION_LINES_MAX}")
    report.row("function lines, p90", percentile(own, 90), f"target {FUNCTION_LINES_P90}")
    report.row("longest file", max(lengths, default=0), f"max {FILE_LINES_MAX}")
    report.row("file lines, median", int(statistics.median(lengths or [0])),
               f"target {FILE_LINES_MEDIAN}")


def check_ranks(files, report):
    count = 0
    for file in files:
        if file.room is None:
            continue
        if file.room not in RANK:
            report.bad(file.name, 1, f"the room {file.room} has no rank")
            count += 1
            continue
        for line, target in file.includes():
            room = target.split("/")[0] if "/" in target else file.room
            if room == file.room:
                continue
            if room not in RANK or RANK[room] >= RANK[file.room]:
                report.bad(file.name, line, f"{file.room} must not include {target}")
                count += 1
    report.row("rank violations", count, "max 0")


def check_cycles(files, report):
    names = {f.name for f in files}
    graph = {f.name: [t for _, i in f.includes() if (t := "src/" + i) in names]
             for f in files if f.shipped}
    done, count = set(), 0

    def visit(name, path):
        nonlocal count
        if name in path:
            cycle = path[path.index(name):] + [name]
            report.bad(name, 1, "include cycle: " + " > ".join(cycle))
            count += 1
        elif name not in done:
            for target in graph.get(name, []):
                visit(target, path + [name])
            done.add(name)

    for name in graph:
        visit(name, [])
    report.row("include cycles", count, "max 0")


LOCAL_STATIC = re.compile(r"^[ \t]+static\s+[^;{=()]*[;={\[]", re.M)


def check_state(files, report):
    count = 0
    for file in files:
        if not file.shipped or file.name.startswith(MAY_HOLD_STATE):
            continue
        for piece in file.pieces:
            if piece.kind == "variable" and "extern" not in piece.text.split() \
                    and cscan.is_mutable(piece.text):
                report.bad(file.name, piece.first, f"{piece.name} is mutable at file scope")
                count += 1
            for match in LOCAL_STATIC.finditer(piece.text) if piece.kind == "function" else ():
                if cscan.is_mutable(match.group(0).rstrip("={[")):
                    line = piece.first + piece.text[:match.start()].count("\n")
                    report.bad(file.name, line, f"a mutable static inside {piece.name}")
                    count += 1
    report.row("mutable statics", count, "max 0")


def check_ifs(files, report):
    found, lines = [], 0
    for file in files:
        if not file.is_c or not file.shipped:
            continue
        lines += file.lines
        if not file.name.startswith(MAY_HAVE_IF):
            found += [(file.name, n) for n, (code, _) in enumerate(file.code_lines, 1)
                      if re.match(r"\s*#\s*if", code)]
    rate = 1000 * len(found) / max(lines, 1)
    if rate > IF_PER_KLOC_MAX:
        for name, line in found:
            report.bad(name, line, "an #if outside base/os")
    report.row("#if per kLOC outside base/os", f"{rate:.2f}", f"max {IF_PER_KLOC_MAX}")


def has_prose(lines, first, last, documented):
    """Is there a comment on the line, right above it, or above the run it stands in?"""
    if any("/*" in text or "//" in text for text in lines[first - 1:last]):
        return True
    above = lines[first - 2].strip() if first > 1 else ""
    return above.endswith("*/") or above.startswith("//") or (first - 1) in documented


def check_prose(files, report):
    total = with_prose = 0
    missing = []
    for file in files:
        if not file.name.endswith(".h") or not file.shipped:
            continue
        lines, documented = file.text.splitlines(), set()
        for piece in file.pieces:
            said = has_prose(lines, piece.first, piece.last, documented)
            if said:
                documented.update(range(piece.first, piece.last + 1))
            if piece.kind in ("prototype", "function"):
                total += 1
                with_prose += said
                if not said:
                    missing.append((file.name, piece.first, f"{piece.name} has no prose"))
    percent = 100 * with_prose / max(total, 1) if total else 100
    bad = missing if percent < PROSE_PERCENT_MIN else \
        [m for m in missing if m[0].startswith("include/")]
    for entry in bad:
        report.bad(*entry)
    report.row("prototypes with prose, %", f"{percent:.1f}", f"min {PROSE_PERCENT_MIN}")


def check_words(files, report):
    unfinished = unlicensed = nounless = 0
    for file in files:
        for number, text in enumerate(file.text.splitlines(), 1):
            if UNFINISHED.search(text):
                report.bad(file.name, number, "something is left to do here")
                unfinished += 1
        if SPDX not in "\n".join(file.text.splitlines()[:3]):
            report.bad(file.name, 1, "no SPDX licence line")
            unlicensed += 1
        if file.name.rsplit("/", 1)[-1] in NOUNLESS:
            report.bad(file.name, 1, "a file with no noun has no owner")
            nounless += 1
    report.row("left to do", unfinished, "max 0")
    report.row("files without licence line", unlicensed, "max 0")
    report.row("files with no noun", nounless, "max 0")


def tidy(root):
    files, report = load(root), Report()
    for check in (check_lengths, check_ranks, check_cycles, check_state, check_ifs,
                  check_prose, check_words):
        check(files, report)
    return report


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parents[2])
    report = tidy(root.resolve())
    report.print()
    print("tidy" if not report.violations else f"{len(report.violations)} violations")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
