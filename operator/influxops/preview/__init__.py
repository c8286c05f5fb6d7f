"""What the operator would do, worked out by the operator's own code, with nothing that can write."""
