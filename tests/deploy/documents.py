"""What `deploy/` holds, as its readers read it."""

import re
from pathlib import Path

import yaml

from gateway.launcher import _MARGIN_S
from gateway.settings import load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

STOPS_WITHIN_S = load_settings({}).server.shutdown_grace_s + _MARGIN_S
"""How long the gateway may take to stop."""

PINNED = re.compile(r"[^:]+:v?\d+\.\d+\.\d+(-[a-z0-9.]+)?")
"""An image of one release, not of whatever is newest."""

DOCKERFILE = (ROOT / "Dockerfile").read_text()


def load(path):
    """Read a YAML file of one document."""
    return yaml.safe_load((DEPLOY / path).read_text())


def bytes_of(size):
    """Read a size as Valkey and Docker write it: 1536m, 2g or 2gb."""
    number, unit = re.fullmatch(r"(\d+)([kmg])b?", size).groups()
    return int(number) << {"k": 10, "m": 20, "g": 30}[unit]
