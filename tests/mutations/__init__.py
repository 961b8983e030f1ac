"""What the tests miss: see ``__main__``."""
