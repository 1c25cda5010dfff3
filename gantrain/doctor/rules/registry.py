"""Every rule of the doctor, causes before their symptoms, and what may be set of them. No torch here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from gantrain.doctor.rules.artefacts import GD301, GD302B, GD302C, GD302D, GD303, GD304
from gantrain.doctor.rules.blowup import GD002
from gantrain.doctor.rules.exact import GD001, GD003, GD004
from gantrain.doctor.rules.game import GD101, GD102, GD103, GD104
from gantrain.doctor.rules.lints import GD005G, LINTS
from gantrain.doctor.rules.memorising import GD401, GD402
from gantrain.doctor.rules.rule import Rule
from gantrain.doctor.rules.variety import GD201, GD202, GD203, GD501
from gantrain.errors import GantrainError, meant

RULES: tuple[Rule, ...] = (
    *(GD001, GD003, GD004, GD401),
    *(GD101, GD002, GD005G, GD102, GD103),
    *(GD201, GD202, GD304, GD402, GD303, GD301, GD203),
    *(GD302B, GD302C, GD302D, GD104, GD501, *LINTS),
)
"""The first of two that are active is the cause of the other, unless it says that it yields."""

BY_ID = {rule.id: rule for rule in RULES}
PAGES = tuple(sorted({rule.page for rule in RULES}))


def check_params(params: Mapping[str, Mapping[str, float]], ignore: Collection[str] = ()) -> None:
    """Holds doctor.params and doctor.ignore against the rules there are.

    Raises:
        GantrainError: naming the rule or the parameter that does not exist, or the value that is no number.
    """
    for id in ignore:
        if id not in (*BY_ID, *PAGES):
            raise unknown(f"doctor.ignore=[{id}]", id, (*BY_ID, *PAGES), "no such rule")
    for id, values in params.items():
        key = f"doctor.params.{id}"
        if id not in BY_ID:
            raise unknown(key, id, BY_ID, "no such rule")
        if not isinstance(values, Mapping):
            raise GantrainError(key, "is a section of parameters, not a value", _takes(id))
        for name, value in values.items():
            if name not in BY_ID[id].thresholds:
                raise unknown(f"{key}.{name}", name, BY_ID[id].thresholds, "no such parameter", _takes(id))
            if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
                usual = BY_ID[id].params[name]
                raise GantrainError(
                    f"{key}.{name}", f"must be a number, got {value}", f"{key}.{name}={usual:g}"
                )


def _takes(id: str) -> str:
    names = BY_ID[id].thresholds
    return f"{id} takes: {', '.join(names)}" if names else f"{id} has no parameters"


def unknown(key: str, name: str, known: Iterable[str], reason: str, remedy: str = "") -> GantrainError:
    """The error for a name that does not exist, with the nearest one that does."""
    known = sorted(set(known))
    return GantrainError(key, reason, meant(name, known) + (remedy or f"there are: {', '.join(known)}"))
