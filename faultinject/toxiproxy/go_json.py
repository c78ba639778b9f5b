"""JSON as Go's encoding/json reads and writes it, down to the words of its errors.

Clients of Toxiproxy show these messages to people, and some match on them, so they are part of the API. Like a Go
decoder it reads the first value and leaves what stands behind it. Knows nothing of proxies.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

Value = object
_SPACE = " \t\r\n"
_DIGITS = "0123456789"
_ESCAPES = {
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    '"': '"',
    "\\": "\\",
    "/": "/",
}
_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_MOST_DEPTH = 10_000


class GoJsonError(ValueError):
    """The text is not JSON, or not of the type that is asked for; the message is Go's."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    text: str


class _Text:
    """The text and how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def next(self) -> str:
        """Return the next character and step over it. Raises GoJsonError at the end."""
        if self.at >= len(self.text):
            raise GoJsonError("unexpected EOF" if self.text.strip(_SPACE) else "EOF")
        self.at += 1
        return self.text[self.at - 1]

    def peek(self) -> str:
        """Return the next character, or an empty string at the end."""
        return self.text[self.at : self.at + 1]

    def next_word(self) -> str:
        """Return the next character that is not white space, and step over it."""
        while (char := self.next()) in _SPACE:
            pass
        return char


def decode(body: bytes) -> Value:
    """Return the first JSON value: None, bool, Number, str, list or dict. Raises GoJsonError."""
    return _value(_Text(body.decode("utf-8", "replace")), 0)


def _refused(char: str, context: str) -> GoJsonError:
    shown = {"'": "'\\''", '"': "'\"'"}.get(char) or f"'{char}'"
    if not char.isprintable():
        shown = "'" + char.encode("unicode_escape").decode("ascii") + "'"
    return GoJsonError(f"invalid character {shown} {context}")


def _value(text: _Text, depth: int) -> Value:
    if depth > _MOST_DEPTH // 40:
        # Go allows ten thousand; this is far beyond what the API has a use for, and within Python's stack.
        raise GoJsonError("exceeded max depth")
    char = text.next_word()
    if char == "{":
        return _object(text, depth)
    if char == "[":
        return _array(text, depth)
    if char == '"':
        return _string(text)
    if char == "-" or char in _DIGITS:
        return _number(text, char)
    for word, value in (("true", True), ("false", False), ("null", None)):
        if char == word[0]:
            for expected in word[1:]:
                if (found := text.next()) != expected:
                    raise _refused(found, f"in literal {word} (expecting '{expected}')")
            return value
    raise _refused(char, "looking for beginning of value")


def _object(text: _Text, depth: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    char = text.next_word()
    while char != "}":
        if char != '"':
            raise _refused(char, "looking for beginning of object key string")
        key = _string(text)
        if (char := text.next_word()) != ":":
            raise _refused(char, "after object key")
        found[key] = _value(text, depth + 1)
        char = text.next_word()
        if char == "}":
            break
        if char != ",":
            raise _refused(char, "after object key:value pair")
        if (char := text.next_word()) == "}":
            raise _refused(char, "looking for beginning of object key string")
    return found


def _array(text: _Text, depth: int) -> list[Value]:
    found: list[Value] = []
    while text.peek() and text.peek() in _SPACE:
        text.next()
    if text.peek() == "]":
        text.next()
        return found
    while True:
        found.append(_value(text, depth + 1))
        char = text.next_word()
        if char == "]":
            return found
        if char != ",":
            raise _refused(char, "after array element")


def _string(text: _Text) -> str:
    found: list[str] = []
    while (char := text.next()) != '"':
        if char < " ":
            raise _refused(char, "in string literal")
        found.append(_escaped(text) if char == "\\" else char)
    # Halves of a pair were escaped one by one.
    return "".join(found).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _escaped(text: _Text) -> str:
    char = text.next()
    if char != "u":
        if char not in _ESCAPES:
            raise _refused(char, "in string escape code")
        return _ESCAPES[char]
    digits = ""
    for _ in range(4):
        char = text.next()
        if char not in "0123456789abcdefABCDEF":
            raise _refused(char, "in \\u hexadecimal character escape")
        digits += char
    return chr(int(digits, 16))


def _number(text: _Text, char: str) -> Number:
    found = char
    if char == "-":
        char = text.next()
        if char not in _DIGITS:
            raise _refused(char, "in numeric literal")
        found += char
    if char != "0":
        found += _digits(text)
    if text.peek() == ".":
        found += text.next() + _some_digits(text, "after decimal point in numeric literal")
    if text.peek() in ("e", "E"):
        found += text.next()
        if text.peek() in ("+", "-"):
            found += text.next()
        found += _some_digits(text, "in exponent of numeric literal")
    return Number(found)


def _digits(text: _Text) -> str:
    found = ""
    while text.peek() and text.peek() in _DIGITS:
        found += text.next()
    return found


def _some_digits(text: _Text, context: str) -> str:
    char = text.next()
    if char not in _DIGITS:
        raise _refused(char, context)
    return char + _digits(text)


def kind(value: Value) -> str:
    """Return what Go calls a value in its errors."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, Number):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def field(found: dict[str, Value], name: str) -> Value:
    """Return a struct field's value: the last key that is the name in any case wins; None if there is none."""
    value: Value = None
    for key, candidate in found.items():
        if key.casefold() == name.casefold() and candidate is not None:
            value = candidate
    return value


