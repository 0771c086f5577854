"""The CPU backends of allumette: `seq` runs on one core, `par` on all, with the same bits."""

__version__ = "0.1.0"
