"""From the graph to what a backend runs: Program, simplification, schedule and streaming."""
