"""The whole corpus before `crosspoint check`: the verdict of its index, agreement with the JSON schema (judged by
python3-jsonschema), also on documents that were damaged one by one, and printing that loses nothing."""
import collections
import copy
import functools
import json
import os
import pathlib
import random
import re
import subprocess

import pytest

import harness

CORPUS = pathlib.Path(os.environ.get("CROSSPOINT_CORPUS", harness.ROOT / ".." / "shared" / "corpus")).resolve()
SEED = int(os.environ.get("CORPUS_SEED", "1"))
DAMAGED = int(os.environ.get("CORPUS_DAMAGED", "400"))  # 0 = all there are
pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason=f"NO CORPUS at {CORPUS}: set CROSSPOINT_CORPUS")


def check(*args):
    done = subprocess.run([str(harness.BINARY), "check", *map(str, args)], capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), f"{args}: {done.returncode} {done.stderr}"
    return done


def problems(files):
    """{file: its problems}, for any number of files."""
    found = collections.defaultdict(list)
    files = [str(f) for f in files]
    for i in range(0, len(files), 500):
        for p in json.loads(check("--json", *files[i:i + 500]).stdout)["problems"]:
            found[p["file"]].append(p)
    return found


@functools.cache
def documents():
    """Name to the tree, as it is printed in JSON."""
    files = sorted((CORPUS / "swml").iterdir())
    lines = check("--print=json", *files).stdout.splitlines()
    assert len(lines) == len(files)
    return {f.name: json.loads(line) for f, line in zip(files, lines)}


def marked():
    """The files that the index calls rejected by the schema."""
    rows = [[cell.strip() for cell in line.split("|")] for line in (CORPUS / "INDEX.md").read_text().splitlines()
            if line.startswith("| ")]
    return {pathlib.PurePath(row[1]).name for row in rows if "!schema" in row[-2]}


# --- verdicts ---

def test_published_documents_have_no_error():
    files = sorted((CORPUS / "swml").iterdir())
    found = problems(files)
    assert len(files) > 200
    for f in files:
        errors = [p for p in found[str(f)] if p["severity"] == "error"]
        for p in found[str(f)]:
            assert p["line"] > 0 and p["column"] > 0 and p["message"], p
            assert re.fullmatch(r"relay_script_[a-z_]+|not_in_this_version", p["code"]), p
        if f.name.startswith("messaging-"):
            assert errors or not {"reply", "receive"} & methods(documents()[f.name]), f.name
            assert not [p for p in errors if p["code"] == "relay_script_parse_error"], errors
        else:
            assert not errors, errors


def methods(tree):
    """Every name that could be a method, at any depth."""
    if isinstance(tree, dict):
        return set(tree) | {m for v in tree.values() for m in methods(v)}
    if isinstance(tree, list):
        return {x for x in tree if isinstance(x, str)} | {m for v in tree for m in methods(v)}
    return set()


def test_invalid_documents_have_the_code_of_the_index():
    rows = re.findall(r"^\| (\S+\.yaml) \| (\w+)(.*)\|$", (CORPUS / "INDEX.md").read_text().split("## Seed")[0], re.M)
    found = problems((CORPUS / "invalid").glob("*.yaml"))
    assert len(rows) >= 13
    for name, code, note in rows:
        severity = "warning" if "`check`: warning" in note else "error"
        codes = {(p["severity"], p["code"]) for p in found[str(CORPUS / "invalid" / name)]}
        assert (severity, f"relay_script_{code}") in codes, f"{name}: {codes}"
        assert severity == "error" or not [c for c in codes if c[0] == "error"], f"{name}: {codes}"


def test_printing_loses_nothing(tmp_path):
    """JSON and YAML that we print are the same tree again; the first as Python reads it, too."""
    files = sorted((CORPUS / "swml").iterdir())
    texts = re.split(r"^# .*\n", check("--print=yaml", *files).stdout, flags=re.M)[1:]
    again = [tmp_path / (f.name + ".again.yaml") for f in files]
    assert len(texts) == len(files)
    for path, text in zip(again, texts):
        path.write_text(text)
    for f, line in zip(files, check("--print=json", *again).stdout.splitlines(), strict=True):
        assert json.loads(line) == documents()[f.name], f
        if f.suffix == ".json":
            assert json.loads(f.read_text()) == documents()[f.name], f


