# SPDX-License-Identifier: Apache-2.0
"""Does tidy see what it is there to see? Small trees with one bad thing in each."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import cscan  # noqa: E402
import tidy  # noqa: E402

C_LICENCE = "/* SPDX-License-Identifier: Apache-2.0 */\n"


def violations(tmp_path, files):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        licence = C_LICENCE if path.suffix in (".c", ".h") else "# SPDX-License-Identifier: Apache-2.0\n"
        path.write_text(text if "SPDX" in text or "NOLICENCE" in text else licence + text)
    return sorted(tidy.tidy(tmp_path).violations)


def body(lines):
    return "int f(int a)\n{\n" + "    a++;\n" * (lines - 4) + "    return a;\n}\n"


def test_a_function_of_seventy_lines_passes_and_one_more_does_not(tmp_path):
    assert violations(tmp_path, {"src/base/a.c": body(70)}) == []
    assert violations(tmp_path, {"src/base/a.c": body(71)}) == ["src/base/a.c:2: f has 71 lines"]


def test_a_test_counts_as_a_function_by_its_own_name(tmp_path):
    text = "START_TEST(a_thing_happens)\n{\n" + "    x();\n" * 80 + "}\nEND_TEST\n"
    assert violations(tmp_path, {"test/base/t.c": text + "\n" + text}) == [
        "test/base/t.c:2: a_thing_happens has 83 lines",
        "test/base/t.c:87: a_thing_happens has 83 lines"]


def test_a_file_over_six_hundred_lines_is_reported(tmp_path):
    assert violations(tmp_path, {"src/base/a.c": "/* x */\n" * 599}) == []
    assert violations(tmp_path, {"src/base/a.c": "/* x */\n" * 600}) == [
        "src/base/a.c:601: the file has 601 lines"]


@pytest.mark.parametrize("file, target", [
    ("src/base/a.c", "topic/topic.h"), ("src/core/a.c", "mesh/mesh.h"),
    ("src/mesh/a.c", "core/core.h"), ("src/net/a.c", "config/config.h"),
    ("src/mqtt/a.c", "acl/acl.h"), ("src/node/a.c", "net/net.h")])
def test_an_include_upwards_or_sideways_is_reported(tmp_path, file, target):
    room = file.split("/")[1]
    assert violations(tmp_path, {file: f'#include "{target}"\n'}) == [
        f"{file}:2: {room} must not include {target}"]


def test_an_include_downwards_or_at_home_passes(tmp_path):
    text = '#include "base/err.h"\n#include "core/core.h"\n#include <stdio.h>\n' \
           '/* #include "server/server.h" */\n'
    assert violations(tmp_path, {"src/core/a.c": text}) == []


def test_an_include_cycle_is_reported_once(tmp_path):
    found = violations(tmp_path, {"src/base/a.h": '#include "base/b.h"\n',
                                  "src/base/b.h": '#include "base/a.h"\n'})
    assert found == ["src/base/a.h:1: include cycle: src/base/a.h > src/base/b.h > src/base/a.h"]


@pytest.mark.parametrize("line", [
    "static int count;", "int count = 3;", "static struct x *count;",
    "static const struct x *count = 0;", "static int (*count)(int);",
    "static int count[4] = { 1, 2 };", "static struct { int n; } count;"])
def test_a_variable_that_can_be_written_is_reported(tmp_path, line):
    assert violations(tmp_path, {"src/core/a.c": line + "\n"}) == [
        "src/core/a.c:2: count is mutable at file scope"]
    assert violations(tmp_path, {"src/core/a.c": "", "src/server/a.c": line + "\n"}) == []


@pytest.mark.parametrize("line", [
    "static const int limit = 3;", "static const char *const names[] = { \"a;b\", \"{\" };",
    "struct x;", "enum { A = 1, B = 2 };", "typedef int (*fn)(int);", "extern int far_away;",
    "int f(int (*callback)(void));", "static const struct x t[] = { { .a = 1 }, };",
    "static int g(void);", "struct s { int a; struct { int b; } c; };"])
def test_what_cannot_be_written_passes(tmp_path, line):
    assert violations(tmp_path, {"src/core/a.c": line + "\n"}) == []


def test_a_mutable_static_inside_a_function_is_reported(tmp_path):
    text = "int f(void)\n{\n    static const int k = 1;\n    static int n;\n    return n++ + k;\n}\n"
    assert violations(tmp_path, {"src/core/a.c": text}) == [
        "src/core/a.c:5: a mutable static inside f"]


def test_a_feature_if_is_reported_and_one_of_the_platform_is_not(tmp_path):
    text = "#ifdef HAVE_X\n#endif\n"
    assert violations(tmp_path, {"src/core/a.c": text}) == ["src/core/a.c:2: an #if outside base/os"]
    assert violations(tmp_path, {"src/core/a.c": "", "src/base/os_linux.c": text}) == []


def test_a_prototype_without_prose_is_reported(tmp_path):
    assert violations(tmp_path, {"src/base/a.h": "\nint f(void);\n"}) == [
        "src/base/a.h:3: f has no prose"]


def test_prose_speaks_for_the_run_below_it(tmp_path):
    text = "/* Opening. */\n\n/* Put a byte, a word. */\nvoid put_u8(int v);\nvoid put_u16(int v);\n" \
           "int last(int a,\n         int b); /* said behind it */\n"
    assert violations(tmp_path, {"src/base/a.h": text}) == []


def test_what_is_left_to_do_and_nameless_files_are_reported(tmp_path):
    assert violations(tmp_path, {"src/base/utils.c": "/* TO" "DO: more */\n"}) == [
        "src/base/utils.c:1: a file with no noun has no owner",
        "src/base/utils.c:2: something is left to do here"]


def test_a_file_without_licence_line_is_reported(tmp_path):
    assert violations(tmp_path, {"src/base/meson.build": "# NOLICENCE\n"}) == [
        "src/base/meson.build:1: no SPDX licence line"]


def test_braces_in_text_do_not_confuse_the_scanner():
    source = 'static int f(void)\n{\n    return g("}{;", \'{\'); /* } */\n}\nint h(void)\n{\n}\n'
    assert [(p.kind, p.name, p.lines) for p in cscan.pieces(source)] == [
        ("function", "f", 4), ("function", "h", 3)]
