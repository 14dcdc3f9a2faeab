"""A strict simulated Aihubmix: for a first run without a key, and for tests.

Written only from the Aihubmix document and the providers' references. It refuses what they do not show, so a wrong
dialect fails here instead of at the till.
"""
