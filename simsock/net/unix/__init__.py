"""Unix sockets: between programs of one host, without a network."""
