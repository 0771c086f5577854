"""The command `allumette`: what is installed, what is wrong with it, and what plugins add."""

from .app import main

__all__ = ["main"]
