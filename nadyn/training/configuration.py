"""The training file: every key with its default; an empty file suits a molecule never seen before."""

from typing import Annotated, Literal

from pydantic import Field, create_model, model_validator

from nadyn.checks.configuration import Configuration
from nadyn.models.encoders.table import DEFAULT_SECTION, EncoderSection
from nadyn.models.matrix.basis import parse_basis
from nadyn.training.quantities import QUANTITIES
from nadyn.training.samples import ALL_PROPERTIES

# The bounds lie far beyond anything useful: within them no square or product leaves the range of a number.
Positive = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
Noise = Annotated[float, Field(ge=1e-9, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(gt=0, le=10**9)]


class ElectrostaticsSection(Configuration):
    """Charges that act at all distances."""

    formal_charges: dict[str, int] | None = None


class DispersionSection(Configuration):
    """D3(BJ) of a density functional."""

    functional: str
    in_labels: bool = False


class ModelSection(Configuration):
    """What is learned on top of the descriptors."""

    kind: Literal["auto", "atomic_sum", "diabatic"] = "auto"
    basis: str = "auto"
    start: tuple[str, ...] | None = None
    hidden: tuple[Annotated[int, Field(gt=0, le=8192)], ...] = Field((128, 128, 64), min_length=1)
    activation: str = "silu"
    networks: Literal["per_element", "shared"] = "per_element"
    repulsion: Literal["none", "zbl"] = "none"
    properties: Literal["auto"] | tuple[Literal["dipole", "polarisability"], ...] = "auto"
    electrostatics: ElectrostaticsSection | None = None
    dispersion: DispersionSection | None = None

    @model_validator(mode="after")
    def _start_of_a_basis(self) -> "ModelSection":
        if self.basis == "auto" and self.start is not None:
            raise ValueError(
                "`start` must be left out where `basis` is auto, because the search finds it. "
                "Try `basis: 1x0e + 1x1o` or another basis with it."
            )
        if self.properties not in ("auto", ()) and self.changes_sign:
            raise ValueError(
                "`properties` must be [] where rows of the basis change sign under exchanges of atoms, but "
                f"are {', '.join(self.properties)}: operators are learned among rows that keep theirs."
            )
        return self

    @property
    def learned_properties(self) -> tuple[str, ...]:
        """Which properties are learned where the data have labels of them."""
        if self.properties == "auto":
            return () if self.changes_sign else ALL_PROPERTIES
        return self.properties

    @property
    def changes_sign(self) -> bool:
        """Whether rows of the basis change their signs under exchanges of atoms, which no operator does."""
        return self.basis != "auto" and bool(parse_basis(self.basis).odd)


# How much each quantity counts in the loss, after division by its own noise.
WeightsSection = create_model(
    "WeightsSection", __base__=Configuration, **{q.name: (Positive, q.weight) for q in QUANTITIES}
)
# Noise of the labels where it is known; otherwise it is learned.
LabelNoiseSection = create_model(
    "LabelNoiseSection", __base__=Configuration, **{q.noise_key: (Noise | None, None) for q in QUANTITIES}
)


# What suits AdamW; the defaults suit Muon.
_OF_ADAMW = {"learning_rate": 2e-3, "weight_decay": 1e-2}


class TrainingConfiguration(Configuration):
    """All keys of a training file."""

    encoder: EncoderSection = DEFAULT_SECTION
    model: ModelSection = ModelSection()
    time_limit_minutes: Positive | None = None
    epochs: Count | None = None
    steps: Count | None = None
    batch_size: Count = 16
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: Positive = 5e-3
    weight_decay: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.1
    warmup_steps: Count = 200
    average_decay: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.999
    patience_epochs: Count = 200
    validation_fraction: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.1
    split: Literal["auto", "random", "blocks", "files", "stable"] = "auto"
    mix: tuple[Literal["charge", "multiplicities", "theory"], ...] = ()
    weights: WeightsSection = WeightsSection()
    label_noise: LabelNoiseSection = LabelNoiseSection()
    outlier_sigmas: Annotated[float, Field(ge=1e-3, le=1e9, allow_inf_nan=False)] = 2.0
    gap_weight: bool = False
    small_starts: Annotated[int, Field(ge=0, le=100)] = 6
    checkpoint_every: Count = 200
    threads: Annotated[int, Field(gt=0, le=1024)] = 1
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    split_seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _rate_of_the_optimizer(cls, content: object) -> object:
        """Give AdamW its own rate and decay where a file chooses it and says neither."""
        if isinstance(content, dict) and content.get("optimizer") == "adamw":
            return {**_OF_ADAMW, **content}
        return content

    @model_validator(mode="after")
    def _one_length(self) -> "TrainingConfiguration":
        lengths = ("epochs", "steps", "time_limit_minutes")
        given = [name for name in lengths if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"`{given[0]}` and `{given[1]}` must not both be given. Keep one of them.")
        return self

    @property
    def seed_of_split(self) -> int:
        """The seed that says what is held out."""
        return self.seed if self.split_seed is None else self.split_seed

    @property
    def has_steps(self) -> bool:
        """Whether the length is a number of steps, and no time."""
        return self.epochs is not None or self.steps is not None
