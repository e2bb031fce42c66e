"""Writes src/wire/saslprep.json: the tables of RFC 3454 as flat ranges of code points, from Python's stringprep."""
import json
import stringprep as s

FORBIDDEN = (s.in_table_a1, s.in_table_c21, s.in_table_c22, s.in_table_c3, s.in_table_c4,
             s.in_table_c5, s.in_table_c6, s.in_table_c7, s.in_table_c8, s.in_table_c9)


def ranges(holds):
    flat = []
    inside = False
    for point in range(0x110000):
        if holds(chr(point)) != inside:
            flat.append(point - 1 if inside else point)
            inside = not inside
    return flat + [0x10FFFF] if inside else flat


json.dump({
    "space": ranges(s.in_table_c12),
    "nothing": ranges(s.in_table_b1),
    "prohibited": ranges(lambda c: any(holds(c) for holds in FORBIDDEN)),
    "rightToLeft": ranges(s.in_table_d1),
    "leftToRight": ranges(s.in_table_d2),
}, open("src/wire/saslprep.json", "w"))
