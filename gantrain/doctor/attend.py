"""The doctor at a run: when it looks, how long that may take, and what it writes down.

It only looks on. What it remembers is part of the checkpoint; what it draws comes from generators of its own,
seeded by the run's seed and the step, so that a run with a doctor and one without have the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from gantrain import files, pictures
from gantrain.console import log
from gantrain.doctor.exhibits import exhibit
from gantrain.doctor.eyes import Eyes
from gantrain.doctor.finding import Finding
from gantrain.doctor.governor import TIERS, Governor
from gantrain.doctor.material import Material
from gantrain.doctor.memory import FD_LASTS, Memory
from gantrain.doctor.report import Diagnosis, console_line, markdown
from gantrain.doctor.rules.rule import Examination, Facts, Null
from gantrain.doctor.watch import WARM_UP_STEPS, Watch
from gantrain.errors import NonFiniteError
from gantrain.keys import flatten
from gantrain.train.state import TrainingState

DIARY = "doctor"  # its page in the state's diary
CLOSING_LOOKS = 3
SHORTEST_JUDGED = WARM_UP_STEPS  # steps of a run whose pictures are looked at
FINITE = {"finite_d": 1.0, "finite_g": 1.0}  # the alarm, asked before every look, was silent
AT_THE_END = "fd_rand"  # a signal that only the closing looks take
HISTORY = 400  # looks kept for a picture of how a signal went


class Notebook(Protocol):
    """Where a run's observers write for people (tracking.py)."""

    def scalars(self, room: str, values: dict[str, float], step: int) -> None: ...

    def note(self, tag: str, text: str, step: int) -> None: ...

    def picture(self, tag: str, picture: Tensor, step: int) -> None: ...


