"""What holds for the repository as a whole, whatever it does."""