def typed(value: Value, go_type: str, where: str) -> str | bool | int | float:
    """Return a value as a string, bool, int64, int or float32.

    Args:
        go_type: one of these names.
        where: the field as Go names it, for the message. Raises GoJsonError.
    """
    if go_type == "string" and isinstance(value, str):
        return value
    if go_type == "bool" and isinstance(value, bool):
        return value
    if isinstance(value, Number) and go_type not in ("string", "bool"):
        number = _as_float32(value.text) if go_type == "float32" else _as_int64(value.text)
        if number is not None:
            return number
    seen = f"number {value.text}" if isinstance(value, Number) else kind(value)
    if go_type in ("string", "bool") and isinstance(value, Number):
        seen = "number"
    raise GoJsonError(
        f"json: cannot unmarshal {seen} into Go struct field {where} of type {go_type}"
    )


def _as_int64(text: str) -> int | None:
    try:
        number = int(text)
    except ValueError:
        return None
    return number if -(2**63) <= number < 2**63 else None


def _as_float32(text: str) -> float | None:
    try:
        return float(struct.unpack("<f", struct.pack("<f", float(text)))[0])
    except OverflowError:
        return None


def encode(value: object) -> str:
    """Return a value as Go marshals it: no spaces, ``<``, ``>`` and ``&`` escaped, floats as float32."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return float32_text(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(key)}:{encode(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(encode(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} has no JSON")


def _quoted(text: str) -> str:
    short = {
        '"': '\\"',
        "\\": "\\\\",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\b": "\\b",
        "\f": "\\f",
    }
    return (
        '"'
        + "".join(
            short.get(char) or _HTML.get(char) or (f"\\u{ord(char):04x}" if char < " " else char)
            for char in text
        )
        + '"'
    )


def float32_text(number: float) -> str:
    """Return the shortest decimal that is this float32, written as Go does."""
    text = next(
        candidate
        for digits in range(1, 10)
        if _as_float32(candidate := f"{number:.{digits - 1}e}") == _as_float32(repr(number))
    )
    mantissa, _, power = text.partition("e")
    exponent = int(power)
    if number and (exponent < -6 or exponent >= 21):
        sign = "-" if exponent < 0 else "+"
        return (
            f"{mantissa}e{sign}{abs(exponent)}" if exponent < 0 else f"{mantissa}e+{exponent:02d}"
        )
    return f"{float(text):.{max(0, len(mantissa.replace('.', '').lstrip('-')) - 1 - exponent)}f}"
