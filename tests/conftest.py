"""What all tests share: Hypothesis asks the same questions in every run, and takes the time that it takes on a slow machine."""

from hypothesis import settings

settings.register_profile("simsock", deadline=None, derandomize=True)
settings.load_profile("simsock")
