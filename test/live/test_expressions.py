"""Expressions against Node: some thousands made at random from the grammar of the subset, and those of the manual's examples; values
are compared as JSON with their types. What Node refuses we must refuse, and the other way round."""
import json
import random
import shutil
import subprocess

import pytest

import harness

# A program of the tests' own builds; beside a server that is built without tests, that of the sanitizers.
PROGRAM = next((p for p in (folder / "test" / "expr_lines" for folder in (harness.BINARY.parent, harness.ROOT / "build-asan"))
                if p.exists()), "expr_lines is not built")
SEED, COUNT = 20240611, 4000
WORLD = {
    "a": 1, "b": -2.5, "big": 15551230000, "zero": 0, "s": "12", "name": "Ann", "empty": "", "text": "a,b;c d, e",
    "uni": "Größe €5 😀ñ", "yes": True, "no": False, "nil": None, "phone": "+15551230000", "nums": [3, 1, 20, -4, 0.5],
    "words": ["pear", "Apple", "fig", "", "10", "9"], "mixed": [1, "1", None, True, [2, [3]], {"k": 1}],
    "map": {"1": "one", "2": "two", "x": {"y": 7}, "k k": 8},
    "call": {"from": "+15551230000", "type": "phone", "direction": "inbound"}, "do_loop": True, "prompt_value": "1",
    "params": {"a": "1", "b": "2", "n": "21", "price": "9.5", "quantity": "3", "rating": "3.5"}, "total": 53.987,
    "vars": {"unit_price": 9.99, "quantity": "3", "first_name": "Ann", "last_name": "Lee"}, "subtotal": 12.5, "tax": 1,
    "people": [{"n": "Bo", "age": 40}, {"n": "Al", "age": 7}, {"n": "Cy"}],
}

# Node's answers: as our program prints them.
NODE = r"""
const lines = require('fs').readFileSync(0, 'utf8').split('\n').filter(x => x);
const world = JSON.parse(lines.shift());
const names = Object.keys(world);
function whole(v) {
  if (typeof v === 'string') return v.toWellFormed();
  if (Array.isArray(v)) return v.map(whole);
  if (v && typeof v === 'object') return Object.fromEntries(Object.entries(v).map(([k, x]) => [k.toWellFormed(), whole(x)]));
  return v;
}
for (const line of lines) {
  let out;
  try {
    const fresh = names.map(n => structuredClone(world[n]));
    const v = new Function(...names, '"use strict"; return (' + JSON.parse(line) + '\n);')(...fresh);
    if (typeof v === 'number' && !Number.isFinite(v)) out = String(v);
    else if (typeof v === 'function') out = 'function';
    else out = v === undefined ? 'undefined' : JSON.stringify(whole(v));
  } catch (e) { out = 'error ' + e.constructor.name + ': ' + String(e.message).replaceAll('\n', ' '); }
  console.log(out);
}
"""


# What the manual's example documents have between ${ and }, and behind when.
MANUAL = """Boolean(1)
Math.round(params.rating)
call.direction == "inbound" ? "Welcome" : "Calling"
call.from.split('').join(' ')
call.from.substring(0, 3)
call.type != null ? call.type : "unknown"
call.type == "phone" && call.direction == "inbound" ? "valid" : "invalid"
call.type.toUpperCase()
call.type.toLowerCase() == 'phone'
a.toString()
do_loop === true
params.price * params.quantity
parseInt("42")
parseInt(params.a) + parseInt(params.b)
params.a+params.b
parseInt(params.n)*2
parseInt(vars.tries || 0) + 1
prompt_value != '1'
vars.tries < 2
subtotal * 0.08
subtotal + tax
total > 50 ? "with free shipping" : "plus shipping"
total.toFixed(2)
vars.first_name + " " + vars.last_name
vars.unit_price * parseInt(vars.quantity)
nums.reduce((a,b)=>a+b,0)
(words.length)""".split("\n")


