"""The commands of ``python -m ingest``; each module is imported only when its command is called."""
