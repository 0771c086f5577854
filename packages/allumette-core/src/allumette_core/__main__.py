"""`python -m allumette_core` is the command `allumette`."""

from .cli import main

main()
