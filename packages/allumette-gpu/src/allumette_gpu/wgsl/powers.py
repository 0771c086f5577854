"""Powers, from a logarithm kept as a sum of two numbers.

Products are sums of products of halves, which are exact (Dekker, "A floating-point technique for
extending the available precision", 1971), so that it does not matter whether a compiler fuses them.
"""

SOURCE = """
fn high_half(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u); }

fn precise_product(a: f32, b: f32) -> vec2<f32> {
  let ah = high_half(a);
  let al = a - ah;
  let bh = high_half(b);
  let bl = b - bh;
  return vec2<f32>(ah * bh, (ah * bl + al * bh) + al * bl);
}

fn precise_log(x: f32) -> vec2<f32> {
  let bits = bitcast<i32>(x);
  let e = (bits - 0x3f3504f3) & i32(-8388608);
  let m = bitcast<f32>(bits - e);
  let k = f32(e >> 23u);
  let f = m - 1.0f;
  let g = exact(m + 1.0f);
  let g_low = m - (g - 1.0f);
  let s = f / g;
  let back = precise_product(s, g);
  let s_low = (((f - back.x) - back.y) - s * g_low) / g;
  let square = s * s;
  var p = 0.18181818f;
  p = p * square + 0.22222222f;
  p = p * square + 0.28571429f;
  p = p * square + 0.4f;
  p = p * square + 0.66666667f;
  let tail = 2.0f * s_low + s * (square * p);
  let top = k * 0.693359375f;
  let high = exact(top + 2.0f * s);
  let low = (2.0f * s - (high - top)) + (tail + k * -2.12194440e-4f);
  let sum = exact(high + low);
  return vec2<f32>(sum, low - (sum - high));
}

fn positive_power(x: f32, y: f32) -> f32 {
  let l = precise_log(x);
  let limited = clamp(y, -1.0e12f, 1.0e12f);
  let rough = l.x * limited;
  if (rough > 100.0f) { return bitcast<f32>(0x7f800000u); }
  if (rough < -110.0f) { return 0.0f; }
  let product = precise_product(l.x, limited);
  let p = reduced(product.x, product.y + l.y * limited);
  return scaled(p.rest + 1.0f, p.k);
}

fn pow_f32(x: f32, y: f32) -> f32 {
  if (x == 1.0f || y == 0.0f) { return 1.0f; }
  if (is_nan(x) || is_nan(y)) { return not_a_number(); }
  let size = abs(x);
  if (is_infinite(y)) {
    if (size == 1.0f) { return 1.0f; }
    return select(0.0f, bitcast<f32>(0x7f800000u), (size > 1.0f) == (y > 0.0f));
  }
  let whole = abs(y) >= 8388608.0f || floor(y) == y;
  let odd = whole && abs(y) < 16777216.0f && (i32(abs(y)) & 1) == 1;
  var result: f32;
  if (size == 0.0f || is_infinite(size)) {
    result = select(0.0f, bitcast<f32>(0x7f800000u), (size == 0.0f) != (y > 0.0f));
  } else if (x < 0.0f && !whole) {
    return not_a_number();
  } else {
    result = positive_power(size, y);
  }
  return select(result, -result, is_negative(x) && odd);
}
"""
