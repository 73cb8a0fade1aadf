"""Exposures, the groups they form, and what is made of a number of them."""
