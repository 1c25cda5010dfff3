"""The names of the configuration: groups, keys, and the answer to one that does not exist. No torch here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gantrain.console import typed
from gantrain.errors import GantrainError

COMPONENTS = ("data", "latent", "penalty", "loss", "optim", "schedule", "augment")
NETWORKS = ("generator", "discriminator")
GROUPS = (*COMPONENTS, "model", "upsample", "downsample", "padding", "condition", "experiment", "sweep")

# Keys whose work is still to come: refused by name rather than silently accepted.
LATER = {
    "runtime.devices": "training on more than one device",
}

# What other programs call it, or call alike.
KNOWN_AS = {
    "epochs": "train.steps, which counts updates",
    "epoch": "train.steps, which counts updates",
    "iterations": "train.steps",
    "steps": "train.steps",
    "lr": "optim.lr_d or optim.lr_g",
    "learning_rate": "optim.lr_d or optim.lr_g",
    "z_dim": "latent.dim",
    "nz": "latent.dim",
    "workers": "runtime.threads",
    "num_workers": "runtime.threads",
}

OPTIONS_KNOWN_AS = {
    "optim=adam": "optim=strategy1 or optim=ttur, which are Adam",
    "penalty=gp": "penalty=wgan_gp",
    "loss=vanilla": "loss=bce",
    "loss=gan": "loss=bce",
    "augment=flip": "data.flip=true",
    "augment=mirror": "data.flip=true",
}

# What the data and other sections tell the networks, and where it is chosen.
GIVEN = {
    "channels": "the data decide it",
    "image_size": "data.image_size=... sets it",
    "num_classes": "condition=class turns it on",
    "latent_dim": "latent.dim=... sets it",
    "embedding_dim": "condition.embedding_dim=... sets it",
}

ROOT = "data.root"  # where pictures lie: they may be moved

# A resume may change these: they cannot change what is computed at a given step, or, of runtime, only its
# last bits. Pictures at another ROOT are held against what the run says of its own (saved.refuse_other_data).
RESUMABLE = (
    "train.steps",
    "train.stop_when_worse",
    "tracking",
    "checkpoint",
    "metrics.every",
    "metrics.count",
    "metrics.best",
    "metrics.patience",
    "metrics.inception_weights",
    "doctor",
    "runtime.device",
    "runtime.threads",
    "runtime.memory_format",
    "runtime.compile",
    ROOT,
)


OPEN = "doctor.params"  # empty until somebody sets a threshold: names are checked by the rules


def config_dir() -> str:
    """Absolute path of the YAML files: inside the package in a wheel, beside it in a checkout."""
    here = Path(__file__).resolve().parent
    for candidate in (here / "configs", here.parent / "configs"):
        if (candidate / "train.yaml").is_file():
            return str(candidate)
    raise AssertionError(f"no configs beside {here}")


def command_line(overrides: Iterable[str], config_dir: str | None) -> str:
    """What to type for a training with these."""
    own = ["--config-dir", config_dir] if config_dir else []
    return typed("gantrain", *own, *overrides)


def key_of(override: str) -> str:
    """ "+optim.lr_d=1e-4" -> "optim.lr_d"."""
    return override.lstrip("+~").partition("=")[0]


def within(key: str, prefixes: Iterable[str]) -> bool:
    return any(key == prefix or key.startswith(prefix + ".") for prefix in prefixes)


def flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"optim": {"lr_d": 1}} -> {"optim.lr_d": 1}; an empty mapping stays, as a value."""
    flat: dict[str, Any] = {}
    for key, value in node.items():
        path = f"{prefix}{key}"
        flat |= flatten(value, path + ".") if isinstance(value, Mapping) and value else {path: value}
    return flat


def of_section(key: str, known: Iterable[str]) -> GantrainError | None:
    """The error for a value that was given to a section of options; None if `key` is none."""
    takes = sorted({k[len(key) + 1 :].split(".")[0] for k in known if k.startswith(key + ".")} - {"_target_"})
    reason = "is a section of options, not a value"
    return GantrainError(key, reason, f"it takes: {', '.join(takes)}") if takes else None


