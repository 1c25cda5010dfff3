"""What a user can get wrong: exit code 2 and at most three plain lines that name key, reason and remedy."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hydra.errors import MissingConfigException
from PIL import Image
from small import Command, Outcome

from gantrain import checkpoint, cli, files
from gantrain.compose import explain

TINY = (
    "model.width=4",
    "train.steps=2",
    "train.batch_size=8",
    "tracking.samples=4",
    "data.image_size=16",
    "runtime.device=cpu",
)
LAYER_NORM = "model.discriminator.norm=layer"


def tiny(*arguments: str) -> tuple[str, ...]:
    """The arguments with a tiny run around them, so that one wrongly accepted costs no time."""
    typed = {argument.partition("=")[0] for argument in arguments}
    left_out = {argument[1:] for argument in arguments if argument.startswith("~")}
    around = (option for option in TINY if not typed & {option.partition("=")[0]})
    return (*arguments, *(option for option in around if option.partition(".")[0] not in left_out))


def assert_refused(outcome: Outcome, says: str) -> None:
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err + outcome.out
    assert 1 <= len(outcome.err.splitlines()) <= 3, outcome.err
    assert re.search(says, outcome.err, re.DOTALL), outcome.err
    left = [path for path in Path().rglob("*") if path.is_dir() and not any(path.iterdir())]
    assert not [path for path in left if path.parts[0] == "outputs"], left


# What is typed -> what the answer must say: the key, then the reason or the remedy.
TRAINING = {
    # misspelt, at every depth
    "los=hinge": r"los: no such option\n.*did you mean loss\?",
    "sweep=losses": r"sweep=losses: is added to the options\n.*\+sweep=losses",
    "loss=[bce,hinge]": r"loss: takes one option, no list\n  several are a sweep: -m loss=bce,hinge$",
    "upsample=[nearest]": r"upsample: takes one option, no list\n  without brackets: upsample=nearest$",
    "loss=WGAN-GP": r"loss=WGAN-GP: .*\n.*did you mean penalty=wgan_gp or experiment=wgan_gp\?",
    "loss=HINGE": r"did you mean loss=hinge\?",
    "penalty=gp": r"did you mean penalty=wgan_gp\?",
    "optim=adam": r"did you mean optim=strategy1 or optim=ttur, which are Adam\?",
    "optim.betas=(0.5,0.9)": r"optim.betas: .*\n  a list has brackets: 'optim.betas=\[0.5,0.9\]'$",
    "data=./photos": r"data=./photos: no such option\n  your own pictures: data=folder data.root=./photos$",
    "data=/a/b": r"data=/a/b: no such option\n  your own pictures: data=folder data.root=/a/b$",
    "data=folder data.root=~/a": r"data.root: begins with ~.*\n  data.root=\S*[^~]/a$",
    "loss=hing": r"loss=hing: no such option\n.*did you mean loss=hinge\?",
    "experiment=wgn": r"did you mean experiment=wgan\?",
    "hydra/launcher=foo": r"hydra/launcher=foo: no such option\n.*basic",
    "train.step=3": r"train.step: no such option\n.*train.steps\?",
    "epochs=10": r"epochs: no such option\n.*did you mean train.steps",
    "data.root=photos": r"data.root: no such option\n.*it belongs to data=folder, or .*; data takes: flip",
    "penalty.weight=5": r"\n  it belongs to penalty=dragan, penalty=r1, .*; penalty as chosen takes no",
    "+loss=hinge": r"\+loss=hinge: is one of the options already\n  without the \+: loss=hinge$",
    "experiment=wgan +experiment=wgan_gp": r"without the \+: experiment=wgan_gp$",
    "optim.lr_g=fast": r"optim.lr_g: must be a number, got 'fast'\n  e.g. optim.lr_g=0.0002",
    "latent.dim=x": r"latent.dim: must be a whole number, got 'x'\n  e.g. latent.dim=16",
    "trainn.steps=3": r"trainn.steps: no such option\n.*did you mean train.steps\?",
    "train.steps.foo=3": r"train.steps.foo: no such option",
    "optim.lr=3": r"did you mean optim.lr_d or optim.lr_g\? optim takes: betas, lr_d, lr_g",
    "model.generator.widht=3": r"did you mean model.generator.width\?",
    "model.generator.norm.kind=batch": r"model.generator.norm.kind: no such option",
    "schedule.d_stps=2": r"did you mean schedule.d_steps\?",
    "hydra.run.dri=x": r"hydra.run.dri: Hydra has no such option\n.*--cfg hydra",
    # Hydra's +, which opens every structure
    "+foo=1": r"foo: no such option\n.*there are: .*train",
    "+train.foo=1": r"train.foo: no such option\n.*batch_size, images, steps",
    "++train.foo=1": r"train.foo: no such option",
    "+loss.foo=1": r"loss.foo: no such option",
    "+optim.foo=1": r"optim.foo: no such option\n.*betas",
    "+data.root=x": r"data.root: no such option\n.*flip, image_size",
    "+model.foo=1": r"model.foo: no such option\n.*width",
    "+model.generator.foo=1": r"model.generator.foo: no such option\n.*width",
    "+train=1": r"\+train: there is one already\n.*without the \+",
    # wrong types
    "loss=bce,": r"loss: has a comma after its value\n  without: loss=bce$",
    "steps=300": r"steps: no such option\n  did you mean train.steps\?",
    "--stepz=3": r"--stepz=3: no such flag\n.*no dashes: stepz=3;",
    "--verison": r"--verison: no such flag\n  did you mean --version\?",
    "metrics.best=FD_rnd": r"metrics.best: no such metric: 'FD_rnd'\n  did you mean fd_rand\?",
    "train.steps=abc": r"train.steps: must be a whole number, got 'abc'\n  e.g. train.steps=\d+$",
    "train.steps=1.5": r"train.steps: must be a whole number",
    "train.steps=null": r"train.steps: needs a value",
    "train=3": r"train: is a section of options, not a value\n.*batch_size, images, steps",
    "seed=abc": r"seed: must be a whole number",
    "seed=99999999999999999999999": r"seed: is too large.*seed=0",
    "runtime.deterministic=maybe": r"runtime.deterministic: .*maybe",
    "model.width=abc": r"error: model.width: must be a whole number, got 'abc'",
    "model.generator.stem=perhaps": r"model.generator.stem: must be true or false",
    "latent.dim=abc": r"latent.dim: must be a whole number",
    "data.image_size=abc": r"data.image_size: must be a whole number",
    f"penalty=r1 {LAYER_NORM} penalty.weight=abc": r"penalty.weight: must be a number",
    # ranges
    "train.steps=-5": r"train.steps: must be 1 or more, got -5\n.*train.steps=",
    "train.batch_size=-1": r"train.batch_size: must be 1 or more\D*-1\n.*train.batch_size=",
    "train.batch_size=1": r"train.batch_size: batch norm needs at least two",
    "train.batch_size=100000": r"does not fit into the 1541 images to train on\n.*train.batch_size=128$",
    "model.width=-3": r"model.width: must be 1 or more, got -3\n.*model.width=",
    "optim.lr_g=-1": r"optim.lr_g: must be above 0, got -1\n.*optim.lr_g=2e-4",
    "optim.lr_d=inf": r"optim.lr_d: must be above 0, got inf\n.*optim.lr_d=2e-4",
    "optim.lr_d=nan": r"optim.lr_d: must be above 0, got nan",
    "latent.dim=0": r"latent.dim: must be 1 or more",
    "ema.half_life_images=nan": r"ema.half_life_images: must be 0 or more, got nan\n.*=0 turns it off",
    "tracking.every=0": r"tracking.every: must be 1 or more",
    "checkpoint.keep=0": r"checkpoint.keep: must be 1 or more",
    "schedule.d_steps=0": r"schedule.d_steps: must be 1 or more",
    "optim.betas=[0.5,1.5]": r"optim.betas: must be two numbers.*\n.*optim.betas=\[0.5,0.999\]",
    "optim.betas=[0.5]": r"optim.betas: must be two numbers",
    "optim.betas=abc": r"optim.betas: must be two numbers.*got abc",
    "optim.betas=[a,b]": r"optim.betas: must be two numbers",
    # choices
    "model.generator.norm=bath": r"did you mean model.generator.norm=batch\? choices: ",
    "model.discriminator.activation=rellu": r"did you mean model.discriminator.activation=relu\?",
    "schedule.first=generatr": r"did you mean schedule.first=generator\?",
    "runtime.device=gpu": r"runtime.device: no such device: 'gpu'\n.*cpu",
    # sizes: the two nearest
    "data.image_size=33": r"data.image_size: 33 .*data.image_size=32 or data.image_size=40",
    "data.image_size=1024": r"data.image_size: 1024 .*data.image_size=256",
    # left out
    "~loss": r"~loss: cannot be left out.*\n.*loss=bce",
    "loss=null": r"loss=null: cannot be left out.*\n.*loss=bce",
    "~train": r"~train: cannot be left out",
    "~train.steps": r"~train.steps: cannot be left out",
    "~foo": r"foo: no such option",
    "~model.generator": r"model.generator: is missing.*\n.*model=dcgan",
    # work still to come
    "metrics.every=-1": r"metrics.every: must be 0 or more, got -1\n.*metrics.every=0",
    "metrics.best=fid": r"metrics.best: no such metric: 'fid'\n.*fd_rand",
    "metrics.held_out=1797": r"metrics.held_out: 1797 of 1797 pictures leave none to train on\n.*=256",
    "train.images=1542": r"train.images: there are 1541 to train on, beside 256 held out\n.*=1541",
    "doctor.enabled=maybe": r"doctor.enabled: must be true or false",
    "doctor.ignore=[GD30]": r"GD30.*no such rule\n.*GD30",
    "doctor.params.GD301.foo=1": r"doctor.params.GD301.foo: no such parameter",
    "doctor.params.GD999.x=1": r"doctor.params.GD999: no such rule",
    "doctor.params=3": r"doctor.params: is a section of rules and their parameters",
    "runtime.compile=true": r"runtime.compile: no such choice: 'True'\n.*runtime.compile=none",
    "runtime.compile=cudagraphs runtime.device=cpu": r"runtime.compile: CUDA graphs need.*\n.*=none",
    "runtime.precision=fp16": r"runtime.precision: no such choice: 'fp16'\n.*runtime.precision=bf16",
    "runtime.memory_format=nhwc": r"runtime.memory_format: no such choice.*\n.*channels_last",
    "runtime.devices=2": r"runtime.devices: not available yet",
    # combinations that cannot work
    "condition=class data=celeba": r"condition=class needs labels.*\n.*condition=none",
    "loss=wgan penalty=wgan_gp": r"model.discriminator.norm: batch norm mixes.*\n.*norm=layer",
    "condition=class latent.dim=4": r"latent.dim: a latent of 4.*\n.*latent.dim=16",
    "model.generator.output=sigmoid": r"model.generator.output: .*\n.*output=tanh",
    # facts of the data, and classes that are none
    "model.generator.channels=3": r"model.generator.channels: is given.*\n.*leave it out",
    "+model.generator.channels=3": r"model.generator.channels: is given.*\n.*leave it out",
    "model.generator._target_=nope.Nope": r"model.generator._target_: cannot import 'nope.Nope'\n.*check",
    "model.generator._target_=5": r"model.generator: needs _target_",
    "model.generator._target_=torch.pi": r"model.generator._target_: 'torch.pi' is not a class",
    "model.generator._target_=torch.nn.Identity": r"model.generator._target_: has nothing to train\n.*class",
    "model.generator._target_=os.getcwd": r"model.generator.width: no such option",
    "loss._target_=torch.nn.BCELoss": r"loss._target_: .*BCELoss makes has no 'discriminator'.*\n.*loss=bce",
    # a constructor's own ValueError
    "optim=rmsprop optim.alpha=-1": r"optim: Invalid alpha value: -1",
    # how Hydra is spoken to
    "loss=bce,hinge": r"loss: several values \(bce,hinge\) are a sweep\n.*-m",
    "train.steps=1,2": r"train.steps: several values.*\n.*-m",
    "=3": r"=3: names no key\n.*key=value",
    "--foo": r"--foo: no such flag\n.*: foo=VALUE; gantrain --hydra-help",
    "data=folder -n 64": r"-n: no such flag\n  that is one of: gantrain sample, gantrain evaluate",
    "--width 16": r"--width: no such flag\n.*no dashes: model.width=16;",
    "--batch-size=16": r"--batch-size=16: no such flag\n.*no dashes: train.batch_size=16;",
    "--metrics fid": r"--metrics: no such flag\n.*no dashes: metrics.KEY=fid;",
    "--loss hinge": r"--loss: no such flag\n.*no dashes: loss=hinge;",
    "--loss=hinge seed=1": r"--loss=hinge: no such flag\n.*no dashes: loss=hinge;",
    "tran.steps=10 los=hinge seed=1 hydra/launcher=basic optm=ttur": (
        r"tran.steps: no such option\n.*did you mean train.steps\?.*\n"
        r"  nor is there: los \(loss\?\), optm \(optim\?\)$"
    ),
    "loss=bce --seed 3 seed=1": r"--seed: no such flag\n  options have no dashes: seed=3;",
    "-m seed=0,1 --info plugins": r"--multirun and --info: cannot be done together\n  leave all but one out",
    "--cfg foo": r"--cfg.*invalid choice: 'foo'",
    "--config-dir nowhere": r"--config-dir: there is no folder nowhere\n.*check the path",
    "hydra.run.dir=a=b": r"""hydra.run.dir: .*\n.*in quotes: 'hydra.run.dir="a=b"'""",
    "hydra.run.dir=a(b": r"""hydra.run.dir: .*\n.*in quotes: 'hydra.run.dir="a\(b"'""",
    "data=folder data.root=it's": r"""data.root: Hydra cannot.*\n.*quotes: 'data.root="it'"'"'s"'""",
    "hydra.job.chdir=true": r"hydra.job.chdir: a run stays where it is started.*\n.*leave it out",
    "hydra.run.dir=a,b": r"hydra.run.dir: several values",
    "hydra.run.dir=file.txt": r"file.txt: File exists\n.*another directory",
    "hydra.run.dir=file.txt/x": r"file.txt/x: Not a directory\n.*another directory",
    "hydra.run.dir=/proc/x": r"/proc/x: .*\n.*check the path",
    # pictures
    "data=folder": r"data.root: .*\n.*data.root=photos, if that is its name",
    "data=flat": r"data=flat: no such option\n  your own pictures: data=folder data.root=flat; data has: ",
    "data=folder data.root=nowhere": r"data.root: .*nowhere",
    "data=folder data.root=empty": r"data.root: no pictures in empty.*\n.*\.png",
    "data=folder data.root=broken": r"data.root: none of the 2 pictures in broken can be read\n.*text.png",
    "data=folder data.root=file.txt": r"data.root: file.txt is a file",
    "data=folder data.root=flat condition=class": r"condition=class needs labels.*\n.*one subfolder",
    "data=folder data.root=flat train.batch_size=64": r"does not fit into the 9 images to train on\n.*=8$",
    # a user's own YAML
    "--config-dir mine loss=torn": r"torn.yaml, line 2: is not YAML\n.*expected",
    "--config-dir mine +own=unknown": r"own/unknown.yaml: train.stepz: no such option\n.*train.steps\?",
}


@pytest.fixture
def material(tmp_path: Path) -> None:
    """Files that the cases name."""
    (tmp_path / "file.txt").write_text("no folder")
    for name in ("empty", "broken", "flat", "mine/loss", "mine/own", "begun"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "begun" / ".lock").touch()
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "config.yaml").touch()
    (tmp_path / "broken" / "text.png").write_text("no picture")
    (tmp_path / "broken" / "void.jpg").touch()
    for index in range(12):
        Image.fromarray(np.full((16, 16), index, np.uint8)).save(tmp_path / "flat" / f"{index}.png")
    (tmp_path / "mine" / "loss" / "torn.yaml").write_text("_target_: [unclosed\n")
    (tmp_path / "mine" / "own" / "unknown.yaml").write_text("# @package _global_\ntrain:\n  stepz: 3\n")


@pytest.mark.usefixtures("material")
@pytest.mark.parametrize("typed", TRAINING)
def test_training_refuses(gantrain: Command, typed: str) -> None:
    assert_refused(gantrain(*tiny(*typed.split())), TRAINING[typed])


@pytest.mark.usefixtures("material")
def test_what_was_said_of_the_data_leaves_no_run(gantrain: Command) -> None:
    """A log of a broken picture is all that there is when the batch turns out too large."""
    (Path("flat") / "text.png").write_text("no picture")
    refused = gantrain("data=folder", "data.root=flat", "data.image_size=16", "train.batch_size=64")
    assert_refused(refused, "does not fit into the 9 images")
    assert not Path("outputs").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none(gantrain: Command) -> None:
    assert_refused(gantrain(*tiny("runtime.device=cuda")), r"runtime.device: PyTorch finds no cuda device")


COMMANDS = {
    "trian": r"trian: no such command\n",
    "train": r"train: no such command\n.*training needs no word",
    "train loss=hinge": r"train: no such command\n.*training needs no word",
    "data = folder": r"data: has a blank beside its =\n  without: data=folder$",
    "loss=hinge optim =ttur": r"optim: has a blank beside its =\n  without: optim=ttur$",
    "loss= hinge": r"loss: has a blank beside its =\n  without: loss=hinge$",
    "augment=true": r"augment=true: is no option's name\n  choose one: augment=diffaug, augment=none",
    "-m condition=none,5": r"condition=5: is no option's name\n  choose one: condition=class",
    "inspect data=1": r"data=1: is no option's name\n  choose one: .*data=folder",
    "--best sample latest": r"--best: stands before a command\n.* first: gantrain sample latest --best",
    "-n 4 sample latest": r"-n: stands before a command\n  the command first: gantrain sample latest -n 4",
    "seed=1 resume latest": r"seed=1: stands before a command\n.* gantrain resume latest seed=1",
    "-m seed=1 export latest": r"-m: stands before a command\n  the command first: gantrain export latest$",
    "data.zip": r"data.zip: no such command",
    "+sweep==x": r"sweep: has more than one =\n  without: \+sweep=x",
    "+sweep=1": r"sweep=1: is no option's name\n  choose one: .*\+sweep=losses",
    "--sample latest": r"--sample: no such flag\n  did you mean gantrain sample\?",
    "--preflight data=digits": r"--preflight: no such flag\n  that is one of: gantrain doctor$",
    "--epochs 3": r"--epochs: no such flag\n  without dashes: did you mean train.steps, which counts",
    "-m train.steps=1,000": r"train.steps: has a comma within a number: 1,000\n  without: train.steps=1000",
    "optim.betas=0.5,0.9": r"optim.betas: several values.*\n  a list has brackets: 'optim.betas=\[0.5,0.9\]'",
    "optim.betas=[0.5,0.9": r"optim.betas: has no \] at its end\n  'optim.betas=\[0.5,0.9\]'",
    "loss==hinge": r"loss: has more than one =\n  without: loss=hinge",
    "train.steps": r"train.steps: has no value\n  train.steps=VALUE",
    "help": r"help: no such command\n  did you mean gantrain --help\?",
    "-m loss=bce, hinge": r"hinge: has a blank before it\n  without: loss=bce,hinge",
    "sample run --out x.png": r"--out: x.png looks like a file.*\n  --out x$",
    "seed =": r"seed: has a blank beside its =\n  without: seed=VALUE$",
    "resume run train.steps = 4": r"train.steps: has a blank beside its =\n  without: train.steps=4$",
    "resme x": r"resme: no such command\n.*did you mean gantrain resume\?",
    "smaple latest": r"smaple: no such command\n.*did you mean gantrain sample\?",
    "latest sample -n 4": r"latest: no such command\n.*command comes first: gantrain sample latest -n 4; ",
    "sample latest n=64": r"unrecognized arguments: n=64\n  with dashes: -n 64; ",
    "data.image_size=32px": r"image_size: must be a whole number, got '32px'\n.*: data.image_size=32$",
    "compare nowhere --format md there": r"nowhere: no such run",
    "resume": r"resume: RUN is missing\n.*--help",
    "resume begun": r"begun: is a run that ended as it began: nothing is saved\n  the command",
    "resume latest": r"latest: there is no run.*\n.*start one",
    "sample x --besst": r"unrecognized arguments: --besst\n  did you mean --best\?",
    "loss": r"loss: no such command\n  choose one: loss=bce, ",
    "resume nowhere": r"nowhere: no such run.*\n.*there is no outputs/ here: .*start one",
    "latest": r"latest: is neither a command nor key=value\n  it is a run: gantrain doctor latest judges it",
    "runs": r"runs: is neither .*\n  there are runs in it: gantrain compare runs says which was best",
    "loss:hinge seed=3": r"loss:hinge: has a colon for its =\n  gantrain loss=hinge seed=3$",
    "train.steps=1e3": r"steps: must be a whole number, got '1e3'\n  e.g. train.steps=1000$",
    "train.steps=abc": r"steps: must be a whole number, got 'abc'\n  e.g. train.steps=1600$",
    "augment=flip": r"augment=flip: no such option\n  did you mean data.flip=true\?",
    "doctor.ignore=GD301": r"ignore: must be a list, got 'GD301'\n  e.g. 'doctor.ignore=\[GD301\]'$",
    "data=folder data.root=flat hydra.run.dir=flat/run": r"dir: .*flat/run lies among the pictures of flat",
    "doctor lastest": r"lastest: no such run.*\n.*did you mean `latest`\?",
    "widht=8": r"widht: no such option\n.*did you mean model.width\?",
    "resume empty": r"empty: is not a run.*\n.*outputs/",
    "sample nowhere": r"nowhere: no such run",
    "sample empty": r"empty: is not a run",
    "sample x -n 0": r"sample: -n/--count must be a positive whole number, got '0'",
    "sample x -n abc": r"sample: -n/--count must be a positive whole number, got 'abc'",
    "sample x --format gif": r"sample: --format has no choice 'gif'; there are: .*npz",
    "sample x -n": r"sample: -n/--count needs a value",
    "sample": r"sample: RUN is missing\n.*gantrain sample latest takes the newest",
    "sample x --seed 99999999999999999999999": r"sample: --seed must be a whole number up to 2\^62",
    "sample x --nope": r"--nope",
    "inspect data=folder data.root=nowhere": r"data.root: .*nowhere",
    "inspect flat": r"flat: is neither a command nor key=value\n  in its place: data=folder data.root=flat",
    "inspect data=folder data.root=broken": r"none of the 2 pictures",
    "inspect data=folder data.root=flat --out file.txt/x.png": r"file.txt.*\n.*another.*--out FILE",
    "inspect data=digits,mnist": r"data: several values \(digits,mnist\) are a sweep\n.*name one value",
    "doctor --preflight loss=bce,hinge": r"loss: several values.*\n.*name one value",
    "doctor --preflight seed=range(1,3)": r"seed: several values.*\n.*name one value",
}


@pytest.mark.usefixtures("material")
@pytest.mark.parametrize("typed", COMMANDS)
def test_command_refuses(gantrain: Command, typed: str) -> None:
    assert_refused(gantrain(*typed.split()), COMMANDS[typed])


def test_a_blank_that_was_not_quoted(gantrain: Command) -> None:
    Path("my photos").mkdir()
    refused = gantrain("inspect", "data=folder", "data.root=my", "photos")
    assert refused.code == 2
    assert "with its blank quoted: 'data.root=my photos'" in refused.err


@pytest.mark.parametrize("name", ["it's mine", "it\\'s", "a, b [c]", "back\\"])
def test_a_folder_of_options_may_have_any_name(gantrain: Command, name: str) -> None:
    Path(name, "data").mkdir(parents=True)
    Path(name, "data", "own.yaml").write_text("_target_: gantrain.data.sources.digits\nimage_size: 16\n")
    told = gantrain("inspect", "--config-dir", name, "data=own")
    assert told.code == 0, told.err
    assert "digits: 1797 images, 16 x 16" in told.out


@pytest.mark.usefixtures("material")
def test_what_is_suggested_can_be_pasted(gantrain: Command, run: Path) -> None:
    """Of names with blanks; what is suggested is typed as it stands, and works or comes further."""
    Path("flat").rename("my photos")
    Path("out put").mkdir()
    run.rename("out put/r 1")
    misspelt = gantrain("inspect", "data=folder", "data.root=my phots", "data.image_size=16")
    assert "did you mean 'data.root=my photos'?" in misspelt.err
    assert (
        "did you mean --images 'my photos'?"
        in gantrain("evaluate", "out put/r 1", "--images", "my phots").err
    )
    file = gantrain("inspect", "data=folder", "data.root=my photos/1.png")
    assert "\n  'data.root=my photos'" in file.err
    assert "--out 'out put/NAME'" in gantrain("inspect", "--out", "out put").err
    cut_short(Path("out put/r 1/checkpoints/00000002.pt"))
    assert "take another: 'out put/r 1/checkpoints/00000001.pt'" in gantrain("sample", "out put/r 1").err
    shutil.rmtree("out put/r 1/checkpoints")
    assert "\n  gantrain doctor 'out put/r 1'" in gantrain("doctor", "--deep", "out put/r 1").err


def test_a_sweep_of_which_every_job_is_refused_leaves_nothing(gantrain: Command) -> None:
    """But for a folder that was chosen."""
    refused = gantrain("-m", "loss=bce,hinje")
    assert refused.code == 2
    assert not Path("outputs").exists()
    Path("own/sweep").mkdir(parents=True)
    Path("link").symlink_to("own/sweep")
    for place in ("own/sweep", "link"):
        refused = gantrain("-m", "loss=bce,hinje", f"hydra.sweep.dir={place}")
        assert "did you mean loss=hinge" in refused.err
        assert Path("own/sweep").is_dir()


def test_an_option_of_ones_own_may_have_points_in_its_name(gantrain: Command) -> None:
    """A number is no name, and a date is none."""
    Path("own/experiment").mkdir(parents=True)
    Path("own/experiment/2024.10.01.yaml").write_text("# @package _global_\nseed: 3\n")
    told = gantrain("--config-dir", "own", "experiment=2024.10.01", "--cfg", "job", "-p", "seed")
    assert (told.code, told.out) == (0, "3\n"), told.err
    assert_refused(gantrain("--config-dir", "own", "experiment=2024"), "experiment=2024: is no option's name")


def test_of_a_key_given_two_values_it_is_said_which_one_counts(gantrain: Command) -> None:
    """seed=0 seed=1 may have been meant as seed=0,1."""
    told = gantrain("seed=0", "loss=bce", "--cfg", "job", "seed=1", "loss=bce")
    assert told.err == (
        "gantrain: warning: seed is given more than one value, and the last one counts: seed=1\n"
    )
    assert "seed: 1\n" in told.out
    assert not gantrain("seed=0", "loss=bce", "--cfg", "job").err


def test_a_folder_named_where_an_option_is_wanted(gantrain: Command) -> None:
    """With blanks and brackets, which Hydra cannot read: said at once as it has to be typed."""
    Path("My logos (2025)").mkdir()
    told = gantrain("data=My logos (2025)").err.splitlines()[1]
    assert told == """  your own pictures: data=folder "data.root='My logos (2025)'\""""
    found = gantrain("inspect", *shlex.split(told)[-2:])
    assert found.err.startswith("gantrain: error: data.root: no pictures in My logos (2025)")


