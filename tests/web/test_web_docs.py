"""The page about the service: its examples run as they stand, and its table of errors is that of the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from opsin.errors import ClientGone, OpsinError
from opsin.testing import jpeg_bytes, make_picture
from opsin.web.parameters import PARAMETERS
from opsin.web.problems import BY_CODE

if TYPE_CHECKING:
    from tests.conftest import Lacking
    from tests.web.conftest import Served

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "api.md").read_text("utf-8")
EXAMPLES = PAGE + "".join(
    (DOCS / f"{name}.md").read_text("utf-8") for name in ("saved-searches", "vocabularies", "export")
)


def test_the_examples_run_as_they_stand(served: Served, tmp_path: Path, lacking: Lacking) -> None:
    if shutil.which("curl") is None:
        lacking("curl is not installed")
    (tmp_path / "photo.jpg").write_bytes(jpeg_bytes(make_picture("red", "square", 96)))
    examples = [block for block in re.findall(r"```sh\n(.*?)```", EXAMPLES, re.DOTALL) if "curl" in block]
    # \n after each answer, so that each stands on a line
    script = "set -eu\n" + "\n".join(examples).replace("curl --fail", "curl -w '\\n' --fail")
    environment = {"PATH": os.environ["PATH"], "URL": served.url, "KEY": served.key, "HOME": str(tmp_path)}
    ran = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
    answers = [msgspec.json.decode(line) for line in ran.stdout.splitlines() if line.startswith(("{", "["))]
    assert len(answers) >= sum(example.count("curl") for example in examples) - 8  # what goes to files
    assert (tmp_path / "original.jpg").read_bytes().startswith((tmp_path / "photo.jpg").read_bytes())


def test_every_status_and_code_of_the_table_is_that_of_the_error() -> None:
    rows = re.findall(r"^\| (\d[\d, ]*) \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows
    for statuses, text in rows:
        for code in set(re.findall(r"`([a-z-]+)`", text)) & BY_CODE.keys():
            assert str(BY_CODE[code].http_status) in statuses, code
    told = {status for statuses, _ in rows for status in re.findall(r"\d+", statuses)}
    assert {str(error.http_status) for error in BY_CODE.values() if error not in {OpsinError, ClientGone}} - told == {
        "500",
        "502",
    }  # 502: the client's own


def test_every_operation_is_called_by_a_sentence_and_stands_in_a_group_that_is_explained(served: Served) -> None:
    schema = served.client.get("/v1/openapi.json").json()
    groups = {each["name"]: each["description"] for each in schema["tags"]}
    assert all(groups.values())
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            assert len(operation["summary"].split()) > 1, (method, path)
            assert operation["description"].replace("`", "").startswith(operation["summary"][:20]), (method, path)
            assert "`" not in operation["summary"], (method, path)
            assert not re.search(r"``|:(raises|returns)", operation["description"]), (method, path)
            assert set(operation["tags"]) <= groups.keys(), (method, path)


def test_every_parameter_is_explained_and_so_is_every_field_of_a_form(served: Served) -> None:
    schema = served.client.get("/v1/openapi.json").json()
    operations = [
        (f"{method} {path}", operation) for path, item in schema["paths"].items() for method, operation in item.items()
    ]
    told = {
        (where, each["name"]): each.get("description") for where, op in operations for each in op.get("parameters", ())
    }
    assert not [parameter for parameter, description in told.items() if not description]
    assert PARAMETERS.keys() <= {name for _, name in told}
    bodies = [op["requestBody"]["content"] for _, op in operations if "requestBody" in op]
    forms = [each["multipart/form-data"]["schema"] for each in bodies if "multipart/form-data" in each]
    assert len(forms) == 3
    for form in forms:
        assert all(field.get("description") for field in form["properties"].values())
        assert form["properties"]["file"]["items"]["format"] == "binary"  # by which Swagger UI lets one be chosen


def test_the_example_of_a_picture_in_json_can_be_sent_as_it_stands(served: Served) -> None:
    content = served.client.get("/v1/openapi.json").json()["paths"]["/v1/analyse"]["post"]["requestBody"]["content"]
    (example,) = content["application/json"]["schema"]["examples"]
    assert served.client.post("/v1/analyse", json=example).status_code == 200


def test_openapi_says_how_pictures_come_and_what_every_answer_is(served: Served) -> None:
    schema = served.client.get("/v1/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    for path in ("/v1/analyse", "/v1/assets"):
        kinds = schema["paths"][path]["post"]["requestBody"]["content"]
        assert kinds.keys() == {"multipart/form-data", "application/json", "image/*", "application/octet-stream"}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    assert content.get("schema"), (path, method, status)
                    refused = int(status) >= 400 and path != "/v1/health/ready"  # which says the same, ready or not
                    assert (kind == "application/problem+json") == refused, (path, method, status)