class Doctor:
    """Observes a run: looks when it is time, and says what begins and ends.

    `config`: as config.yaml has it. Without a reference the pictures are not judged: in so short a run there
    is nothing to see yet. A `silent` one leaves only report.md and its pictures in the run.
    """

    def __init__(
        self, run: Path, config: Mapping[str, Any], eyes: Eyes, total: int,
        notebook: Notebook | None = None, silent: bool = False,
    ) -> None:  # fmt: skip
        self.run, self.eyes, self.total, self.notebook, self.silent = run, eyes, total, notebook, silent
        reference, settings = eyes.reference, config["doctor"]
        self.facts = facts_of(config) | eyes.facts | (dict(reference.facts) if reference else {})
        self.nulls = {name: Null(*null) for name, null in reference.nulls.items()} if reference else {}
        self.watch = Watch(settings["params"], settings["ignore"])
        self.memory = Memory(eyes.game.rules.loss.equilibrium, FD_LASTS * total)
        self.governor = Governor(settings["max_overhead"], config["runtime"]["deterministic"])
        self.history: list[dict[str, float]] = []
        self.window: dict[str, float] = {}  # the means of the last window of steps
        self.fakes: Tensor | None = None  # of the last look at pictures
        self.last = 0  # the step of the last row that was judged again
        self.written = dict.fromkeys((files.SIGNALS, files.FINDINGS), 0)  # rows
        self._recall()

    # ---- When ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Before the first step: what the configuration and the untrained generator tell; of a run that goes
        on only what a look costs here, of which the first is dear.
        """
        judges, goes_on = self.eyes.reference is not None, self.eyes.state.step > 0
        signals = self.eyes.untrained() if judges and not goes_on else {}
        if judges:
            with self.governor.timing("pictures", counts=False):
                self.eyes.compared(self.eyes.fakes())
        if goes_on:
            self._remember()
        else:
            self._examine(signals)

    def after_step(self, state: TrainingState) -> None:
        for name, tier in TIERS.items():
            due = state.step % tier.every(self.total) == 0 and state.step < self.total
            due = due and (name == "game" or self.eyes.reference is not None)
            if due and self.governor.allows(name, state.seconds):
                state.alarm.check()
                with self.governor.timing(name):
                    self._examine(LOOKS[name](self))

    def close(self, status: str) -> Diagnosis:
        """The closing verdict, by looks that are independent of each other, and the report."""
        ended_itself = status == "finished" and self.eyes.state.step >= max(1, self.last)
        if ended_itself:  # maybe early (train.stop_when_worse): no step is to come
            self.total = self.eyes.state.step
        self._take_window()
        if self.eyes.reference is not None and self.eyes.state.step >= SHORTEST_JUDGED:
            looks = [self._closing_look(number) for number in range(1, CLOSING_LOOKS + 1)]
            self._announce(self.watch.conclude(looks))
            self._tell_how_they_stand()
        return self.report(status)

    def _tell_how_they_stand(self) -> None:
        """What was found long ago has other numbers and another look by now: a row with these."""
        told = {row["rule"]: row["message"] for row in files.read_rows(self.run / files.FINDINGS)}
        for finding in self.watch.active:
            if told.get(finding["rule"], finding["message"]) != finding["message"]:
                now: Finding = {**finding, "event": "changed", "step": self.eyes.state.step}
                now["picture"] = self._show(now) or finding["picture"]
                self.watch.illustrate(finding["rule"], now["picture"])
                self._write(files.FINDINGS, dict(now))

    def _closing_look(self, number: int) -> Examination:
        self.fakes = self.eyes.fakes(number)
        closely = self.eyes.closely(self.fakes, number)
        signals = self.eyes.game_now(number) | self.eyes.compared(self.fakes) | closely.signals
        missing = {"missing_classes": self.eyes.names_of(closely.missing)}
        return self._examination(self.window | signals, missing)

    def replay(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Judges rows of signals.jsonl once more; not the closing looks, which are taken anew."""
        for row in rows:
            if AT_THE_END in row:
                continue
            self.last = step = int(row["step"])
            signals = self.memory.add(step, {name: value for name, value in row.items() if name != "step"})
            self.watch.examine(Examination(step, self.total, signals, self.nulls, self.facts))

    def lost(self, error: NonFiniteError) -> Diagnosis:
        """The run is at its end: a number was not finite. The report."""
        player = "d" if error.key == "discriminator" else "g"
        self._examine({f"finite_{name}": float(name != player) for name in ("d", "g")}, error.step)
        return self.report("failed")

    def look_at_game(self) -> dict[str, float]:
        self._take_window()
        return FINITE | self.window | self.eyes.game_now()

    def look_at_pictures(self) -> dict[str, float]:
        self.fakes = self.eyes.fakes()
        return self.eyes.compared(self.fakes)

    def _take_window(self) -> None:
        self.window = self.eyes.state.vitals.take() or self.window

    # ---- What is found ------------------------------------------------------------------------------------

    def _examine(self, signals: dict[str, float], after: int | None = None) -> None:
        self._announce(self.watch.examine(self._examination(signals, after=after)))
        self._remember()

    def _examination(
        self, signals: dict[str, float], found: Facts | None = None, after: int | None = None
    ) -> Examination:
        """after: the step that the signals are of, unless it is the state's."""
        step = self.eyes.state.step if after is None else after
        known = self.memory.add(step, signals)
        if signals:
            self.history = [*self.history, {"step": float(step)} | known][-HISTORY:]
            self._write(files.SIGNALS, {"step": step} | known)
            if self.notebook is not None:
                self.notebook.scalars("doctor", known, step)
        return Examination(step, self.total, known, self.nulls, {**self.facts, **(found or {})})

    def _announce(self, changes: list[Finding]) -> None:
        for finding in changes:
            if finding["event"] != "ended":
                finding["picture"] = self._show(finding) or finding["picture"]
                self.watch.illustrate(finding["rule"], finding["picture"])
            self._write(files.FINDINGS, dict(finding))
            if self.silent:
                continue
            line = console_line(finding)
            (log.info if finding["event"] == "ended" or finding["severity"] == "info" else log.warning)(line)
            if self.notebook is not None:
                self.notebook.note(f"doctor/{finding['rule']}", line, finding["step"])

    def _write(self, name: str, row: Mapping[str, Any]) -> None:
        if not self.silent:
            files.append_row(self.run / name, dict(row))
            self.written[name] += 1

    def _show(self, finding: Finding) -> str | None:
        """Draws the picture that shows it; gives its path in the run."""
        if self.eyes.reference is None:
            return None
        material = Material(
            self.eyes.reference, self.fakes, self.eyes.training_pictures, self.history, self.facts
        )
        picture = exhibit(finding["rule"], material)
        if picture is None:
            return None
        path = Path(files.EXHIBITS) / f"{finding['rule']}-{finding['step']:08d}.png"
        pictures.save(picture, self.run / path)
        if self.notebook is not None:
            self.notebook.picture(f"doctor/{finding['rule']}", picture, finding["step"])
        return path.as_posix()

    def diagnosis(self, status: str) -> Diagnosis:
        return Diagnosis(
            findings=[*self.watch.active, *self.watch.resolved],
            checked=self.watch.checked,
            unchecked=self.watch.unchecked,
            step=max(self.last, self.eyes.state.step),
            total=self.total,
            status=status,
            share=None if self.silent else self.governor.share(self.eyes.state.seconds),
            facts=self.facts,
            run=self.run,
        )

    def report(self, status: str) -> Diagnosis:
        """Writes report.md; gives what it was written from."""
        for finding in self.watch.active:
            if finding["picture"] is None:  # found again from what was recorded, without its pictures
                self.watch.illustrate(finding["rule"], self._show(finding))
        diagnosis = self.diagnosis(status)
        files.write_atomically(self.run / files.REPORT, markdown(diagnosis))
        return diagnosis

    def summary(self) -> dict[str, Any]:
        """For summary.json."""
        seconds = self.eyes.state.seconds
        return {
            "findings": len(self.watch.active),
            "doctor": {
                "primary": self.watch.primary,
                "active": {finding["rule"]: finding["severity"] for finding in self.watch.active},
                "seconds": round(sum(self.governor.spent.values()), 3),
                "share": round(self.governor.share(seconds), 5),
            },
        }

    # ---- Remembering --------------------------------------------------------------------------------------

    def _remember(self) -> None:
        self.eyes.state.diary[DIARY] = {
            "watch": self.watch.state_dict(),
            "memory": self.memory.state_dict(),
            "spent": dict(self.governor.spent),
            "window": dict(self.window),
            "written": dict(self.written),
        }

    def _recall(self) -> None:
        """Goes on from the state's diary, and from the files as they were then: what a killed run told after
        its last checkpoint, and what the closing looks of a shorter one told, is found again or is over.
        """
        page = self.eyes.state.diary.get(DIARY)
        if page is None and not self.silent:
            self.eyes.state.vitals.take()  # of steps at which no doctor was there
        standing: dict[str, Finding] = {}
        if page is not None:
            everything = Watch()  # of which doctor.ignore may name a part by now
            everything.load_state_dict(page["watch"])
            standing = everything.standing
            self.watch.load_state_dict(page["watch"])
            self.memory.load_state_dict(page["memory"])
            self.governor.spent = dict(page["spent"])
            self.window = dict(page["window"])
            before = {name: len(files.read_rows(self.run / name)) for name in self.written}
            self.written = dict(page.get("written", before))  # older checkpoints do not say
        for name, count in self.written.items():
            if not self.silent:
                files.keep_rows(self.run / name, count)
        self._announce(self.watch.changes_since(standing, self.eyes.state.step))
        rows = files.read_rows(self.run / files.SIGNALS)
        self.history = [row for row in rows if row["step"] <= self.eyes.state.step][-HISTORY:]


def facts_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the rules may ask: the configuration flattened, and bare class names of what has one."""
    flat = flatten({key: value for key, value in config.items() if key not in ("doctor", "tracking")})
    named = {
        key.removesuffix("._target_"): str(value).rpartition(".")[2]
        for key, value in flat.items()
        if key.endswith("._target_")
    }
    return flat | named


LOOKS = {"game": Doctor.look_at_game, "pictures": Doctor.look_at_pictures}