# --- the JSON schema ---

@functools.cache
def schema():
    """The schema, but for its choice between the methods: one step has one key, which decides (the same, and much faster)."""
    whole = json.loads((CORPUS / "swml-schema.json").read_text())
    names = [r["$ref"].split("/")[-1] for r in whole["$defs"]["SWMLMethod"]["anyOf"]]
    arguments = {}
    for d in (whole["$defs"][name] for name in names):
        (method, argument), = d["properties"].items()
        assert d["type"] == "object" and d["required"] == [method] and d["unevaluatedProperties"] == {"not": {}}
        arguments[method] = argument
    assert len(arguments) == 43
    whole["$defs"]["SWMLMethod"] = {"type": "object", "minProperties": 1, "maxProperties": 1, "properties": arguments,
                                    "additionalProperties": False}
    return whole


def known():
    return schema()["$defs"]["SWMLMethod"]["properties"]


@functools.cache
def judge(step=False):
    """Of whole documents, or of one step."""
    jsonschema = pytest.importorskip("jsonschema", reason="NO python3-jsonschema: see packages/test.txt")
    whole = schema()
    if not step:
        return jsonschema.Draft202012Validator(whole)
    part = {"$schema": whole["$schema"], "$ref": "#/$defs/SWMLMethod", "$defs": whole["$defs"]}
    resolver = jsonschema.RefResolver("", part, store={"": part, "/SWMLObject.json": whole, "SWMLObject.json": whole})
    return jsonschema.Draft202012Validator(part, resolver=resolver)


def test_parsing_agrees_with_the_schema():
    """Where the index names no exception: what the schema takes has no error, what it rejects has a problem."""
    found = problems((CORPUS / "swml").iterdir())
    exceptions = marked()
    judged = collections.Counter()
    for name, tree in documents().items():
        if name in exceptions or name.startswith(("seed-", "made-")):  # shorthand, which no schema knows
            continue
        if name.endswith(".json") and name[:-5] + ".yaml" in documents():  # twins
            continue
        told = [p for p in found[str(CORPUS / "swml" / name)] if p["code"].startswith("relay_script_")]
        good = judge().is_valid(tree)
        assert good or told, f"{name}: rejected by the schema, and nothing was said"
        assert not good or not [p for p in told if p["severity"] == "error"], f"{name}: {told}"
        judged[good] += 1
    assert judged[True] > 90 and judged[False] > 15, judged
    assert not any(judge().is_valid(documents()[name]) for name in exceptions if name in documents())


def steps(tree, into):
    """Every step of the published documents that the schema takes, once each."""
    if isinstance(tree, list):
        for item in tree:
            if isinstance(item, dict) and len(item) == 1 and set(item) <= set(known()) and judge(True).is_valid(item):
                into[json.dumps(item, sort_keys=True)] = item
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else []:
        steps(child, into)


def places(value, path=()):
    """Paths to every value inside, and the value."""
    yield path, value
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []:
        yield from places(child, path + (key,))


def changed(step, path, change):
    """A copy in which change(holder, key) was done at that path."""
    out = copy.deepcopy(step)
    holder = out
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return out


def damage(step):
    """(what was done, the damaged step): a key dropped, a value of another type, a key that nobody knows."""
    for path, value in places(step):
        if len(path) < 1:
            continue
        if len(path) > 1 and isinstance(path[-1], str):
            yield ("drop", path), changed(step, path, lambda h, k: h.pop(k))
        for other in ({"zzz": 1}, ["zzz"], True, 7):
            if type(other) is not type(value):
                yield ("type", path, other, value), changed(step, path, lambda h, k, o=other: h.__setitem__(k, o))
        if isinstance(value, dict):
            yield ("unknown", path), changed(step, path, lambda h, k: h[k].__setitem__("zzz", 1))


