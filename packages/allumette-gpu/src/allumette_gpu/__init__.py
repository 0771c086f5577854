"""The GPU backend of allumette. Use it through `allumette_core`: `al.ones(3, device="gpu")`."""

__version__ = "0.1.0"