def test_a_folder_with_a_comma_and_a_blank_in_its_name(gantrain: Command) -> None:
    """Each slip is answered by what works."""
    Path("wardrobe, 2024").mkdir()
    works = """"data.root='wardrobe, 2024'\""""
    for slip in (("data.root=wardrobe,", "2024"), ("data.root=wardrobe, 2024",), ("data.root=wardrobe2024",)):
        refused = gantrain("inspect", "data=folder", *slip)
        assert works in refused.err, refused.err
    found = gantrain("inspect", "data=folder", *shlex.split(works))
    assert "no pictures in wardrobe, 2024" in found.err


def test_a_run_is_meant_without_the_folder_of_runs(gantrain: Command, run: Path) -> None:
    Path("outputs").mkdir()
    run.rename("outputs/mine")
    refused = gantrain("sample", "mine")
    assert refused.code == 2
    assert "did you mean outputs/mine?" in refused.err


def test_a_job_named_by_its_number_alone(gantrain: Command) -> None:
    for sweep in ("1-a", "2-b"):
        job = Path("outputs/multirun/2026-01-01", sweep, "3")
        job.mkdir(parents=True)
        (job / "config.yaml").touch()
    refused = gantrain("sample", "3")
    assert refused.code == 2
    assert "did you mean outputs/multirun/2026-01-01/2-b/3?" in refused.err


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny finished run with two checkpoints; each test works on a copy."""
    run = tmp_path_factory.mktemp("trained") / "run"
    options = ("checkpoint.every=1", "tracking.every=1", f"hydra.run.dir={run}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["gantrain", *tiny(*options)])
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert not end.value.code
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def contents(run: Path) -> dict[str, str]:
    return {
        str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in run.rglob("*")
        if path.is_file()
    }


# typed after a run exists as ./run -> what the answer must say; nothing in the run may change
OF_A_RUN = {
    "resume run foo=1": r"foo: no such option",
    "resume run hydra.run.dir=other": r"hydra.run.dir: a resume goes on in the run's own .*\n  leave it out",
    "resume run --steps 2000": r"--steps 2000\n  without dashes: did you mean train.steps\?",
    "resume run --train.steps 9": r"--train.steps 9\n  options have no dashes: train.steps=9; ",
    "resume run train.step=3": r"did you mean train.steps\?",
    "resume run optim.lr_d=0.1": r"optim.lr_d: 0.0002 -> 0.1 would make it another experiment\n.*train.steps",
    "resume run loss=hinge": r"loss: is chosen when a run begins\n.*its own: gantrain .*loss=hinge",
    "resume run optim.lr_d": r"optim.lr_d: is not key=value",
    "resume run tracking=5": r"tracking: is a section of options, not a value\n.*it takes: every, samples",
    "resume run model.generator=5": r"model.generator: is a section of options.*\n.*width",
    "resume run train.steps=[": r"train.steps: cannot read the value \[",
    "resume run train.steps=abc": r"train.steps: must be a whole number, got 'abc'\n  e.g. train.steps=1600",
    "resume run train.steps=null": r"train.steps: needs a value",
    "resume run train.steps=1": r"train.steps: is 1, and 2 steps are done\n  .*resume run train.steps=2 ends",
    "resume run doctor.enabled=maybe": r"doctor.enabled: must be true or false, got 'maybe'\n  e.g.",
    "resume run doctor.params.GD201.variety_warn=x": r"must be a number, got 'x'\n  e.g. .*=0.5",
    "resume run runtime.device=5": r"runtime.device: no such device: '5'",
    "resume run metrics.best=4": r"metrics.best: no such metric: '4'",
    "resume run --best": r"--best\n  --best is for sample, evaluate, export; gantrain resume --help",
    "compare run --strict": r"--strict\n  --strict is for doctor; ",
    "resume run train.steps=-1": r"train.steps: must be 1 or more",
    "resume run/checkpoints": r"is not a run",
    "resume run/checkpoints/00000009.pt": r"no such run directory or checkpoint",
    "hydra.run.dir=run optim.lr_d=0.1": r"run: holds a run with other settings: optim.lr_d 0.0002 -> 0.1\n",
    "resume run train.images=20": r"train.images: null -> 20 would make it another experiment\n",
    "hydra.run.dir=run train.images=20": r"other settings: train.images null -> 20\n",
    "hydra.run.dir=run model.width=8": r"other settings: .*model.width 4 -> 8\n.*another directory",
    "sample run --class 3": r"--class: this run was trained without classes\n.*condition=class",
    "sample run -n 100000": r"-n: a grid holds at most 4096.*\n.*png or npz",
    "doctor --preflight run": r"run: is neither .*\n  it is a run: gantrain doctor run judges it",
    "sample run --walk 1": r"--walk must be a whole number from 2 on.*, got '1'",
    "sample run --walk 1000000": r"--walk: a grid holds at most 4096.*\n.*--walk 512",
    "sample run --device gpu": r"no such device: 'gpu'",
    "sample run/checkpoints/00000001.pt --best": r"--best: chooses among .*\n.*the run's directory",
    "evaluate run/checkpoints/00000001.pt --best": r"--best: chooses among",
    "export run/checkpoints/00000001.pt --best": r"--best: chooses among",
    "evaluate run --best --images run/samples": r"--best: .*--images.*\n.*leave one",
    "sample run --out run/config.yaml": r"config.yaml.*\n.*another directory, e.g. --out DIR",
    "compare run --format md --out run/config.yaml/x.md": r"x.md: Not a dir.*\n.*directory, e.g. --out FILE",
    "sample run --out /proc/x": r"/proc/x: .*\n.*check the path",
}


@pytest.mark.parametrize("typed", OF_A_RUN)
def test_run_is_refused_and_unharmed(gantrain: Command, run: Path, typed: str) -> None:
    before = contents(run)
    arguments = tuple(typed.split())
    options = ("checkpoint.every=1", "tracking.every=1")
    assert_refused(
        gantrain(*(tiny(*arguments, *options) if arguments[0].startswith("hydra") else arguments)),
        OF_A_RUN[typed],
    )
    assert contents(run) == before


@pytest.mark.parametrize(
    ("option", "extra"),
    [("sweeper/optuna", "sweep"), ("launcher/joblib", "joblib"), ("launcher/submitit_local", "slurm")],
)
def test_an_extra_that_is_missing_is_named(option: str, extra: str) -> None:
    missing = MissingConfigException("", missing_cfg_file=f"hydra/{option}", options=["basic"])
    told = str(explain(missing, [f"hydra/{option.replace('/', '=')}"]))
    assert told == f"hydra/{option.replace('/', '=')}: is not installed\n  pip install 'gantrain[{extra}]'"
    assert extra in (metadata("gantrain").get_all("Provides-Extra") or ())


def test_a_refused_job_of_a_sweep_leaves_the_run_that_is_there(gantrain: Command) -> None:
    """A sweep that was widened numbers its jobs anew: job 0 is then another one than the run in 0/."""
    assert gantrain("-m", *tiny("seed=0", "hydra.sweep.dir=sweep")).code == 0
    before = Path("sweep/0/summary.json").read_text(), Path("sweep/0/config.yaml").read_text()
    refused = gantrain("-m", *tiny("seed=1", "hydra.sweep.dir=sweep"))
    assert refused.code == 2
    assert "holds a run with other settings: seed 0 -> 1" in refused.err
    assert (Path("sweep/0/summary.json").read_text(), Path("sweep/0/config.yaml").read_text()) == before


FOREIGN = {
    "config.yaml": "database: postgres\n",
    "summary.json": '{"status": "finished"}',
    "metrics.jsonl": '{"epoch": 1, "loss": 0.5}\n',
    "report.md": "# My report\n",
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("where", ["hydra.run.dir=own", "-m hydra.sweep.dir=. hydra.sweep.subdir=own"])
def test_files_that_are_not_gantrains_are_not_written_over(gantrain: Command, name: str, where: str) -> None:
    Path("own").mkdir()
    Path("own", name).write_text(FOREIGN[name])
    for _ in range(2):  # nor once the first refusal has left something there
        refused = gantrain(*where.split(), *tiny())
        assert refused.code == 2
        assert re.search(rf"own: holds a {name} that is not gantrain's.*\n.*hydra.run.dir", refused.err)
        assert Path("own", name).read_text() == FOREIGN[name]
        assert {path.name for path in Path("own").iterdir()} <= {name, "multirun.yaml"}


def test_a_run_that_ended_before_its_first_checkpoint_is_begun_anew(gantrain: Command, run: Path) -> None:
    shutil.rmtree(run / "checkpoints")
    assert gantrain(*tiny("hydra.run.dir=run", "seed=9")).code == 0
    swept = ("-m", *tiny("hydra.sweep.dir=sweep", "train.batch_size=8"))
    assert gantrain(*swept, "penalty=wgan_gp").code == 2
    assert Path("sweep/0/summary.json").is_file()
    assert gantrain(*swept, "penalty=none").code == 0


@pytest.mark.parametrize("harm", [("train.steps=0",), ("seed=9",), ()])
def test_a_rewind_that_is_refused_moves_nothing(gantrain: Command, run: Path, harm: tuple[str, ...]) -> None:
    oldest = files.numbered(run / "checkpoints", "pt")[0]
    if not harm:
        cut_short(oldest)
    before = contents(run)
    assert gantrain("resume", str(oldest), *harm).code == 2
    assert contents(run) == before


def test_names_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    """A class folder of Chinese letters and a broken file that is no text, told to a terminal of ASCII."""
    for name in ("\u732b", "cat"):
        folder = tmp_path / "pets" / name
        folder.mkdir(parents=True)
        for seed in range(4):
            pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{seed}.png")
    (tmp_path / "pets" / "cat" / os.fsdecode(b"\xfe.png")).touch()
    command = [
        sys.executable,
        "-m",
        "gantrain",
        "inspect",
        "data=folder",
        "data.root=pets",
        "data.image_size=16",
    ]
    environment = os.environ | {
        "PYTHONIOENCODING": "ascii:strict",
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\\u732b" in done.stdout


class Evil:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, ("executed",)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


def of_other_networks(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    average = content["state"]["ema"]
    content["state"]["ema"] = {name: torch.zeros(2, *value.shape) for name, value in average.items()}
    checkpoint.save(path, content)


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (cut_short, r"00000002.pt: cannot be read.*\n.*take another: .*00000001.pt"),
    "empty": (lambda path: path.write_bytes(b""), r"00000002.pt: .*\n.*00000001.pt"),
    "no checkpoint": (lambda path: torch.save({"a": 1}, path), r"not a checkpoint of this version.*\n"),
    "malicious": (lambda path: path.write_bytes(pickle.dumps(Evil())), r"holds code.*\n.*00000001.pt"),
    "malicious archive": (lambda path: torch.save(Evil(), path), r"holds code.*\n.*00000001.pt"),
    "other networks": (of_other_networks, r"does not fit this run's networks.*\n.*belongs to the run"),
}


@pytest.mark.parametrize("command", ["resume run train.steps=4", "sample run"])
@pytest.mark.parametrize("harm", HARM)
def test_damaged_checkpoint(gantrain: Command, run: Path, harm: str, command: str) -> None:
    damage, says = HARM[harm]
    damage(run / "checkpoints" / "00000002.pt")
    before = contents(run)
    assert_refused(gantrain(*command.split()), says)
    assert contents(run) == before
    assert not Path("executed").exists()


@pytest.mark.parametrize("command", ["resume run train.steps=4", "sample run"])
def test_run_without_checkpoint(gantrain: Command, run: Path, command: str) -> None:
    shutil.rmtree(run / "checkpoints")
    assert_refused(gantrain(*command.split()), r"run: has no checkpoint.*\n.*(start it anew|let it train)")


NEED_CONFIG = pytest.mark.parametrize(
    "command", ["resume run train.steps=4", "sample run", "hydra.run.dir=run checkpoint.every=1"]
)


@NEED_CONFIG
def test_missing_config(gantrain: Command, run: Path, command: str) -> None:
    (run / "config.yaml").unlink()
    before = contents(run)
    arguments = command.split()
    refused = gantrain(*(tiny(*arguments) if "hydra" in command else arguments))
    assert_refused(refused, r"config.yaml: is missing|run: (is )?not a run")
    assert contents(run) == before


@NEED_CONFIG
@pytest.mark.parametrize("text", ["train: [", "", "seed: 0\n", "- 1\n"])
def test_damaged_config(gantrain: Command, run: Path, command: str, text: str) -> None:
    (run / "config.yaml").write_text(text)
    before = contents(run)
    arguments = command.split()
    assert_refused(
        gantrain(*(tiny(*arguments) if "hydra" in command else arguments)), r"config.yaml: is damaged"
    )
    assert contents(run) == before


def test_class_that_is_none(gantrain: Command) -> None:
    assert gantrain(*tiny("condition=class", "hydra.run.dir=run")).code == 0
    assert_refused(gantrain("sample", "run", "--class", "99"), r"--class: no such class: '99'\n.*0, 1")


def test_constructor_of_the_users_own(gantrain: Command, tmp_path: Path) -> None:
    source = "class Picky:\n    def __init__(self):\n        raise ValueError('not on a Sunday')\n"
    (tmp_path / "picky_loss.py").write_text(source)
    assert_refused(gantrain(*tiny("loss._target_=picky_loss.Picky")), r"loss: not on a Sunday")


def test_a_sweep_goes_on_and_ends_with_its_first_failure(gantrain: Command) -> None:
    outcome = gantrain("-m", *tiny("loss=bce,hinge", "penalty=none,wgan_gp", "hydra.sweep.dir=all"))
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert "model.discriminator.norm=layer" in outcome.err
    summaries = [yaml.safe_load(Path(f"all/{job}/summary.json").read_text()) for job in range(4)]
    assert [summary["status"] for summary in summaries] == ["finished", "failed"] * 2
    for job in (1, 3):
        assert "batch norm mixes" in summaries[job]["error"]
        assert "batch norm mixes" in Path(f"all/{job}/train.log").read_text()


def test_two_runs_in_one_directory(process: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    options = tiny("hydra.run.dir=same", "train.steps=900", "checkpoint.every=1000")
    first = process(*options)
    for _ in range(600):
        if (tmp_path / "same" / "metrics.jsonl").exists():
            break
        time.sleep(0.05)
    second = process(*options)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2, err
    assert re.search(r"same: another gantrain is training.*\n.*hydra.run.dir", err)
    assert len(err.splitlines()) <= 3
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0, err
    assert "finished: 900 steps" in out


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "gantrain-test", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system needs root on Linux")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_what_cannot_be_written_to_a_full_disk(gantrain: Command, run: Path, small_disk: Path) -> None:
    (small_disk / "filling").write_bytes(bytes(2**20 * 2 - 2**14))
    says = r"No space left on device\n.*free some space, then type it again"
    assert_refused(gantrain("sample", "run", "-n", "999", "--format", "npz", "--out", "disk"), says)


def test_a_run_that_can_only_be_read(gantrain: Command, run: Path, small_disk: Path) -> None:
    """A command that writes there alone can be told no other place."""
    shutil.copytree(run, small_disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    says = r"disk/run/report.md: Read-only file system\n  check the path, and that you may write there"
    assert_refused(gantrain("doctor", "disk/run"), says)


@pytest.mark.usefixtures("material")
def test_a_cache_that_cannot_be_written(
    gantrain: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file.txt"))
    says = r"file.txt/gantrain/pictures: cannot keep the decoded.*Not a directory.*\n.*XDG_CACHE_HOME=DIR"
    assert_refused(gantrain(*tiny("data=folder", "data.root=flat")), says)
    assert_refused(gantrain("inspect", "data=folder", "data.root=flat"), says)


@pytest.mark.usefixtures("material")
def test_a_cache_on_a_full_disk(gantrain: Command, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(small_disk))
    says = (
        r"disk/gantrain/pictures: cannot keep the decoded.*No space left.*\n.*free some space.*XDG_CACHE_HOME"
    )
    assert_refused(gantrain("inspect", "data=folder", "data.root=flat", "data.image_size=256"), says)
    assert not [path for path in small_disk.rglob("*") if path.is_file() and path.stat().st_size]


FILLED_BY = {
    "checkpoints": ("checkpoint.every=1", "checkpoint.keep=100", "train.steps=100"),
    "pictures": (
        "checkpoint.every=2",
        "tracking.every=1",
        "tracking.samples_every=1",
        "tracking.samples=400",
    ),
}


@pytest.mark.parametrize("what", FILLED_BY)
def test_full_disk(process: Callable[..., subprocess.Popen[str]], small_disk: Path, what: str) -> None:
    options = tiny(*FILLED_BY[what], "hydra.run.dir=disk/run", "train.steps=100")
    started = process(*dict.fromkeys(options))
    _, err = started.communicate(timeout=100)
    assert started.returncode == 2, err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 3, err
    assert re.search(r"No space left on device.*\n.*free some space.*gantrain resume", err)
    run = small_disk / "run"
    newest = checkpoint.newest(run)
    assert newest is not None
    assert checkpoint.load(newest)["state"]["step"] == int(newest.stem)
    assert not list(run.rglob("*.partial"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_table_that_finds_no_room_is_an_error(run: Path, tmp_path: Path) -> None:
    """Also where it is short enough to wait until the end: Python would end with 120, and a traceback."""
    command = (sys.executable, "-m", "gantrain", "compare", str(run), "--format", "csv")
    root = Path(__file__).parent.parent
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(root), "PYTHONUNBUFFERED": ""},
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 2, done.stderr
    assert b"what is printed: No space left on device\n  free some space, then type it again" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
