"""The rooms of gantrain: imports point one way, a start-up needs no torch, and nothing grows too long."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "gantrain"

# From the ground up. A module imports from lower floors and from its own room, never from the room next door.
FLOORS = (
    ("gantrain", "errors", "console", "source", "train.cadence"),
    ("sizes", "files", "keys", "losses", "train.schedule", "doctor.rules"),
    ("sections", "overrides"),
    ("networks", "augment", "data", "config", "compose", "signatures", "process"),
    ("runtime",),
    ("train.step", "train.ema", "train.alarm", "train.graphs", "train.randomness"),
    ("train.state", "pictures"),
    ("train.loop", "checkpoint", "metrics"),
    ("doctor", "pages"),
    ("tracking", "sweeps"),
    ("quality",),
    ("build",),
    ("checks", "saved"),
    ("commands",),
    ("words",),
    ("arguments",),
    ("cli",),
    ("__main__",),
)
# Rooms that know nothing but the errors a user can meet and the image sizes there are.
SECLUDED = {
    "networks": {"errors", "sizes"},
    "losses": {"errors"},
    "augment": {"errors"},
    "train.schedule": {"errors"},
}
# Start-up, help and the errors of a configuration come from these.
WITHOUT_TORCH = (
    *("gantrain", "__main__", "arguments", "cli", "compose", "config", "console", "errors", "files", "keys"),
    *(
        "doctor.rules.rule",
        "metrics.kinds",
        "overrides",
        "sections",
        "signatures",
        "sizes",
        "sweeps",
        "train.cadence",
        "train.schedule",
        "words",
    ),
    *(
        f"pages.{name}"
        for name in (
            "candidates",
            "caveats",
            "curves",
            "effects",
            "film",
            "html",
            "phrases",
            "ranking",
            "records",
            "settings",
            "tables",
            "writing",
        )
    ),
)
HEAVY = {"torch", "torchvision", "tensorboard", "sklearn"}
INSTANTIATES = ("build",)

LONGEST_FUNCTION = 60
LONGEST_LOOP = 80  # all functions of train/loop.py together
LONGEST_MODULE = 350


def name_of(path: Path) -> str:
    """train/loop.py -> "train.loop"; the package itself is "gantrain"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or "gantrain"


MODULES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}


def floor_and_room(module: str) -> tuple[int, str]:
    """Where a module stands: by its own name, or by the room it is in."""
    for name in (module, module.rpartition(".")[0]):
        for floor, rooms in enumerate(FLOORS):
            if name in rooms:
                return floor, name
    if module in {name.partition(".")[0] for rooms in FLOORS for name in rooms if "." in name}:
        return 0, module  # an empty __init__.py
    raise AssertionError(f"gantrain.{module} stands on no floor: give it a place in FLOORS")


def at_start(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when the module is imported: everything outside functions and type checking."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            typing_only = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
            if not isinstance(child, ast.FunctionDef | ast.Lambda) and not typing_only:
                waiting.append(child)


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Dotted names, as far as they are modules: "gantrain.train.loop", "torch.nn", ..."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: imports are written out in full"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner.removeprefix("gantrain.") in MODULES else str(node.module)


def ours(nodes: Iterator[ast.AST]) -> set[str]:
    """The modules of gantrain among them, without the package's name in front."""
    names = {name for name in imported(nodes) if name.partition(".")[0] == "gantrain"}
    return {name.removeprefix("gantrain.") for name in names}


def functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_downwards(module: str) -> None:
    floor, room = floor_and_room(module)
    for name in ours(ast.walk(MODULES[module])):
        other_floor, other_room = floor_and_room(name)
        assert other_floor < floor or other_room == room, f"gantrain.{module} imports gantrain.{name}"


@pytest.mark.parametrize("room", SECLUDED)
def test_secluded_rooms_know_nothing_of_the_house(room: str) -> None:
    inside = [module for module in MODULES if module == room or module.startswith(f"{room}.")]
    assert inside
    for module in inside:
        outside = {name for name in ours(ast.walk(MODULES[module])) if name not in inside}
        assert outside <= SECLUDED[room], f"gantrain.{module} imports {sorted(outside - SECLUDED[room])}"


def test_no_import_leads_back_to_its_start() -> None:
    TopologicalSorter({module: ours(ast.walk(tree)) for module, tree in MODULES.items()}).prepare()


def test_every_floor_is_lived_on() -> None:
    rooms = {room for floor in FLOORS for room in floor}
    assert rooms == {floor_and_room(module)[1] for module in MODULES if module not in ("train",)}


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_starts_without_torch(module: str) -> None:
    names = set(imported(at_start(MODULES[module])))
    assert not {name.partition(".")[0] for name in names} & HEAVY
    assert ours(at_start(MODULES[module])) <= set(WITHOUT_TORCH), "what it imports must do without as well"


def test_schedules_never_import_torch() -> None:
    names = {name.partition(".")[0] for name in imported(ast.walk(MODULES["train.schedule"]))}
    assert not names & HEAVY


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(INSTANTIATES)))
def test_only_build_instantiates(module: str) -> None:
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.ImportFrom) and node.module == "hydra.utils":
            assert not {alias.name for alias in node.names} & {"instantiate", "call"}
        assert not (isinstance(node, ast.Attribute) and node.attr == "instantiate")


def test_nothing_is_half_instantiated() -> None:
    """`_partial_` would move a constructor's errors into the training step."""
    for path in (*PACKAGE.rglob("*.py"), *(ROOT / "configs").rglob("*.yaml")):
        assert "_partial_" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("module", sorted(MODULES))
def test_functions_are_short(module: str) -> None:
    too_long = {name: lines for name, lines in functions(MODULES[module]) if lines > LONGEST_FUNCTION}
    assert not too_long


def test_the_loop_is_short() -> None:
    assert sum(lines for _, lines in functions(MODULES["train.loop"])) <= LONGEST_LOOP


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=name_of)
def test_modules_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_MODULE
