"""Integers: division that rounds down, powers, shifts, and the block cipher of random numbers."""

from string import Template

_SIGNED = """
fn floordiv_$t(a: $t, b: $t) -> $t {
  if (b == 0$s) { return 0$s; }
  if (b == -1$s) { return -a; }
  let quotient = a / b;
  return select(quotient, quotient - 1$s, quotient * b != a && (a < 0$s) != (b < 0$s));
}

fn mod_$t(a: $t, b: $t) -> $t {
  if (b == 0$s || b == -1$s) { return 0$s; }
  let rest = a - (a / b) * b;
  return select(rest, rest + b, rest != 0$s && (rest < 0$s) != (b < 0$s));
}

fn pow_$t(x: $t, y: $t) -> $t {
  if (y < 0$s) {
    if (x == 1$s) { return 1$s; }
    return select(0$s, 1$s - 2$s * (y & 1$s), x == -1$s);
  }
  var result = 1$s;
  var factor = x;
  var rest = y;
  while (rest > 0$s) {
    if ((rest & 1$s) == 1$s) { result *= factor; }
    factor *= factor;
    rest = rest >> 1u;
  }
  return result;
}

"""
_UNSIGNED = """
fn floordiv_$t(a: $t, b: $t) -> $t {
  if (b == 0$s) { return 0$s; }
  return a / b;
}

fn mod_$t(a: $t, b: $t) -> $t {
  if (b == 0$s) { return 0$s; }
  return a - (a / b) * b;
}

fn pow_$t(x: $t, y: $t) -> $t {
  var result = 1$s;
  var factor = x;
  var rest = y;
  while (rest > 0$s) {
    if ((rest & 1$s) == 1$s) { result *= factor; }
    factor *= factor;
    rest = rest >> 1u;
  }
  return result;
}

"""
_THREEFRY = """
fn threefry(k0: u32, k1: u32, high: u32, low: u32) -> vec2<u32> {
  let keys = array<u32, 3>(k0, k1, k0 ^ k1 ^ 0x1bd11bdau);
  var a = high + k0;
  var b = low + k1;
$rounds
  return vec2<u32>(a, b);
}
"""


def _rounds() -> str:
    lines = []
    for group in range(5):
        for rotation in ((13, 15, 26, 6), (17, 29, 16, 24))[group % 2]:
            lines.append(f"  a += b; b = ((b << {rotation}u) | (b >> {32 - rotation}u)) ^ a;")
        first, second = (group + 1) % 3, (group + 2) % 3
        lines.append(f"  a += keys[{first}]; b += keys[{second}] + {group + 1}u;")
    return "\n".join(lines)


SOURCE = "".join(
    Template(text).substitute(t=name, s=suffix)
    for text, kinds in ((_SIGNED, ("i32 i", "i64 li")), (_UNSIGNED, ("u32 u", "u64 lu")))
    for name, suffix in (kind.split() for kind in kinds)
) + Template(_THREEFRY).substitute(rounds=_rounds())
