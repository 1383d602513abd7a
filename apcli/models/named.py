"""A network by its name: as a command says it, and as a file remembers that which does not describe its network."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from apcli.checkpoints.checkpoint import Checkpoint
from apcli.configs.shared import InputConfig
from apcli.configs.values import config_of
from apcli.data.image_spec import ImageSpec
from apcli.errors import UsageError
from apcli.models import sources
from apcli.models.spec import EXPECTED, ModelSpec, damaged, is_name, is_user_model, look_up, overridden, resolve

_EXPECTED_GIVEN = "expected an object with num_classes, input_size, mean or std"


@dataclass(frozen=True)
class NamedModel:
    """A model by its name alone, with the options that were given about it: what a file that says no more remembers.

    Attributes:
        name: as ``ModelSpec`` has it.
        given: the rest comes from the library or the data, as if name and options were given again.
    """

    name: str
    source: str
    given: InputConfig

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; ``from_json`` reads them back."""
        given = {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self.given).items()}
        named = {"name": self.name, "source": self.source}
        return {**named, "given": {key: value for key, value in given.items() if value is not None}}

    @classmethod
    def from_json(cls, model: Mapping[str, Any] | None) -> "NamedModel | None":
        """Check and read a lineage's ``model`` from an untrusted file; None if that is a ``ModelSpec``, or none.

        Raises:
            ApcliError: a value is of the wrong type; the message names it.
        """
        if model is None or "given" not in model:
            return None
        name, source, given = model.get("name"), model.get("source"), model["given"]
        checks = {"name": is_name(name, source), "source": source in sources.SOURCES}
        for key, fine in {**checks, "given": isinstance(given, Mapping)}.items():
            if not fine:
                raise damaged(model, key, EXPECTED.get(key, _EXPECTED_GIVEN))
        try:
            return cls(model["name"], model["source"], config_of(InputConfig, given))
        except UsageError:
            raise damaged(model, "given", _EXPECTED_GIVEN) from None

    @property
    def option(self) -> str | None:
        """The value of ``--model`` that names it; None for a user's, whose path is not known."""
        return None if self.source == "user" else said(self.source, self.name)


@dataclass(frozen=True)
class ModelOptions:
    """What a command says about networks.

    Attributes:
        model: ``--model``, for files that do not record their network and for users' own networks.
        inputs: the options about a network's input and output.
    """

    model: str | None
    inputs: InputConfig

    @property
    def users(self) -> str | None:
        """The ``--model`` that is a user's own."""
        return self.model if self.model is not None and is_user_model(self.model) else None

    def name_for(self, source: Checkpoint) -> str:
        """The ``--model`` of a file that does not describe its network: the command's, or an earlier stage's.

        Raises:
            UsageError: neither names one, they differ, or the path of a user's code is not known.
        """
        self._check(source)
        before = NamedModel.from_json(source.lineage.model)
        name = before.option if before is not None and self.model is None else self.model
        if name is None:
            raise UsageError(without_name(source.label) if before is None else without_code(source.label, before.name))
        return name

    def inputs_for(self, source: Checkpoint) -> InputConfig:
        """The options about a network's input and output: the command's, and those that an earlier stage remembers."""
        return self.inputs.or_of(self.remembered(source))

    def remembered(self, source: Checkpoint) -> InputConfig:
        """The options about a network's input and output that the file of an earlier stage remembers."""
        before = NamedModel.from_json(source.lineage.model)
        return InputConfig() if before is None else before.given

    def resolved(
        self, source: Checkpoint, images: ImageSpec, classes: int | None = None, *, pretrained: bool = False
    ) -> ModelSpec:
        """The network of ``name_for``, for such images; ``classes``: its outputs if no option gives their number."""
        inputs = self.inputs_for(source)
        inputs = replace(inputs, num_classes=inputs.num_classes or classes)
        return resolve(self.name_for(source), images, inputs, pretrained=pretrained)

    def _check(self, source: Checkpoint) -> None:
        """Refuse a ``--model`` that is not the one in the file; a user's file may have been renamed."""
        known = source.lineage.model
        if known is None or self.model is None or is_user_model(self.model):
            return
        theirs = (str(known.get("source")), known["name"])
        if look_up(self.model) != theirs:
            raise UsageError(f"--model is {self.model!r} but {source.label} is {said(*theirs)!r}: leave --model out")

    def known_spec(self, source: Checkpoint) -> ModelSpec | None:
        """The network that the lineage of ``source`` describes; None if it does not, or only names one.

        Raises:
            UsageError: ``--model`` names another network.
        """
        spec = described(source.lineage.model)
        if spec is None:
            return None
        self._check(source)
        return overridden(spec, self.inputs, source.label)


def said(source: str, name: str) -> str:
    """A model of a table as ``--model`` names it."""
    return f"{source}:{name}" if source in ("torchvision", "timm") else name


def described(model: Mapping[str, Any] | None) -> ModelSpec | None:
    """The network that a lineage's ``model`` describes; None if it does not, or only names one.

    Raises:
        ApcliError: a value is missing or of the wrong type.
    """
    return None if model is None or NamedModel.from_json(model) is not None else ModelSpec.from_json(model)


def without_name(label: str) -> str:
    """The error about the file ``label`` that does not record its network."""
    return (
        f"{label} does not say which network it is: give --model NAME, such as torchvision:resnet50 or resnet20, or "
        "FILE.py:function (apcli list models shows the names)"
    )


def without_code(label: str, name: str) -> str:
    """The error about the file ``label`` of a user's network ``name``."""
    return f"{label} is a user's own network {name}, whose code is not in the file: give --model FILE.py:function"
