"""A kernel of each kind, as WGSL."""
