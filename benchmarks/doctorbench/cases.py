"""The runs of DoctorBench: matrix.yaml in objects, and how overrides are put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
CONFIGS = HERE / "configs"
MATRIX = HERE / "matrix.yaml"
USUAL_PLACES = {
    "tune": ("fashion_mnist",),
    "first_round": ("crops", "digits"),
    "second_round": ("photos", "emoji_on_zeros"),
    "third_round": ("scenes", "emoji"),
    "fourth_round": ("wallpapers", "noto"),
    "fifth_round": ("opencv", "facebook"),
    "sixth_round": ("plasma", "apple"),
    "seventh_round": ("palapeli", "joypixels"),
    "eighth_round": ("postcards", "openmoji"),
    "held_out": ("paper", "fluent"),
}
SETS = tuple(USUAL_PLACES)


@dataclass(frozen=True)
class Case:
    """One run: a fault in a dose, or a recipe without one, on a data set with a seed."""

    name: str
    set: str
    data: str
    """By whose real pictures it is judged: half_classes goes by those of its source."""
    seed: int
    twin: tuple[str, ...]
    """Overrides of the same run without the fault."""
    fault: str | None = None
    dose: str | None = None
    seeded: tuple[str, ...] = ()
    """Overrides that are the fault."""
    expect: tuple[str, ...] = ()
    """Rules that are the right primary cause."""
    structural: bool = False
    """Broken by its configuration alone; otherwise its outcome decides."""
    refused: str | None = None
    """The key by which the configuration check refuses it."""
    common: tuple[str, ...] = field(default=(), repr=False)

    @property
    def own(self) -> tuple[str, ...]:
        """What makes this run, without what all runs of the bench share."""
        return merge(self.twin, self.seeded)

    @property
    def overrides(self) -> tuple[str, ...]:
        """All of them, as they stand on the command line."""
        return over(self.common, self.own)

    def prescribed(self, remedy: Sequence[str]) -> tuple[str, ...]:
        """The command line with a remedy taken."""
        return over(self.common, merge(self.own, remedy))


def key_of(override: str) -> str:
    """ "optim.lr_d" of +optim.lr_d=1e-3, "penalty" of penalty=clip or ~penalty."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def merge(own: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """`own` with `new` taken: the same key is replaced, and a new choice of a group takes its keys along.

    optim=ttur does away with optim.lr_d=1e-6: somebody who is told to choose another optimiser does not keep
    the old one's rate; penalty=wgan_gp does away with penalty.clip_value, which it would refuse.
    """
    taken = [key_of(override) for override in new]
    kept = [override for override in own if not any(_within(key_of(override), key) for key in taken)]
    groups = [override for override in new if "." not in key_of(override)]
    return (*kept, *groups, *(override for override in new if override not in groups))


def over(common: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    """The common overrides, but those whose very key is the run's own; a group's choice leaves them be."""
    keys = {key_of(override) for override in own}
    return (*(override for override in common if key_of(override) not in keys), *own)


def _within(key: str, taken: str) -> bool:
    return key == taken or key.startswith(taken + ".")


def load(path: Path = MATRIX) -> list[Case]:
    """Every case of all sets, faults first.

    Raises:
        ValueError: two cases have one name.
    """
    matrix = yaml.safe_load(path.read_text(encoding="utf-8"))
    cases = [case for name in SETS for case in (*_faults(matrix, name), *_healthy(matrix, name))]
    names = [case.name for case in cases]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path.name} has several runs named {', '.join(twice)}")
    return cases


def data_sets(path: Path = MATRIX) -> dict[str, tuple[str, ...]]:
    """name -> the overrides that bring it."""
    matrix = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: tuple(overrides) for name, overrides in matrix["data"].items()}


def of_set(name: str) -> list[Case]:
    return [case for case in load() if case.set == name]


def _faults(matrix: Mapping[str, Any], set_name: str) -> Iterator[Case]:
    for fault in matrix["faults"]:
        places = fault["where"].get(set_name, ()) if "where" in fault else USUAL_PLACES[set_name]
        for data in places:
            seeds = matrix["sets"][set_name][data]
            for dose, seeded in fault["doses"].items():
                for seed in seeds if dose == "strong" and not fault.get("structural") else seeds[:1]:
                    yield Case(
                        name=f"{data}-{seed}-{fault['name']}-{dose}",
                        set=set_name,
                        data=data,
                        seed=seed,
                        twin=_base(matrix, data, seed, fault.get("context", ())),
                        fault=fault["name"],
                        dose=dose,
                        seeded=tuple(seeded),
                        expect=tuple(fault["expect"]),
                        structural=fault.get("structural", False),
                        refused=fault.get("refused"),
                        common=tuple(matrix["common"]),
                    )


def _healthy(matrix: Mapping[str, Any], set_name: str) -> Iterator[Case]:
    recipes = matrix["healthy"][set_name]
    per_data = recipes if isinstance(recipes, dict) else {USUAL_PLACES[set_name][0]: recipes}
    for data, lines in per_data.items():
        seed = matrix["sets"][set_name][data][0]
        for line in lines:
            yield Case(
                name=f"{data}-{seed}-healthy-{title(line)}",
                set=set_name,
                data=data,
                seed=seed,
                twin=_base(matrix, data, seed, line.split()),
                common=tuple(matrix["common"]),
            )


def _base(matrix: Mapping[str, Any], data: str, seed: int, context: Sequence[str]) -> tuple[str, ...]:
    return merge((*matrix["data"][data], f"seed={seed}"), tuple(context))


def title(recipe: str) -> str:
    """ "lsgan-bilinear" of loss=lsgan upsample=bilinear: the chosen options' names, rates left out."""
    names = [override.partition("=")[2] for override in recipe.split() if "." not in key_of(override)]
    keys = [key_of(o).rpartition(".")[2] for o in recipe.split() if "." in key_of(o) and "optim." not in o]
    return "-".join((*names, *keys)) or "default"
