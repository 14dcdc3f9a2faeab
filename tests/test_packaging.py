import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Build the wheel and unpack it, which is all that installing one does."""
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / "site")
    return directory / "site"


def run(unpacked, code, directory):
    """Run code that imports the gateway from the wheel, away from the checkout."""
    begin = f"import sys; sys.path.insert(0, {str(unpacked)!r}); sys.argv = ['gateway', 'models', '--json']; "
    done = subprocess.run(
        [sys.executable, "-I", "-c", begin + code], cwd=directory, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_wheel_brings_its_own_configuration(unpacked, tmp_path):
    """It finds the settings and the catalogue inside itself, not in a checkout."""
    code = "from gateway.settings import shipped; print(shipped('gateway.toml')); print(shipped('models.toml'))"
    found = [Path(line) for line in run(unpacked, code, tmp_path).splitlines()]
    assert found == [unpacked / "gateway/config" / name for name in ("gateway.toml", "models.toml")]
    for path in found:
        assert path.read_bytes() == (ROOT / "config" / path.name).read_bytes()


def test_the_command_works_from_an_installed_wheel(unpacked, tmp_path):
    models = json.loads(run(unpacked, "from gateway.cli import main; main()", tmp_path))
    assert "gpt-image-1" in [model["id"] for model in models]


def test_the_wheel_leaves_nothing_of_the_package_behind(unpacked):
    """Stylesheets, scripts and the marker of types are as needed as the code."""
    source = {path.relative_to(ROOT) for path in (ROOT / "gateway").rglob("*") if path.is_file()}
    wanted = {path for path in source if "__pycache__" not in path.parts}
    assert [path for path in sorted(wanted) if not (unpacked / path).is_file()] == []


def test_the_wheel_bears_its_licence_and_its_command(unpacked):
    [info] = unpacked.glob("*.dist-info")
    assert (info / "licenses/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert "gateway = gateway.cli:main" in (info / "entry_points.txt").read_text()


def test_the_image_is_built_from_files_that_exist():
    """Every file that the Dockerfile copies is there, and not kept out of its context."""
    copied = [
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    allowed = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"]
    assert sorted(copied) == sorted(allowed)
    assert [source for source in copied if not (ROOT / source).exists()] == []
