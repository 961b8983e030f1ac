"""Streams between two hosts, as TCP makes them."""
