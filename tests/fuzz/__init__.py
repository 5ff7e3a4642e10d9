"""Fuzzing the front door: mutated requests over the loopback, then normalising what was kept, then the accounts."""
