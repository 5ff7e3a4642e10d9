"""Tests of the dbt project: the marts equal a recount of core, whatever happens and in whatever order."""
