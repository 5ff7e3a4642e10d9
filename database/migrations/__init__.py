"""The schema, as alembic migrations whose bodies are plain SQL files."""
