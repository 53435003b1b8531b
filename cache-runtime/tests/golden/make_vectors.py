#!/usr/bin/env python3
"""Golden vectors for the keys of cache entries, made by Python's own json and hashlib.

    make_vectors.py            writes vectors.json beside this file
    make_vectors.py --print    prints what it would write
    make_vectors.py --eval     reads one Python expression a line; answers each with its hash, a space and its JSON

Every vector has a twin of the same name in tests/keys/golden.rs, built from Rust types.
"""

import hashlib
import json
import math
import sys
from pathlib import Path


def canonical(params):
    return json.dumps(params, sort_keys=True)


def key_hash(params):
    return hashlib.md5(canonical(params).encode("ascii")).hexdigest()[:12]


FLOATS = [
    0.0, -0.0, 1.0, -1.0, 0.1, 0.5, 2.5, 100.0, 1 / 3, 2 / 3, 0.1 + 0.2, math.pi, 123456.789,
    0.001, 0.0001, 0.00012345, 0.00009999, 0.00001, 0.000012345, 1e-6, 1e-7, 1.5e-10, 1e-100,
    1e14, 1e15, 1e16, 1e17, 123456789012345680.0, 9999999999999998.0, 1.2345e16, 1e21, 1e22, 1e23,
    9007199254740993.0, 1.5e300, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, -1.7976931348623157e308,
    # Half-way between two shortest texts: the even digit is printed.
    108742521468065.625, -1732092516606605.25, 633903757380147.1875, 1974455856983833.25,
]

FILTER = {"from": "2026-01-01", "partner": None, "unpaid": True, "amounts": {"min": 0.5, "max": 1e16}}

CASES = {
    "no_arguments": {},
    "one_integer": {"company": 123},
    "already_sorted": {"a": 1, "b": 2, "c": 3},
    "out_of_order": {"zebra": 1, "apple": 2, "Zulu": 3, "_under": 4, "mango9": 5, "mango10": 6},
    "a_prefix_comes_first": {"ab": 1, "a": 2, "abc": 3},
    "a_filter": {"company": 7, "filter": FILTER, "page": 1},
    "options": {"some": 1, "none": None, "nested": None, "text": "x"},
    "booleans": {"yes": True, "no": False},
    "integer_limits": {
        "as_i8": [-(2**7), 2**7 - 1], "as_i16": [-(2**15), 2**15 - 1], "as_i32": [-(2**31), 2**31 - 1],
        "as_i64": [-(2**63), 2**63 - 1], "as_i128": [-(2**127), 2**127 - 1],
        "as_u8": 2**8 - 1, "as_u16": 2**16 - 1, "as_u32": 2**32 - 1, "as_u64": 2**64 - 1, "as_u128": 2**128 - 1, "zero": 0,
    },
    "floats": {"values": FLOATS},
    "not_finite": {"values": [math.nan, math.inf, -math.inf]},
    "every_ascii_character": {"text": "".join(map(chr, range(0x80)))},
    "each_ascii_character": {"texts": [chr(code) for code in range(0x80)]},
    "quotes_and_slashes": {"text": "\"'\\/\\\\\" \\u0041 </script>"},
    "beyond_ascii": {"text": "\x80\xa0\xe9\u07ff\u0800 Αθήνα 日本語 \u2028\u2029\ufeff\uffff"},
    "astral": {"text": "\U00010000 \U0001f600 \U0001d11e \U0010ffff", "crab": "\U0001f980"},
    "empty_things": {"text": "", "list": [], "map": {}, "nested": [[], {}, [[]], {"": {}}]},
    "lists": {"matrix": [[1, 2, 3], [], [4]], "tuple": [1, "two", 3.0, None, False], "bytes": [0, 1, 255]},
    "keys_by_code_point": {
        "by_name": {"é": 1, "z": 2, "\x7f": 3, "\U0001f600": 4, "\uffff": 5, "\ue000": 6, "e\u0301": 7, "": 8, " ": 9},
    },
    "keys_with_escapes": {
        "by_name": {"\"": 1, "!": 2, "#": 3, "\\": 4, "[": 5, "]": 6, "\n": 7, "\t": 8, "\0": 9, "a\"b": 10, "a b": 11,
                    "/": 12, "\r": 13, "\b": 14, "\f": 15, "u0041": 16},
    },
    "integer_keys": {"by_id": {10: "ten", 9: "nine", -1: "minus one", -10: "minus ten", 0: "zero", 2**63 - 1: "max",
                               -(2**63): "min", 100: "hundred"}},
    "boolean_keys": {"by_flag": {True: 1, False: 0}},
    "character_keys": {"by_letter": {"b": 2, "a": 1, "é": 3}},
    "variant_keys": {"by_status": {"Paid": 1, "Open": 2}},
    "enums": {"unit": "Open", "newtype": {"Partner": 5}, "tuple": {"Between": [1, 2]},
              "struct": {"Since": {"year": 2026, "month": 7}}, "renamed": "past_due"},
    "tagged_enums": {"internally": {"kind": "Card", "number": "4111"},
                     "adjacently": {"kind": "Cash", "data": 12},
                     "untagged": ["text", 5]},
    "units_and_newtypes": {"unit": None, "unit_struct": None, "newtype": 5, "tuple_struct": [1, 2]},
    "flattened": {"query": {"search": "x", "page": 1, "page_size": 50, "zone": "eu", "extra": True}},
    "left_out": {"filter": {"kept": 1}},
    "displayed": {"address": "192.168.0.1", "message": "a \"quoted\" é"},
    "time": {"duration": {"secs": 90, "nanos": 5}},
    "deeply_nested": {"node": {"b": [{"z": {"y": {"x": [{"c": 1, "a": 2}]}}, "a": {}}], "a": {"é": [None]}}},
    "long_text": {"text": "invoice " * 500, "accented": "é" * 100},
}

VECTORS = [
    {"name": name, "kwargs": ascii(kwargs), "canonical": canonical(kwargs), "md5_12": key_hash(kwargs)}
    for name, kwargs in CASES.items()
]


def evaluate(lines):
    names = {"__builtins__": {}, "nan": math.nan, "inf": math.inf}
    for line in lines:
        params = eval(line, names)
        yield f"{key_hash(params)} {canonical(params)}\n"


if __name__ == "__main__":
    text = json.dumps(VECTORS, indent=1) + "\n"
    match sys.argv[1:]:
        case []:
            Path(__file__).with_name("vectors.json").write_text(text, encoding="ascii")
        case ["--print"]:
            sys.stdout.write(text)
        case ["--eval"]:
            sys.stdout.writelines(evaluate(sys.stdin))
        case _:
            sys.exit(__doc__)
