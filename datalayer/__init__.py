"""The reads that every module shares, the few writes that modules need, and their cache."""
