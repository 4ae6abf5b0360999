"""What is inside a sample, measured again: one module a kind of member, bytes in and rows out."""
