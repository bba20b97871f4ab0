"""A hundred questions of general knowledge, and the judge of answers to them."""
