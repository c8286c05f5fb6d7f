"""Logs, metrics, probes and redaction: what the operator tells of itself, without secrets."""
