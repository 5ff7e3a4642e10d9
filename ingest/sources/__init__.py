"""The front half of the source adapters: who may deliver, and how many items a body holds."""
