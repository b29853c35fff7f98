"""A product's part of the generator is behind one hook, and the rest of the generator knows no product."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import pytest

import eventflux_codegen.build
import eventflux_codegen.order
from eventflux_codegen.extension import Addition, Draft, Extension, Module, options_with
from tests.project.import_graph import imports_of, is_within, modules_of
from tests.support.workspace import CONFIG, Workspace

CODEGEN: Final = Path(eventflux_codegen.build.__file__).parent
PRODUCTS: Final = CODEGEN / "eventflux"
EVENTFLUX_WORDS: Final = re.compile(
    r"\bpeer\b|peer_|_peer|PEER|[Hh]eartbeat|refused-id|acknowledged-id|framed|(?:source|target)_node|node_id|server_status|"
    r"NodeHealth"
)
"""Names of EventFlux's fields, methods and modules."""


def general_files() -> list[Path]:
    files = [path for path in CODEGEN.rglob("*") if path.suffix in {".py", ".j2"} and PRODUCTS not in path.parents]
    assert len(files) > 30
    return files


def test_general_modules_name_nothing_of_a_product() -> None:
    texts = {path: path.read_text("utf-8") for path in general_files()}
    found = [f"{path.name}: {match[0]}" for path, text in texts.items() for match in EVENTFLUX_WORDS.finditer(text)]
    assert found == []


def test_the_words_are_those_of_the_product() -> None:
    own = "".join(path.read_text("utf-8") for path in PRODUCTS.rglob("*.*") if path.suffix in {".py", ".j2"})
    assert len(set(EVENTFLUX_WORDS.findall(own))) > 8


def test_one_module_imports_the_products() -> None:
    importers = {
        module
        for module, path in modules_of("eventflux_codegen").items()
        for found in imports_of(module, path.read_text("utf-8"))
        if is_within(found.target, "eventflux_codegen.eventflux")
        and not is_within(module, "eventflux_codegen.eventflux")
    }
    assert importers == {"eventflux_codegen.product"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyOptions:
    """Options as a product of a test's own would have them."""

    method: str


class Tally(Extension):
    """Adds a module with a constant, and an argument to a method."""

    section: ClassVar[str] = "tally"
    options: ClassVar[type] = TallyOptions

    def build(self, options: TallyOptions, draft: Draft) -> Addition:
        (method,) = (
            each for service in draft.services for each in service.methods if each.proto_name == options.method
        )
        draft.names.claim("LIMIT", "the limit", draft.places("tally"))
        return Addition(
            package="tally_extension",
            model=len(draft.messages),
            modules=(Module("tally", ("LIMIT",)),),
            method_imports=(("tally", "LIMIT"),),
            method_arguments={method.constant: (("timeout_s", "LIMIT"),)},
        )


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Sources with a section of Tally's, whose template is in a package of its own."""
    package = tmp_path / "extensions" / "tally_extension"
    (package / "templates").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "templates" / "tally.py.j2").write_text(
        '{% include "head.j2" %}\n"""{{ module.name }} of {{ package.name }}."""\n\n'
        "__all__ = {{ module.exports | list }}\n\nLIMIT = {{ own }}.5\n"
    )
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setattr(eventflux_codegen.build, "EXTENSIONS", (Tally(),))
    monkeypatch.setattr(eventflux_codegen.order, "FileOptions", options_with([Tally()]))
    root = tmp_path / "sources"
    root.mkdir()
    return Workspace(root)


def test_an_extension_adds_a_section_a_module_and_an_argument(workspace: Workspace) -> None:
    workspace.write(config=CONFIG + "tally: {method: Move}\n")
    assert "tally.py" in workspace.generate().files
    program = "import sample; from sample.methods import PLANE_MOVE; print(sample.LIMIT, PLANE_MOVE.timeout_s)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=workspace.root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1.5 1.5\n"


def test_a_package_without_the_section_has_nothing_of_it(workspace: Workspace) -> None:
    workspace.write()
    assert "tally.py" not in workspace.generate().files


def test_a_mistake_in_a_section_has_its_place(workspace: Workspace) -> None:
    workspace.write(config=CONFIG + "tally: {methd: Move}\n")
    assert workspace.refusal() == "sample.yaml:3: tally: unknown key 'methd': did you mean 'method'?"
    workspace.write(config=CONFIG + "taly: {method: Move}\n")
    assert workspace.refusal() == "sample.yaml:3: unknown key 'taly': did you mean 'tally'?"


def test_a_section_of_another_product_is_unknown(workspace: Workspace) -> None:
    workspace.write(config=CONFIG + "peer: {}\n")
    assert workspace.refusal().startswith("sample.yaml:3: unknown key 'peer': ")
