"""What a run gave, and the proofs that none of it was lost or counted twice."""
