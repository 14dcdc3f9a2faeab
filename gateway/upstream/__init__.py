"""Aihubmix over HTTP: calls that are made at most once, and pictures fetched from wherever they lie."""
