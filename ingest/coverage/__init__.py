"""Coverage: when somebody listened, when nobody did, and collecting afterwards what was missed."""
