"""Differentiation: one table of rules, and the transforms derived from it."""
