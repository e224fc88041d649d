"""The crate beside a page, by roc-validator: by hand with `pytest -m crate`.

It is installed in an environment of its own, so that nothing else here has what it brings; then it is asked
without network.
"""

import json
import os
import subprocess
import sys

import pytest
from rocrate import vocabs

from meddef_lib.report import crate
from tests.crate_rules import CONTEXT

pytestmark = pytest.mark.crate
# of the context that rocrate has (1.3), where 1.1 says otherwise
WORDS_OF_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}
# puts a context into the validator's memory of what it fetched: CACHE FILE ADDRESS
REMEMBER = """
import io, pathlib, sys
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from urllib3 import HTTPResponse

class OfAFile(HTTPAdapter):
    def send(self, request, **options):
        body = io.BytesIO(pathlib.Path(sys.argv[2]).read_bytes())
        kind = {"Content-Type": "application/ld+json"}
        return self.build_response(request, HTTPResponse(body, kind, 200, preload_content=False))

session = CachedSession(sys.argv[1], backend="sqlite", expire_after=-1)
session.mount("https://", OfAFile())
session.get(sys.argv[3])
"""


@pytest.fixture(scope="module")
def validated(tmp_path_factory):
    """Holds the crate in a folder to what a profile requires; whether it passes, and what is said of it."""
    folder = tmp_path_factory.mktemp("validator")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    programs = folder / "venv/bin"
    install = [programs / "pip", "install", "-q", "roc-validator>=0.13"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"roc-validator cannot be installed here: {done.stderr.strip()[-300:]}")
    context, cache = folder / "context.json", folder / "cache"
    context.write_text(json.dumps({"@context": vocabs.RO_CRATE["@context"] | WORDS_OF_1_1}), encoding="utf-8")
    subprocess.run([programs / "python", "-c", REMEMBER, cache, context, CONTEXT], check=True)

    def validate(report, profile):
        options = ["--offline", "--cache-path", cache, "--skip-availability-check", "--no-auto-profile"]
        words = [programs / "rocrate-validator", "-y", "validate", *options, "-v", "--no-paging"]
        command = [*words, "-l", "required", "-p", profile, report]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "200"}
        )
        return done.returncode == 0, done.stdout + done.stderr

    return validate


@pytest.mark.parametrize("profile", ["workflow-run-crate", "process-run-crate", "workflow-ro-crate"])
def test_the_crate_has_what_a_profile_requires(written, validated, tmp_path, profile):
    said, _ = written()
    passes, told = validated(tmp_path, profile)
    assert passes, told
    without_licence = said.replace('"license"', '"licence"')
    (tmp_path / crate.NAME).write_text(without_licence, encoding="utf-8")
    assert not validated(tmp_path, profile)[0], "it does look"
