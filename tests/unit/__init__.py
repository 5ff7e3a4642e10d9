"""Tests of pure code: no database, no network, no clock."""
