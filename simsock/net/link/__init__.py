"""What happens between two hosts: settings, wires, rules and partitions."""
