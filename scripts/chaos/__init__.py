"""Fault campaigns at their full size: in a simulation, and against real processes."""
