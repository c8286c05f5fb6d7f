"""Graphs of stages and maps of windows, for a terminal and as SVG."""