def was(what, old, *new):
    """A value of the one type became one of the others."""
    return what[0] == "type" and type(what[3]) is old and type(what[2]) in new


# Where we and the schema differ with a reason; (what was done, method, damaged step) -> bool.
SILENT = {  # the schema rejects it, and check says nothing
    "a scalar stands for the first parameter, a list for urls (swml.md §1)":
        lambda what, method, step: what[0] == "type" and len(what[1]) == 1,
    "the same in a block":
        lambda what, method, step: was(what, dict, int) and len(what[1]) > 1 and isinstance(what[1][-2], int),
    "the prompt of a sidecar may be a text":
        lambda what, method, step: was(what, dict, int) and what[1] == ("ai_sidecar", "prompt"),
    "the same of a body that may be an object":
        lambda what, method, step: was(what, dict, int) and what[1] == ("request", "body"),
    "headers may be an object (older editions), and any scalar is a text there":
        lambda what, method, step: method == "connect" and what[0] == "type" and "headers" in what[1],
    "a number is a text when a text is wanted: YAML needs no quotes":
        lambda what, method, step: was(what, str, int),
    "the same where any name may have a text":
        lambda what, method, step: what[0] == "unknown" and what[1][-1] in ("headers", "custom_parameters", "resource_vars"),
    "one step stands for a list of one step (swml.md §1)":
        lambda what, method, step: was(what, list, dict) and what[1][-1] in ("then", "else", "default", "on_return"),
    "true is a condition, a value of switch, and a word of beep":
        lambda what, method, step: was(what, str, bool) and what[1][-1] in ("when", "variable", "beep"),
    "one text stands for a list of one":
        lambda what, method, step: was(what, list, int) and what[1][-1] in ("urls", "speech_hints", "call_state_events"),
}
LOUD = {  # the schema takes it, and check finds an error
    "a goto whose label is not in the section": lambda what, method, step: method == "goto",
    "a queue needs transfer_after_bridge (connect.md §12)":
        lambda what, method, step: what == ("drop", ("connect", "transfer_after_bridge")),
    "the value of a header is a text":
        lambda what, method, step: method == "request" and what[1][1:2] == ("headers",),
    "digits are 0-9, *, #, A-D, w and W": lambda what, method, step: method == "send_digits",
}


def test_damaged_steps_are_noticed_as_by_the_schema(tmp_path):
    sound = {}
    for name, tree in documents().items():
        if not name.startswith("messaging-"):
            steps(tree, sound)
    rows = [(next(iter(s)), what, bad) for s in sound.values() for what, bad in damage(s)]
    chance = random.Random(SEED)
    chance.shuffle(rows)
    rows = rows[:DAMAGED] if DAMAGED else rows
    files = []
    for i, (_, _, bad) in enumerate(rows):
        files.append(tmp_path / f"{i}.json")
        files[-1].write_text(json.dumps({"sections": {"main": [bad]}}))
    found = problems(files)
    differ, used = [], collections.Counter()
    for f, (method, what, bad) in zip(files, rows):
        told = [p for p in found[str(f)] if (p["severity"] == "error" or p["code"].startswith("relay_script_"))
                and p["code"] not in ("relay_script_js_eval_error", "relay_script_section_parameter_undefined")]
        good = judge(True).is_valid(bad)
        used["taken" if good else "rejected"] += 1
        loud = [p for p in told if p["severity"] == "error" and p["code"] != "not_in_this_version"]
        wrong = SILENT if not good and not told else LOUD if good and loud else {}
        reasons = [why for why, holds in wrong.items() if holds(what, method, bad)]
        used.update(reasons)
        if wrong and not reasons:
            differ.append((method, what, "silent" if wrong is SILENT else told, bad))
    for d in differ[:40]:
        print(d)
    print(used)
    assert not differ, f"{len(differ)} of {len(rows)}"
    assert used["rejected"] > len(rows) // 3
