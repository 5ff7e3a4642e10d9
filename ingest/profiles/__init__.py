"""Profile snapshots: following how accounts grow."""
