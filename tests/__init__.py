"""Tests of the project, by layer."""
