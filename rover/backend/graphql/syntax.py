"""Expressions of MQE, SkyWalking's metrics query language: text to tree.

What its user interface and swctl use: metrics with labels, numbers, arithmetic, comparison, functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LENGTH = 2000
"""Most characters of an expression."""
DEPTH = 40

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<sign>>=|<=|==|!=|[-+*/%()<>{},=]))"
)
COMPARISONS = (">", "<", ">=", "<=", "==", "!=")


@dataclass(frozen=True, slots=True)
class Number:
    """A literal."""

    value: float


@dataclass(frozen=True, slots=True)
class MetricName:
    """A metric, or a word such as `des`; `labels` are those that are wanted, all if none are."""

    name: str
    labels: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """`left sign right`."""

    sign: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class Function:
    """`name(arguments)`; named ones (`attr0='…'`) are apart."""

    name: str
    arguments: list[Tree]
    named: list[tuple[str, str]]


Tree = Number | MetricName | Operation | Function


class ExpressionError(ValueError):
    """What is wrong with an expression, for whoever wrote it."""


def parse(text: str) -> Tree:
    """The tree of an expression. Raises ExpressionError."""
    if len(text) > LENGTH:
        raise ExpressionError(f"the expression is longer than {LENGTH} characters")
    parser = _Parser(_tokens(text))
    tree = parser.comparison(0)
    if parser.peek():
        raise ExpressionError(f"{parser.peek()!r} is not expected here")
    return tree


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        found = TOKEN.match(text, position)
        if found is None:
            raise ExpressionError(f"{text[position : position + 10]!r} is not understood")
        tokens.append(found.group().strip())
        position = found.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self, ahead: int = 0) -> str:
        return self._tokens[self._at + ahead] if self._at + ahead < len(self._tokens) else ""

    def comparison(self, depth: int) -> Tree:
        left = self._sum(depth)
        while self.peek() in COMPARISONS:
            left = Operation(self._next(), left, self._sum(depth))
        return left

    def _sum(self, depth: int) -> Tree:
        left = self._product(depth)
        while self.peek() in ("+", "-"):
            left = Operation(self._next(), left, self._product(depth))
        return left

    def _product(self, depth: int) -> Tree:
        left = self._atom(depth)
        while self.peek() in ("*", "/", "%"):
            left = Operation(self._next(), left, self._atom(depth))
        return left

    def _atom(self, depth: int) -> Tree:
        if depth > DEPTH:
            raise ExpressionError("the expression is nested too deeply")
        word = self._next()
        if word == "(":
            inner = self.comparison(depth + 1)
            self._expect(")")
            return inner
        if word == "-" and self.peek()[:1].isdigit():
            return Number(-float(self._next()))
        if word[:1].isdigit():
            return Number(float(word))
        if word and (word[0].isalpha() or word[0] == "_"):
            if self.peek() == "(":
                return self._function(word, depth)
            return MetricName(word, self._labels() if self.peek() == "{" else {})
        raise ExpressionError(f"{word!r} is not expected here" if word else "the expression ends too early")

    def _function(self, name: str, depth: int) -> Function:
        self._expect("(")
        arguments: list[Tree] = []
        named: list[tuple[str, str]] = []
        while True:
            if self.peek(1) == "=" and self.peek(2)[:1] in ("'", '"'):
                named.append(self._pair())
            else:
                arguments.append(self.comparison(depth + 1))
            if self.peek() != ",":
                break
            self._next()
        self._expect(")")
        return Function(name, arguments, named)

    def _labels(self) -> dict[str, list[str]]:
        self._expect("{")
        labels: dict[str, list[str]] = {}
        while self.peek() != "}":
            key, value = self._pair()
            labels[key] = [part.strip() for part in value.split(",")]
            if self.peek() == ",":
                self._next()
        self._expect("}")
        return labels

    def _pair(self) -> tuple[str, str]:
        key = self._next()
        self._expect("=")
        value = self._next()
        if value[:1] not in ("'", '"'):
            raise ExpressionError(f"{key}: a value in quotes is expected")
        return key, value[1:-1]

    def _next(self) -> str:
        word = self.peek()
        self._at += 1
        return word

    def _expect(self, wanted: str) -> None:
        found = self._next()
        if found != wanted:
            raise ExpressionError(f"{wanted!r} is expected" + (f", not {found!r}" if found else " at the end"))