class Maker:
    """Random expressions, typed loosely: one in ten operands is of any type, for the conversions. What changes a list in place
    is given a copy: with us it never changes one, so that its result is all there is to see."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.scope = []  # parameters of callbacks around: (name, kind)

    def pick(self, *of):
        return self.r.choice(of)

    def kind(self, kind, depth):
        if self.r.random() < 0.08:
            kind = self.pick("number", "string", "bool", "list", "any")
        inside = [n for n, k in self.scope if k == kind]
        if inside and self.r.random() < 0.5:
            return self.r.choice(inside)
        return getattr(self, kind)(depth - 1)

    def any(self, d):
        if d <= 0:
            return self.pick("null", "undefined", "nil", "map", "mixed", "NaN", "{}", "[]")
        return self.pick(
            lambda: f"{self.kind('any', d)} {self.pick('??', '||', '&&')} {self.kind('any', d)}".replace("??", "??"),
            lambda: f"mixed[{self.kind('number', d)}]",
            lambda: f"map[{self.kind('string', d)}]",
            lambda: f"{{p: {self.kind('any', d)}, [{self.kind('string', d)}]: {self.kind('number', d)}, ...map}}",
            lambda: f"JSON.parse(JSON.stringify({self.kind('list', d)}))",
            lambda: f"{self.kind('list', d)}.at({self.kind('number', d)})",
            lambda: f"({self.kind('bool', d)} ? {self.kind('any', d)} : {self.kind('any', d)})",
            lambda: f"map?.{self.pick('x', 'z')}?.y", lambda: "people[2].age", lambda: f"(0, {self.kind('any', d)})",
            lambda: f"{self.kind('list', d)}.slice().{self.pick('pop', 'shift')}()")()

    def number(self, d):
        if d <= 0:
            return self.pick("0", "1", "2", "-1", "3.7", "1e21", "0.1", "255", "a", "b", "big", "zero", "0x1f", "(-0)", "NaN",
                             "1e-7", "Infinity", "4294967297", "2.5", "123456.789", str(self.r.randint(-100, 100)))
        n, s, items = (lambda: self.kind("number", d)), (lambda: self.kind("string", d)), (lambda: self.kind("list", d))
        return self.pick(
            lambda: f"({n()} {self.pick('+', '-', '*', '/', '%', '|', '&', '^', '<<', '>>', '>>>')} {n()})",
            lambda: f"({n()} {self.pick('+', '-', '*', '/', '%')} {n()})",
            lambda: f"{self.pick('-', '+', '~')}({n()})", lambda: f"{s()}.length", lambda: f"{items()}.length",
            lambda: f"({n()}) ** {self.pick('2', '3', '0', '-1')}",
            lambda: f"Math.{self.pick('abs', 'ceil', 'floor', 'round', 'trunc', 'sign', 'sqrt', 'fround', 'clz32')}({n()})",
            lambda: f"Math.{self.pick('max', 'min', 'imul')}({n()}, {n()})", lambda: f"Math.max(...{items()})",
            lambda: f"parseInt({s()}{self.pick('', ', 10', ', 16', ', 2', ', 36', ', ' + n())})",
            lambda: f"{self.pick('parseFloat', 'Number')}({s()})", lambda: f"Number({self.kind('any', d)})",
            lambda: f"{s()}.{self.pick('charCodeAt', 'codePointAt')}({n()})",
            lambda: f"{s()}.{self.pick('indexOf', 'lastIndexOf')}({s()}{self.pick('', ', ' + n())})",
            lambda: f"{items()}.{self.pick('indexOf', 'lastIndexOf')}({n()}{self.pick('', ', ' + n())})",
            lambda: f"{items()}.reduce({self.callback(d, 'number', ('p', 'number'), ('x', 'any'))}, {n()})",
            lambda: f"{items()}.{self.pick('findIndex', 'findLastIndex')}({self.callback(d, 'bool', ('x', 'any'))})")()

    def string(self, d):
        if d <= 0:
            return self.pick("'ab'", "'Ann'", "''", "' x '", "s", "name", "text", "uni", "phone", "empty", "'1e3'", "'0x1F'",
                             "'é😀'", "'straße'", "'\\ud83d'", "'ΑΣ'", "`t${a}`", "'a,b'", "','", "'$&$$'", "'%20%C3%A9'", "'-5.50'")
        n, s, items = (lambda: self.kind("number", d)), (lambda: self.kind("string", d)), (lambda: self.kind("list", d))
        return self.pick(
            lambda: f"({s()} + {self.kind('any', d)})", lambda: f"`{self.pick('', 'x ')}${{{self.kind('any', d)}}}`",
            lambda: f"{s()}.{self.pick('toUpperCase', 'toLowerCase', 'trim', 'trimStart', 'trimEnd', 'toString')}()",
            lambda: f"{s()}.{self.pick('slice', 'substring', 'substr')}({n()}{self.pick('', ', ' + n())})",
            lambda: f"{s()}.{self.pick('charAt', 'at')}({n()})", lambda: f"{s()}[{n()}]",
            lambda: f"{s()}.{self.pick('replace', 'replaceAll')}({s()}, {s()})", lambda: f"{s()}.concat({self.kind('any', d)}, {n()})",
            lambda: f"{s()}.{self.pick('padStart', 'padEnd')}({self.r.randint(-1, 30)}{self.pick('', ', ' + s())})",
            lambda: f"{s()}.repeat({self.r.randint(0, 4)})", lambda: f"{items()}.join({self.pick('', s())})",
            lambda: f"({n()}).{self.pick('toFixed', 'toExponential')}({self.pick('', '0', '1', '2', '20')})",
            lambda: f"({n()}).toPrecision({self.pick('', '1', '2', '3', '17', '40')})",
            lambda: f"({n()}).toString({self.pick('', '2', '16', '36', '7')})", lambda: f"String({self.kind('any', d)})",
            lambda: f"typeof {self.kind('any', d)}", lambda: f"JSON.stringify({self.kind('any', d)}{self.pick('', ', null, 2')})",
            lambda: f"{self.pick('encodeURIComponent', 'encodeURI', 'decodeURIComponent', 'decodeURI')}({s()})",
            lambda: f"String.{self.pick('fromCharCode', 'fromCodePoint')}({self.r.randint(32, 70000)}, 65)",
            lambda: f"({self.kind('bool', d)} ? {s()} : {s()})")()

    def bool(self, d):
        if d <= 0:
            return self.pick("true", "false", "yes", "no")
        n, s, items = (lambda: self.kind("number", d)), (lambda: self.kind("string", d)), (lambda: self.kind("list", d))
        x = lambda: self.kind(self.pick("number", "string", "any", "list", "bool"), d)
        return self.pick(
            lambda: f"({x()} {self.pick('==', '!=', '===', '!==', '<', '>', '<=', '>=')} {x()})",
            lambda: f"({x()} {self.pick('==', '!=', '<', '>=')} {x()})",
            lambda: f"({s()} {self.pick('<', '>', '==')} {s()})", lambda: f"!{x()}", lambda: f"!!{x()}",
            lambda: f"({self.kind('bool', d)} {self.pick('&&', '||')} {self.kind('bool', d)})",
            lambda: f"{s()}.{self.pick('includes', 'startsWith', 'endsWith')}({s()}{self.pick('', ', ' + n())})",
            lambda: f"{items()}.includes({x()})", lambda: f"{items()}.{self.pick('some', 'every')}({self.callback(d, 'bool', ('x', 'any'))})",
            lambda: f"({n()} in {items()})", lambda: f"({s()} in map)", lambda: f"Array.isArray({x()})", lambda: f"Boolean({x()})",
            lambda: f"{self.pick('isNaN', 'isFinite', 'Number.isInteger', 'Number.isNaN', 'Number.isSafeInteger')}({x()})")()

    def list(self, d):
        if d <= 0:
            return self.pick("nums", "words", "mixed", "[]", "[1, 2, 3]", "['x', 'y']", "[undefined, null, 0, '']", "[[1], [2, [3]]]")
        n, s, items = (lambda: self.kind("number", d)), (lambda: self.kind("string", d)), (lambda: self.kind("list", d))
        cb = self.callback
        return self.pick(
            lambda: f"[{self.kind('any', d)}, {n()}, {s()}]", lambda: f"[...{items()}, ...{s()}]",
            lambda: f"{items()}.map({cb(d, self.pick('number', 'string', 'any'), ('x', 'any'), ('i', 'number'))})",
            lambda: f"nums.map({cb(d, 'number', ('x', 'number'))})", lambda: f"words.map({cb(d, 'string', ('x', 'string'))})",
            lambda: f"{items()}.filter({self.pick('Boolean', cb(d, 'bool', ('x', 'any')))})", lambda: f"words.map({self.pick('Number', 'parseInt', 'String')})",
            lambda: f"{items()}.{self.pick('slice', 'concat')}({n()}, {n()})", lambda: f"{items()}.{self.pick('slice().reverse', 'slice().sort', 'toSorted')}()",
            lambda: f"{items()}.slice().sort({self.pick('(p, q) => p - q', '(p, q) => q - p', '(p, q) => p > q', '(p, q) => p < q ? 1 : -1')})",
            lambda: f"{items()}.flat({self.pick('', n())})", lambda: f"{items()}.flatMap({cb(d, 'list', ('x', 'any'))})",
            lambda: f"{s()}.split({self.pick(s(), s(), chr(39) * 2)}{self.pick('', ', 3')})",
            lambda: f"Object.{self.pick('keys', 'values', 'entries')}({self.pick('map', 'people[0]', items())})",
            lambda: f"Array.from({{length: {self.r.randint(0, 6)}}}, {cb(d, 'number', ('_', 'any'), ('i', 'number'))})",
            lambda: "Object.entries(map).map(([k, v]) => k + v)", lambda: f"people.map(({{n, age}}) => {self.pick('n', 'age', '`${n}:${age}`')})")()

    def callback(self, d, kind, *params):
        params = [(n + str(len(self.scope)), k) for n, k in params]
        self.scope += params
        body = self.kind(kind, d)
        del self.scope[len(self.scope) - len(params):]
        names = ", ".join(n for n, _ in params)
        return f"({names}) => ({body})"

    def expression(self):
        while True:
            text = self.kind(self.pick("number", "string", "bool", "list", "any"), self.r.randint(1, 5))
            if len(text.encode()) < 1024:
                return text


def canonical(text):
    """A printed value, so that 1, 1.0, true and "1" are told apart as JavaScript does."""
    def typed(v):
        if isinstance(v, bool) or v is None or isinstance(v, str):
            return (type(v).__name__, v)
        if isinstance(v, (int, float)):
            return ("number", float(v))
        if isinstance(v, list) and v and isinstance(v[0], Member):
            return ("object", [(m.key, typed(m.value)) for m in v])
        return ("list", [typed(x) for x in v])

    if text in ("undefined", "NaN", "Infinity", "-Infinity", "function"):
        return text
    if text.startswith("error"):
        return "error"
    return typed(json.loads(text, object_pairs_hook=lambda pairs: [Member(k, v) for k, v in pairs] or [Member(None, None)]))


class Member:
    def __init__(self, key, value):
        self.key, self.value = key, value


def ask(command, expressions):
    lines = [json.dumps(WORLD)] + [json.dumps(e) for e in expressions]
    r = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=120, check=False)
    assert r.returncode == 0, r.stderr[-2000:]
    out = r.stdout.split("\n")[:-1]
    assert len(out) == len(expressions), (len(out), len(expressions))
    return out


def lenient(node, ours):
    """Where we differ on purpose: what is not there is undefined however deep one looks for it, and a budget may end what Node computes."""
    return ("Cannot read properties of" in node or "too many steps" in ours or "1 MiB" in ours or "nested too deep" in ours
            or "length is longer" in ours)


def compare(expressions):
    if not shutil.which("node"):
        pytest.skip("no node")
    ours, node = ask([str(PROGRAM)], expressions), ask(["node", "-e", NODE], expressions)
    wrong, spared, values = [], 0, 0
    for e, x, y in zip(expressions, ours, node):
        if lenient(y, x):
            spared += 1
        elif canonical(x) != canonical(y):
            wrong.append(f"{e}\n  ours: {x}\n  node: {y}")
        values += not y.startswith("error")
    return wrong, spared, values


def test_the_manuals_expressions_agree_with_node():
    wrong, spared, values = compare(MANUAL)
    assert not wrong and not spared and values == len(MANUAL), "\n".join(wrong)


def test_generated_expressions_agree_with_node():
    maker = Maker(SEED)
    wrong, spared, values = compare([maker.expression() for _ in range(COUNT)])
    assert not wrong, f"{len(wrong)} of {COUNT} differ:\n" + "\n".join(wrong[:20])
    assert spared < COUNT / 10 and values > COUNT / 2, (spared, values)


if __name__ == "__main__":
    import sys
    maker = Maker(int(sys.argv[1]))
    wrong, spared, values = compare([maker.expression() for _ in range(int(sys.argv[2]))])
    print("\n".join(wrong[:int(sys.argv[3]) if len(sys.argv) > 3 else 20]))
    print(len(wrong), "wrong", spared, "spared", values, "values")
