"""Angles. Arguments are reduced in integers for the whole range (Payne & Hanek, "Radian reduction
for trigonometric functions", 1983): x = m 2^e, and m times 96 bits of 2/pi, from where multiples
of 4 drop out, is the angle in quarter turns. Polynomials after N. Juffa and S. Moshier's Cephes.
"""

SOURCE = """
var<private> two_over_pi: array<u32, 9> = array<u32, 9>(0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u,
  0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu, 0u);

fn high_word(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let middle = ah * bl + ((al * bl) >> 16u);
  let other = al * bh + (middle & 0xffffu);
  return ah * bh + (middle >> 16u) + (other >> 16u);
}

fn bits_from(word: u32, shift: u32) -> u32 {
  if (shift == 0u) { return two_over_pi[word]; }
  return (two_over_pi[word] << shift) | (two_over_pi[word + 1u] >> (32u - shift));
}

struct Angle { r: f32, quarter: u32 }

fn quarter_turns(size: f32) -> Angle {
  if (size < 0.78539816f) { return Angle(size, 0u); }
  let bits = bitcast<u32>(size);
  let m = (bits & 0x7fffffu) | 0x800000u;
  let start = (bits >> 23u) - 120u;
  let word = start >> 5u;
  let shift = start & 31u;
  let w0 = bits_from(word, shift);
  let w1 = bits_from(word + 1u, shift);
  let w2 = bits_from(word + 2u, shift);
  let p2 = m * w2;
  let p1 = m * w1 + high_word(m, w2);
  let carry = select(0u, 1u, p1 < m * w1);
  let p0 = m * w0 + high_word(m, w1) + carry;
  var quarter = p0 >> 30u;
  var high = (p0 << 2u) | (p1 >> 30u);
  var low = (p1 << 2u) | (p2 >> 30u);
  let above = high >= 0x80000000u;
  if (above) {
    quarter += 1u;
    low = ~low + 1u;
    high = ~high + select(0u, 1u, low == 0u);
  }
  if (high == 0u) { return Angle(0.0f, quarter & 3u); }
  let zeros = countLeadingZeros(high);
  if (zeros > 0u) { high = (high << zeros) | (low >> (32u - zeros)); }
  let r = f32(high_word(high, 0xc90fdaa2u)) * bitcast<f32>((96u - zeros) << 23u);
  return Angle(select(r, -r, above), quarter & 3u);
}

fn sine_near_zero(r: f32) -> f32 {
  let s = r * r;
  var p = 2.86567956e-6f;
  p = p * s - 1.98559923e-4f;
  p = p * s + 8.33338592e-3f;
  p = p * s - 1.66666672e-1f;
  return p * (r * s) + r;
}

fn cosine_near_zero(r: f32) -> f32 {
  let s = r * r;
  var p = 2.44677067e-5f;
  p = p * s - 1.38877297e-3f;
  p = p * s + 4.16666567e-2f;
  p = p * s - 0.5f;
  return p * s + 1.0f;
}

fn sine_of(a: Angle, turn: u32) -> f32 {
  let quarter = a.quarter + turn;
  var value: f32;
  if ((quarter & 1u) == 1u) { value = cosine_near_zero(a.r); } else { value = sine_near_zero(a.r); }
  return select(value, -value, (quarter & 2u) == 2u);
}

fn sin_f32(x: f32) -> f32 {
  if (is_nan(x) || is_infinite(x)) { return not_a_number(); }
  if (abs(x) < 1.0e-4f) { return x; }
  let value = sine_of(quarter_turns(abs(x)), 0u);
  return select(value, -value, x < 0.0f);
}

fn cos_f32(x: f32) -> f32 {
  if (is_nan(x) || is_infinite(x)) { return not_a_number(); }
  return sine_of(quarter_turns(abs(x)), 1u);
}

fn tan_f32(x: f32) -> f32 {
  if (is_nan(x) || is_infinite(x)) { return not_a_number(); }
  if (abs(x) < 1.0e-4f) { return x; }
  let a = quarter_turns(abs(x));
  let s = sine_near_zero(a.r);
  let c = cosine_near_zero(a.r);
  var value: f32;
  if ((a.quarter & 1u) == 1u) { value = -c / s; } else { value = s / c; }
  return select(value, -value, x < 0.0f);
}

fn arc_sine(a: f32) -> f32 {
  let s = a * a;
  var p = 4.2163199048e-2f;
  p = p * s + 2.4181311049e-2f;
  p = p * s + 4.5470025998e-2f;
  p = p * s + 7.4953002686e-2f;
  p = p * s + 1.6666752422e-1f;
  return p * (s * a) + a;
}

fn asin_f32(x: f32) -> f32 {
  let a = abs(x);
  if (is_nan(x) || a > 1.0f) { return not_a_number(); }
  if (a < 1.0e-4f) { return x; }
  if (a <= 0.5f) { return arc_sine(x); }
  let root = arc_sine(sqrt(0.5f * (1.0f - a)));
  return with_sign(1.57079637f - (2.0f * root + 4.37113883e-8f), x);
}

fn acos_f32(x: f32) -> f32 {
  let a = abs(x);
  if (is_nan(x) || a > 1.0f) { return not_a_number(); }
  if (a <= 0.5f) { return 1.57079637f - (arc_sine(x) + 4.37113883e-8f); }
  let twice = 2.0f * arc_sine(sqrt(0.5f * (1.0f - a)));
  return select(twice, 3.14159274f - (twice + 8.74227766e-8f), x < 0.0f);
}

fn arc_tangent(z: f32) -> f32 {
  let s = z * z;
  var p = 2.78569828e-3f;
  p = p * s - 1.58660226e-2f;
  p = p * s + 4.24722321e-2f;
  p = p * s - 7.49753043e-2f;
  p = p * s + 1.06448799e-1f;
  p = p * s - 1.42070308e-1f;
  p = p * s + 1.99934542e-1f;
  p = p * s - 3.33331466e-1f;
  return p * (s * z) + z;
}

fn atan_f32(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let a = abs(x);
  if (a < 1.0e-4f) { return x; }
  if (a <= 1.0f) { return arc_tangent(x); }
  if (is_infinite(x)) { return with_sign(1.57079637f, x); }
  return with_sign(1.57079637f - (arc_tangent(1.0f / a) + 4.37113883e-8f), x);
}

fn atan2_f32(y: f32, x: f32) -> f32 {
  if (is_nan(x) || is_nan(y)) { return not_a_number(); }
  let height = abs(y);
  let width = abs(x);
  let large = max(height, width);
  var slope = 0.0f;
  if (is_infinite(height) && is_infinite(width)) { slope = 1.0f; }
  else if (large > 0.0f && !is_infinite(large)) {
    let down = select(1.0f, 0.25f, large > 1.0e37f);
    slope = (min(height, width) * down) / (large * down);
  }
  var angle = arc_tangent(slope);
  if (height > width) { angle = 1.57079637f - (angle + 4.37113883e-8f); }
  if (is_negative(x)) { angle = 3.14159274f - (angle + 8.74227766e-8f); }
  return with_sign(angle, y);
}
"""
