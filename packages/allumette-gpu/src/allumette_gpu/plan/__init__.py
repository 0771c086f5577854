"""From a program to dispatches: what is computed together, in which order, with which buffers."""
