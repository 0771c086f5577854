"""exp, log and what is made of them.

`exp(x) = 2^k exp(r)` with `|r| <= ln(2) / 2` (Cody & Waite, "Software Manual for the Elementary
Functions", 1980); the polynomials of log and erf are N. Juffa's.
"""

SOURCE = """
struct Power { rest: f32, k: i32 }

fn reduced(x: f32, low: f32) -> Power {
  let k = round(x * 1.44269504f);
  let r = ((x - k * 0.693359375f) - k * -2.12194440e-4f) + low;
  var p = 0.0001989198131397769f;
  p = p * r + 0.0013934541928270264f;
  p = p * r + 0.008333310024225292f;
  p = p * r + 0.04166645680967788f;
  p = p * r + 0.16666666682534356f;
  p = p * r + 0.5000000014286223f;
  return Power(r * r * p + r, i32(k));
}

fn exp_f32(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let p = reduced(clamp(x, -105.0f, 90.0f), 0.0f);
  return scaled(p.rest + 1.0f, p.k);
}

fn expm1_f32(x: f32) -> f32 {
  if (is_nan(x) || x == 0.0f) { return x; }
  let p = reduced(clamp(x, -20.0f, 90.0f), 0.0f);
  return scaled(p.rest + (1.0f - power_of_two(-min(p.k, 100))), p.k);
}

fn log_near_one(f: f32, exponent: f32) -> f32 {
  let s = f * f;
  var r = -0.130310059f;
  var t = 0.140869141f;
  r = r * s - 0.121483512f;
  t = t * s + 0.139814854f;
  r = r * s - 0.166846126f;
  t = t * s + 0.200120345f;
  r = r * s - 0.249996200f;
  r = t * f + r;
  r = r * f + 0.333331972f;
  r = r * f - 0.500000000f;
  r = r * s + f;
  return exponent * 0.693147182f + r;
}

fn log_f32(x: f32) -> f32 {
  if (is_nan(x) || x < 0.0f) { return not_a_number(); }
  if (x == 0.0f) { return bitcast<f32>(0xff800000u); }
  if (is_infinite(x)) { return x; }
  let tiny = x < 1.17549435e-38f;
  let bits = bitcast<i32>(select(x, x * 8388608.0f, tiny));
  let e = (bits - 0x3f2aaaab) & i32(-8388608);
  let exponent = f32(e >> 23u) + select(0.0f, -23.0f, tiny);
  return log_near_one(bitcast<f32>(bits - e) - 1.0f, exponent);
}

fn log1p_f32(x: f32) -> f32 {
  if (is_nan(x) || x < -1.0f) { return not_a_number(); }
  if (x == -1.0f) { return bitcast<f32>(0xff800000u); }
  if (is_infinite(x) || x == 0.0f) { return x; }
  let u = exact(1.0f + x);
  let lost = select(x - (u - 1.0f), 1.0f - (u - x), x >= 1.0f);
  let bits = bitcast<i32>(u);
  let e = (bits - 0x3f2aaaab) & i32(-8388608);
  let k = e >> 23u;
  let f = (bitcast<f32>(bits - e) - 1.0f) + lost * power_of_two(-min(k, 126));
  return log_near_one(f, f32(k));
}

fn logistic_f32(x: f32) -> f32 {
  let small = exp_f32(-abs(x));
  return select(1.0f, small, x < 0.0f) / (1.0f + small);
}

fn half_exp(x: f32) -> f32 {
  if (!(x > 88.0f)) { return 0.5f * exp_f32(x); }
  let p = exp_f32(x * 0.5f);  // exp(x) may be infinite where its half is not
  return (0.5f * p) * p;
}

fn sinh_f32(x: f32) -> f32 {
  let a = abs(x);
  if (a < 1.0f) {
    let e = expm1_f32(a);
    return select(with_sign(0.5f * (e + e / (e + 1.0f)), x), x, a == 0.0f);
  }
  let large = half_exp(a);
  return select(with_sign(large - 0.25f / large, x), x, is_nan(x));
}

fn cosh_f32(x: f32) -> f32 {
  let large = half_exp(abs(x));
  return large + 0.25f / large;
}

fn tanh_f32(x: f32) -> f32 {
  if (is_nan(x) || x == 0.0f) { return x; }
  let t = expm1_f32(2.0f * min(abs(x), 10.0f));
  return with_sign(t / (t + 2.0f), x);
}

fn asinh_f32(x: f32) -> f32 {
  let a = abs(x);
  if (is_nan(x) || x == 0.0f || is_infinite(x)) { return x; }
  if (a > 16384.0f) { return with_sign(log_f32(a) + 0.693147182f, x); }
  return with_sign(log1p_f32(a + a * (a / (1.0f + sqrt(1.0f + a * a)))), x);
}

fn acosh_f32(x: f32) -> f32 {
  if (x < 1.0f || is_nan(x)) { return not_a_number(); }
  if (x > 16384.0f) { return log_f32(x) + 0.693147182f; }
  let above = x - 1.0f;
  return log1p_f32(above + sqrt(2.0f * above + above * above));
}

fn atanh_f32(x: f32) -> f32 {
  let a = abs(x);
  if (is_nan(x) || a > 1.0f) { return not_a_number(); }
  if (x == 0.0f) { return x; }
  if (a == 1.0f) { return with_sign(bitcast<f32>(0x7f800000u), x); }
  return with_sign(0.5f * log1p_f32(2.0f * a / (1.0f - a)), x);
}

fn erf_f32(x: f32) -> f32 {
  let a = abs(x);
  let s = x * x;
  var p = -5.96761703e-4f;
  p = p * s + 4.99119423e-3f;
  p = p * s - 2.67681349e-2f;
  p = p * s + 1.12819925e-1f;
  p = p * s - 3.76125336e-1f;
  p = p * s + 1.28379166e-1f;
  let t = min(a, 4.0f);
  var q = -1.72853470e-5f;
  q = q * t + 3.83197126e-4f;
  q = q * t - 3.88396438e-3f;
  q = q * t + 2.42546219e-2f;
  q = q * t - 1.06777877e-1f;
  q = q * t - 6.34846687e-1f;
  q = q * t - 1.28717512e-1f;
  let far = with_sign(1.0f - exp_f32(q * t - t), x);
  return select(select(far, x * p + x, a < 0.921875f), x, is_nan(x));
}
"""
