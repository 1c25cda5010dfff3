"""The configuration's skeleton, and every combination that is refused or warned about.

No torch here, so that a misspelt key is answered at once. Components (networks, losses, ...) are `_target_`
nodes whose constructor is the schema: see signatures.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gantrain.console import written
from gantrain.errors import GantrainError, nearest_value, type_reason
from gantrain.keys import COMPONENTS, GROUPS, NETWORKS, options_of, unknown_key
from gantrain.sections import (
    CheckpointSection,
    ConditionSection,
    DoctorSection,
    EmaSection,
    MetricsSection,
    ModeSection,
    PaddingSection,
    RuntimeSection,
    TrackingSection,
    TrainSection,
)


@dataclass
class Config:
    """The whole configuration. `Any` marks the components."""

    seed: int = 0
    train: TrainSection = field(default_factory=TrainSection)
    ema: EmaSection = field(default_factory=EmaSection)
    tracking: TrackingSection = field(default_factory=TrackingSection)
    checkpoint: CheckpointSection = field(default_factory=CheckpointSection)
    metrics: MetricsSection = field(default_factory=MetricsSection)
    doctor: DoctorSection = field(default_factory=DoctorSection)
    runtime: RuntimeSection = field(default_factory=RuntimeSection)
    upsample: ModeSection = field(default_factory=ModeSection)
    downsample: ModeSection = field(default_factory=ModeSection)
    padding: PaddingSection = field(default_factory=PaddingSection)
    condition: ConditionSection = field(default_factory=ConditionSection)
    data: Any = None
    model: Any = None
    latent: Any = None
    loss: Any = None
    penalty: Any = None
    optim: Any = None
    schedule: Any = None
    augment: Any = None


ConfigStore.instance().store(name="schema", node=Config)

MODEL_KEYS = ("width", "init", *NETWORKS)
SECTIONS = tuple(f.name for f in fields(Config) if str(f.type).endswith("Section"))
LARGEST_SEED = 2**62  # what every generator of random numbers takes


def check_skeleton(cfg: DictConfig) -> None:
    """Everything that can be said without torch: unknown keys, missing components, types and ranges.

    Raises:
        GantrainError: naming the key.
    """
    known = {f.name for f in fields(Config)}
    for key in cfg:
        if key not in known:
            raise unknown_key(str(key), known)
    for name in sorted(known - set(cfg) - set(GROUPS)):
        raise GantrainError(f"~{name}", "cannot be left out: training needs it", "leave this override out")
    if abs(cfg.seed) > LARGEST_SEED:
        raise GantrainError("seed", f"is too large: {cfg.seed}", "any whole number up to 2^62, e.g. seed=0")
    for group in (*COMPONENTS, "model"):
        if not isinstance(cfg.get(group), DictConfig):
            raise GantrainError(group, "nothing is chosen, and training needs one", options_of(group))
    for key in cfg.model:
        if key not in MODEL_KEYS:
            raise unknown_key(f"model.{key}", [f"model.{k}" for k in MODEL_KEYS])
    for network in NETWORKS:
        if not isinstance(cfg.model.get(network), DictConfig):
            raise GantrainError(f"model.{network}", "is missing, and training needs one", options_of("model"))
    for section in SECTIONS:
        check_section(section, cfg[section])


def check_section(name: str, node: DictConfig) -> DictConfig:
    """Holds one skeleton section against its dataclass; gives it with the types of that one."""
    schema = type(getattr(Config(), name))
    keys = {f.name for f in fields(schema)}
    if not isinstance(node, DictConfig):
        raise GantrainError(
            name, "is a section of options, not a value", f"it takes: {', '.join(sorted(keys))}"
        )
    for key in node:
        if key not in keys:  # reached through Hydra's +key=, which opens the structure
            raise unknown_key(f"{name}.{key!s}", [f"{name}.{k}" for k in keys])
    try:
        typed = OmegaConf.merge(OmegaConf.structured(schema), node)
        values: Any = OmegaConf.to_container(typed, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key, text = str(getattr(error, "full_key", "") or ""), str(error).splitlines()[0]
        value, usual = (
            OmegaConf.select(part, key, default="") for part in (node, OmegaConf.structured(schema))
        )
        path = ".".join(filter(None, (name, key)))
        remedy = options_of(name) or f"e.g. {path}={written(nearest_value(str(value), usual))}"
        raise GantrainError(path, type_reason(text, str(value)), remedy) from error
    schema(**values)  # its own ranges; not through OmegaConf, which would wrap the error
    assert isinstance(typed, DictConfig)
    return typed


Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """A combination of facts that cannot work (REFUSALS) or is unwise (WARNINGS).

    `when` is asked once all facts that it names in `needs` are known: those of the configuration before data
    or device is touched, those of the data as soon as it is read. `key`, `reason` and `remedy` are format
    strings over the facts.
    """

    key: str
    needs: tuple[str, ...]
    when: Callable[..., bool]
    reason: str
    remedy: str

    def applies(self, facts: Facts) -> bool:
        return all(name in facts for name in self.needs) and self.when(*(facts[name] for name in self.needs))

    def error(self, facts: Facts) -> GantrainError:
        return GantrainError(*(text.format_map(facts) for text in (self.key, self.reason, self.remedy)))


REFUSALS = (
    Rule(
        "model.discriminator.norm",
        ("per_sample_gradient", "discriminator_batch_norm"),
        lambda gradient, batch_norm: gradient and batch_norm,
        "batch norm mixes the samples, and this penalty takes the gradient of each sample alone",
        "model.discriminator.norm=layer (or penalty=none, penalty=clip)",
    ),
    Rule(
        "condition",
        ("conditional", "labelled"),
        lambda conditional, labelled: conditional and labelled is False,
        "condition=class needs labels, and these data have none",
        "condition=none, or for data=folder one subfolder per class",
    ),
    Rule(
        "metrics.best",
        ("classifying", "labelled"),
        lambda classifying, labelled: classifying and labelled is False,
        "the space cls is a classifier's, and these data have no labels to fit it to",
        "metrics.best=fd_rand, or for data=folder one subfolder per class",
    ),
    Rule(
        "condition",
        ("conditional", "networks_take_labels"),
        lambda conditional, take: conditional and not take,
        "condition=class needs networks whose constructors take num_classes",
        "condition=none, or model=dcgan",
    ),
    Rule(
        "latent.dim",
        ("conditional", "latent_dim", "embedding_dim"),
        lambda conditional, latent, embedding: conditional and latent < embedding,
        "a latent of {latent_dim} drowns in the label's {embedding_dim} numbers",
        "latent.dim={embedding_dim} or condition.embedding_dim={latent_dim}",
    ),
    Rule(
        "data.image_size",
        ("image_size", "image_sizes"),
        lambda size, sizes: sizes is not None and size not in sizes,
        "this model draws {image_sizes} pixels, not {image_size}",
        "data.image_size={image_sizes[0]}, or model=dcgan",
    ),
    Rule(
        "model.generator.output",
        ("output_range",),
        lambda bounds: bounds is not None and (bounds[0] > -1 or bounds[1] < 1),
        "the data span -1..1 and this output can only give {output_range[0]:g}..{output_range[1]:g}",
        "model.generator.output=tanh",
    ),
    Rule(
        "padding",
        ("deterministic", "device", "reflects"),
        lambda deterministic, device, reflects: deterministic and device == "cuda" and reflects,
        "PyTorch has no deterministic gradient of reflection padding on CUDA",
        "padding=zeros, or runtime.deterministic=false",
    ),
    Rule(
        "runtime.compile",
        ("compile", "device"),
        lambda compile, device: compile == "cudagraphs" and device != "cuda",
        "CUDA graphs need a CUDA device, and this run is on {device}",
        "runtime.compile=none",
    ),
    Rule(
        "train.batch_size",
        ("batch_size", "batch_norm"),
        lambda batch, batch_norm: batch < 2 and batch_norm,
        "batch norm needs at least two samples to compare, got {batch_size}",
        "train.batch_size=64",
    ),
    Rule(
        "data",
        ("count",),
        lambda count: count < 2,
        "one picture is no data to learn from",
        "take hundreds",
    ),
    Rule(
        "train.batch_size",
        ("batch_size", "count", "advised"),
        lambda batch, count, advised: batch > count,
        "a batch of {batch_size} does not fit into the {count} images to train on",
        "train.batch_size={advised}",
    ),
)

WARNINGS = (
    Rule(
        "penalty",
        ("unbounded", "critic_is_bounded"),
        lambda unbounded, bounded: unbounded and not bounded,
        "this loss has no bound without a Lipschitz constraint, and the critic will run away",
        "penalty=clip, penalty=wgan_gp with model.discriminator.norm=layer, or model=sngan",
    ),
    Rule(
        "schedule",
        ("entangled",),
        lambda entangled: entangled,
        "entangled is the wrong way on purpose: the two players' gradients cancel",
        "schedule=alternating, or schedule=shared for one forward pass done right",
    ),
    Rule(
        "schedule.split_batches",
        ("concatenated", "discriminator_batch_norm"),
        lambda concatenated, batch_norm: concatenated and batch_norm,
        "batch norm sees real and fake mixed, which tells the discriminator little about either",
        "schedule.split_batches=true",
    ),
    Rule(
        "train.batch_size",
        ("batch_size", "count", "advised"),
        lambda batch, count, advised: batch <= count < 10 * batch and advised < batch,
        "a batch of {batch_size} out of {count} images leaves fewer than 10 updates an epoch: "
        "smaller ones give more of them for as many pictures seen",
        "train.batch_size={advised}",
    ),
    Rule(
        "runtime.precision",
        ("precision", "bf16_is_native"),
        lambda precision, native: precision == "bf16" and not native,
        "this device has no bf16 arithmetic and emulates it, which is far slower than fp32",
        "runtime.precision=fp32",
    ),
    Rule(
        "runtime.threads",
        ("crowded",),
        lambda crowded: crowded,
        "others keep the cores busy, and trainings that share cores slow each other several times",
        "runtime.threads=1 for each of them, or one after the other",
    ),
    Rule(
        "{unused}",
        ("unused",),
        bool,
        "has no effect: these networks do not take it",
        "model=dcgan takes upsample, downsample and padding",
    ),
)


def refuse(facts: Facts) -> None:
    """Raises the first refusal that the facts known so far justify."""
    for rule in REFUSALS:
        if rule.applies(facts):
            raise rule.error(facts)


def warnings(facts: Facts) -> list[str]:
    return [str(rule.error(facts)) for rule in WARNINGS if rule.applies(facts)]
