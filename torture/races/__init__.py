"""Races over what is scarce. Each is first lost by the shop made naive, and its own judge must see that."""
