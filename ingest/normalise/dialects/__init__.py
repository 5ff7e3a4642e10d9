"""How each source writes its deliveries and its tweets."""
