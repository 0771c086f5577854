"""The CPU backends of allumette: `seq` runs on one core, `par` on all of them, with the same bits."""

__version__ = "0.1.0"
