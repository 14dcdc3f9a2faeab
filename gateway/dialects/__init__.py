"""How each upstream family spells "make me an image": one file per family, listed here and nowhere else."""

from gateway.dialects import (
    flux,
    flux_one_step,
    ideogram,
    imagen,
    openai,
    qianfan,
    seedream,
    stability,
)
from gateway.dialects.base import Dialect

DIALECTS: dict[str, Dialect] = {
    "openai": openai,
    "imagen": imagen,
    "flux": flux,
    "flux_one_step": flux_one_step,
    "qianfan": qianfan,
    "seedream": seedream,
    "ideogram": ideogram,
    "stability": stability,
}
