"""What the paper prints and claims, and the audit of its numbers against each other."""
