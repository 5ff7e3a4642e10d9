"""The HTTP face of the data layer, and a dashboard for people who would rather look than read."""