def unknown_key(key: str, known: Iterable[str]) -> GantrainError:
    """The error for a key that nothing takes, with the nearest one that exists."""
    for later, what in LATER.items():
        if within(key, [later]):
            return GantrainError(key, f"not available yet: a later version brings {what}", "leave it out")
    parent, _, leaf = key.rpartition(".")
    meant_for_code = leaf.startswith("_")  # nobody else means _target_
    known = sorted(k for k in {*known} - {key} if meant_for_code or not k.endswith("._target_"))
    if section := of_section(key, known):
        return section
    if not parent and key in KNOWN_AS:
        return GantrainError(key, "no such option", f"did you mean {KNOWN_AS[key]}?")
    if parent.startswith("model.") and leaf in GIVEN:
        return GantrainError(key, "is given to the networks, not typed", f"leave it out; {GIVEN[leaf]}")
    if key.startswith("hydra."):
        return GantrainError(key, "Hydra has no such option", "gantrain --cfg hydra lists Hydra's own")
    siblings = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == parent]
    close = [".".join(filter(None, (parent, k))) for k in nearest(leaf, siblings)]
    close = (
        close
        or difflib.get_close_matches(key, [k for k in known if k.rpartition(".")[2] == leaf], 1, 0)
        or difflib.get_close_matches(key, known, 1, 0.8)
    )
    if not (close or parent):
        whole = by_leaf(known)
        close = [whole[near] for near in difflib.get_close_matches(leaf, whole, 1, 0.75)]
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    owners = "" if close else ", ".join(_options_with(leaf, parent))
    owners = "data=folder, or to a downloaded set" if key == ROOT else owners
    hint = f"it belongs to {owners}; " if owners else hint
    if parent:
        takes = sorted({k[len(parent) + 1 :].split(".")[0] for k in known if k.startswith(parent + ".")})
        nothing = f"{parent} as chosen takes no options" if parent in GROUPS else f"{parent} is no section"
        remedy = hint + (f"{parent} takes: {', '.join(takes)}" if takes else nothing)
    else:
        remedy = hint.strip() or f"there are: {', '.join(sorted({k.split('.')[0] for k in known}))}"
    return GantrainError(key, "no such option", remedy)


def by_leaf(known: Iterable[str]) -> dict[str, str]:
    """Last part of a key -> the shortest that ends so: width is model.width, not model.generator.width."""
    shortest_last = sorted(sorted(known), key=len, reverse=True)
    return {key.rpartition(".")[2]: key for key in shortest_last}


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The names that are most like it, if any are: "lr" is as near to lr_d as to lr_g."""
    near = difflib.get_close_matches(word, known, 3, 0.6)
    likeness = [difflib.SequenceMatcher(a=name, b=word).ratio() for name in near]
    return sorted(name for name, ratio in zip(near, likeness, strict=True) if ratio == likeness[0])


def options_of(group: str) -> str:
    """ "loss=bce, loss=hinge, ..." for a group of configs/, read from the folder."""
    names = _options(group)
    return ("choose one: " + ", ".join(f"{group}={name}" for name in names)) if names else ""


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in _files(group))


def _options_with(leaf: str, group: str) -> list[str]:
    """ "penalty=r1", ... of which the file itself has this key; none of what is no group."""
    files = sorted(_files(group)) if group in COMPONENTS else []
    return [f"{group}={path.stem}" for path in files if leaf in OmegaConf.load(path)]


def _files(group: str) -> Iterable[Path]:
    return (Path(config_dir()) / group).glob("*.yaml")


def known_as(group: str, option: str) -> str:
    """ "did you mean X? " for an option that is called otherwise here, or is one of another group."""
    name = option.lower().replace("-", "_")
    named = [f"{other}={name}" for other in GROUPS if name in _options(other)]
    told = OPTIONS_KNOWN_AS.get(f"{group}={name}") or " or ".join(named)
    return f"did you mean {told}? " if told else ""
