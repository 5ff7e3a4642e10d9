"""The whole way of a tweet: from the webhook to the marts."""
