# SPDX-License-Identifier: Apache-2.0
"""Just enough of C to take a file apart: blank comments and strings, then walk the text
at brace depth nought and name each piece a function, a prototype, a variable or a type.
"""
import bisect
import re

ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")
TYPE_ONLY = re.compile(r"^(typedef|_Static_assert|static_assert)\b")
SPECIFIED = re.compile(r"^(?:(?:static|extern|const|volatile)\s+)*(struct|union|enum)\b[^;{]*\{")


class Piece:
    """One thing at file scope. kind: function, prototype, variable, type or other."""

    def __init__(self, kind, name, text, first, last):
        self.kind, self.name, self.text = kind, name, text
        self.first, self.last = first, last

    @property
    def lines(self):
        return self.last - self.first + 1


def blank(source):
    """The source with comments and literals as spaces, so that lines and columns hold."""
    pattern = re.compile(
        r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)

    def spaces(match):
        text = match.group(0)
        kept = text[0] + text[-1] if text[0] in "\"'" else "  "
        inner = re.sub(r"[^\n]", " ", text[1:-1])
        return kept[0] + inner + kept[1]

    return pattern.sub(spaces, source)


def blank_directives(text):
    """Preprocessor lines, with what they continue on, as spaces."""
    return re.sub(r"^[ \t]*#(?:\\\n|[^\n])*",
                  lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.M)


def split_pieces(text):
    """(start, end, had_body) of each piece at depth nought. Ends at ';' or at the '}' of
    a function's body."""
    depth = parens = 0
    start = None
    body = False
    for i, char in enumerate(text):
        if start is None:
            if char.isspace() or char == ";":
                continue
            start = i
        if char in "([":
            parens += 1
        elif char in ")]":
            parens -= 1
        elif char == "{" and parens == 0:
            if depth == 0:
                body = is_function_head(text[start:i])
            depth += 1
        elif char == "}" and parens == 0:
            depth -= 1
            if depth == 0 and body:
                yield start, i + 1, True
                start, body = None, False
        elif char == ";" and depth == 0 and parens == 0:
            yield start, i + 1, False
            start = None


def is_function_head(head):
    head = ATTRIBUTE.sub("", head).strip()
    return head.endswith(")") and "=" not in head


def head_name(head):
    match = re.search(r"([A-Za-z_]\w*)\s*\(", ATTRIBUTE.sub("", head))
    if not match:
        return "?"
    if match.group(1) == "START_TEST":
        return head[match.end():].split(")")[0].strip()
    return match.group(1)


def after_braces(text):
    """What follows the first balanced pair of braces."""
    depth = 0
    for i, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if char == "}" and depth == 0:
            return text[i + 1:].strip()
    return ""


def classify(text):
    """(kind, name) of a piece that ends with ';'."""
    flat = " ".join(ATTRIBUTE.sub("", text).split()).rstrip("; ")
    if TYPE_ONLY.match(flat):
        return "type", flat
    if SPECIFIED.match(flat):
        if not after_braces(flat):
            return "type", flat.split("{")[0].strip()
    elif re.fullmatch(r"(struct|union|enum)\s+\w+", flat):
        return "type", flat
    before = flat.split("=")[0]
    if "(" in before and not re.search(r"\(\s*\*", before.split("(", 1)[0] + "("
                                       + before.split("(", 1)[1][:2]):
        return "prototype", head_name(before)
    pointer = re.search(r"\(\s*\*\s*(?:const\s+)?(\w+)", before)
    if pointer:
        return "variable", pointer.group(1)
    names = re.findall(r"[A-Za-z_]\w*", re.sub(r"\[[^\]]*\]|\{.*\}", " ", before, flags=re.S))
    return ("variable", names[-1]) if len(names) > 1 else ("other", flat)


def is_mutable(text):
    """Can what this declares be written to? A pointer must itself be const."""
    head = " ".join(ATTRIBUTE.sub("", text).split()).rstrip("; ").split("=")[0]
    head = re.sub(r"\{.*\}", " ", head, flags=re.S)
    if "*" in head:
        return not re.match(r"\s*const\b", head[head.rindex("*") + 1:])
    return not re.search(r"\bconst\b", head)


def strip_label(text):
    """END_TEST and the like stand without a semicolon before the next piece."""
    match = re.match(r"\s*(?:[A-Z][A-Z_0-9]*\s*\n\s*)+", text)
    return match.end() if match else 0


def pieces(source):
    """Every piece of a C file, in order, with its lines (counted from 1)."""
    text = blank_directives(blank(source))
    starts = [0] + [m.end() for m in re.finditer("\n", text)]

    def line(offset):
        return bisect.bisect_right(starts, offset)

    result = []
    for start, end, has_body in split_pieces(text):
        start += strip_label(text[start:end])
        piece = text[start:end]
        if has_body:
            kind, name = "function", head_name(piece.split("{", 1)[0])
        else:
            kind, name = classify(piece)
        result.append(Piece(kind, name, piece, line(start), line(end - 1)))
    return result
