"""Lints of Flux scripts: pure functions over the syntax tree."""
