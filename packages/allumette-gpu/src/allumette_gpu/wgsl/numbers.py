"""Floating-point building blocks.

WGSL lets an implementation assume that there is no NaN, so that NaN is told by its bits. It also
lets a * b + c be fused or not, and drivers take (1 + x) - 1 for x: where a rounding error matters,
the rounded number goes through `exact`, which no compiler sees through: `zero` is known late.
They take x - x for 0, too, be it infinite: an operand goes through `apart`, so that it is no
number that was seen before.
"""

SOURCE = """
var<private> zero: u32;

fn exact(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) | zero); }

fn apart(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) + zero); }

var<private> nan_bits: u32 = 0x7fc00000u;

fn not_a_number() -> f32 { return bitcast<f32>(nan_bits); }

fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

fn is_infinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u; }

fn is_negative(x: f32) -> bool { return bitcast<u32>(x) >= 0x80000000u; }

fn with_sign(size: f32, x: f32) -> f32 {
  return bitcast<f32>((bitcast<u32>(size) & 0x7fffffffu) | (bitcast<u32>(x) & 0x80000000u));
}

fn maximum_f32(a: f32, b: f32) -> f32 {
  if (is_nan(a)) { return a; }
  if (is_nan(b)) { return b; }
  return select(b, a, a > b);
}

fn minimum_f32(a: f32, b: f32) -> f32 {
  if (is_nan(a)) { return a; }
  if (is_nan(b)) { return b; }
  return select(b, a, a < b);
}

fn sign_f32(x: f32) -> f32 {
  return select(select(select(exact(0.0f), -1.0f, x < 0.0f), 1.0f, x > 0.0f), x, is_nan(x));
}

fn floor_f32(x: f32) -> f32 {
  return select(with_sign(floor(x), x), x, abs(x) >= 8388608.0f || is_nan(x));
}

fn ceil_f32(x: f32) -> f32 {
  return select(with_sign(ceil(x), x), x, abs(x) >= 8388608.0f || is_nan(x));
}

fn round_f32(x: f32) -> f32 {
  return select(with_sign(round(x), x), x, abs(x) >= 8388608.0f || is_nan(x));
}

fn sqrt_f32(x: f32) -> f32 {
  if (x < 0.0f || is_nan(x)) { return not_a_number(); }
  return select(sqrt(x), x, x == 0.0f || is_infinite(x));
}

fn power_of_two(k: i32) -> f32 { return bitcast<f32>(u32(k + 127) << 23u); }

fn scaled(x: f32, k: i32) -> f32 {
  let half = k >> 1u;
  return x * power_of_two(half) * power_of_two(k - half);
}

fn fmod_f32(a: f32, b: f32) -> f32 {
  let x = bitcast<u32>(a) & 0x7fffffffu;
  let y = bitcast<u32>(b) & 0x7fffffffu;
  if (is_nan(a) || is_nan(b) || x == 0x7f800000u || y < 0x00800000u) { return not_a_number(); }
  if (x < y) { return a; }
  let divisor = (y & 0x7fffffu) | 0x800000u;
  var rest = ((x & 0x7fffffu) | 0x800000u) % divisor;
  var steps = (x >> 23u) - (y >> 23u);
  while (steps > 0u) {
    let step = min(steps, 8u);
    rest = (rest << step) % divisor;
    steps -= step;
  }
  return with_sign(scaled(f32(rest), i32(y >> 23u) - 150), a);
}

fn mod_f32(a: f32, b: f32) -> f32 {
  let rest = fmod_f32(a, b);
  if (is_nan(rest)) { return rest; }
  if (rest == 0.0f) { return with_sign(0.0f, b); }
  return select(rest, rest + b, (rest < 0.0f) != (b < 0.0f));
}

fn floordiv_f32(a: f32, b: f32) -> f32 {
  if (b == 0.0f || is_nan(a) || is_nan(b)) { return a / b; }
  let rest = fmod_f32(a, b);
  if (is_nan(rest)) { return rest; }
  var quotient = (a - rest) / b;
  if (rest != 0.0f && (rest < 0.0f) != (b < 0.0f)) { quotient -= 1.0f; }
  if (quotient == 0.0f) { return with_sign(0.0f, a / b); }
  let below = floor(quotient);
  return select(below, below + 1.0f, quotient - below > 0.5f);
}

fn to_i32(x: f32) -> i32 {
  if (is_nan(x)) { return 0; }
  if (x >= 2147483648.0f) { return 2147483647; }
  if (x <= -2147483648.0f) { return i32(-2147483648); }
  return i32(x);
}

fn to_u32(x: f32) -> u32 {
  if (is_nan(x) || x <= 0.0f) { return 0u; }
  if (x >= 4294967296.0f) { return 4294967295u; }
  return u32(x);
}

fn to_i64(x: f32) -> i64 {
  if (is_nan(x)) { return 0li; }
  if (x >= 9223372036854775808.0f) { return 9223372036854775807li; }
  if (x <= -9223372036854775808.0f) { return -9223372036854775807li - 1li; }
  return i64(x);
}

fn to_u64(x: f32) -> u64 {
  if (is_nan(x) || x <= 0.0f) { return 0lu; }
  if (x >= 18446744073709551616.0f) { return 18446744073709551615lu; }
  return u64(x);
}

fn to_f16(x: f32) -> f32 {
  if (is_nan(x) || is_infinite(x)) { return x; }
  if (abs(x) >= 65520.0f) { return with_sign(bitcast<f32>(0x7f800000u), x); }
  return f32(f16(x));
}
"""
