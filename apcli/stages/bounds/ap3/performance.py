"""The statements about PD, for which the networks run."""

from collections.abc import Iterator

from apcli.stages.bounds.ap3 import last_layer, loss
from apcli.stages.bounds.ap3.epochs import losses
from apcli.stages.bounds.ap3.latent import Latents
from apcli.stages.bounds.ap3.setting import Setting
from apcli.stages.bounds.measured import MeasuredPair, Stated


def statements(pair: MeasuredPair, latents: Latents) -> Iterator[Stated]:
    """As published, then as proven or estimated, then over the epochs of a trace."""
    setting = Setting(pair)
    yield from loss.statements(setting, latents)
    yield from last_layer.statements(setting)
    yield from losses.statements(setting, latents)
