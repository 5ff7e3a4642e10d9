"""Tests of the Dagster code locations."""
