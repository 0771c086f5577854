"""Text of WGSL: dtypes, scalar operations, mathematical functions, indices."""
