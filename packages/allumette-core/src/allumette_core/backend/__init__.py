"""What a backend is (`spec`), how one is found (`hooks`, `registry`), and the NumPy one."""
