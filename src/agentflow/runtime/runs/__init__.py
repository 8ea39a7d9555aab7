"""The public face of the runtime: start, inspect, cancel."""
