"""An OpenAI-compatible gateway to the image models of Aihubmix."""

__version__ = "0.1.0"
