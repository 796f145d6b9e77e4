"""fine_tune_quantized(network, ...): an int8 model that was trained as one.

Post-training quantization rounds weights that never knew of it. Here they learn with it: a pruned
network is trained on in the arithmetic of its int8 model. With a codebook, its weights also share
few values (deep compression, arXiv:1510.00149; there each layer has its own, here all layers have
the same, since a table is flash): each weight keeps a real number that learns and counts as the
nearest value, and the values are fitted again as the training goes on.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from .dataset import Dataset
from .errors import TrainingDivergedError
from .fake_quantized import FakeQuantizedNetwork
from .network import Network
from .quantize import quantize
from .quantized import QuantizedModel, error_rate
from .training import Criterion, Progress, TrainingConfig, train


def fine_tune_quantized(
    network: Network,
    dataset: Dataset,
    config: TrainingConfig,
    calibration_images: NDArray[np.uint8],
    generator: torch.Generator,
    *,
    codebook_bits: int | None = None,
    criterion: Criterion | None = None,
) -> QuantizedModel:
    """The best of the network quantized and the epochs of a quantization-aware training.

    Args:
        network: Trained and pruned; it is not changed. Its masks are kept: what is 0 stays 0.
        dataset: The training split is learned from; the validation split says what is best.
        config: Of the training; weight decay is not applied.
        calibration_images: Of the training split, uint8 [n, H, W, C]: they fix the ranges.
        generator: Source of everything random.
        codebook_bits: The weights of all convolutions and fully connected operators take at most
            2^bits values, 0 among them where some are pruned. None for any.
        criterion: What is minimised; None for the cross-entropy of the labels.

    Returns:
        The model of least int8 validation error; of equals the one before training, then the
        earlier epoch. A training that diverges ends there.
    """
    tuned = FakeQuantizedNetwork(network, quantize(network, calibration_images))
    if codebook_bits is not None:
        tuned.fit_codebook(codebook_bits)
    start = tuned.model()
    best: tuple[float, QuantizedModel] | None = None

    def keep(error: float) -> None:
        nonlocal best
        if best is None or error < best[0]:
            best = error, tuned.model()

    def after_epoch(progress: Progress) -> bool:
        keep(progress.curve[-1])
        if codebook_bits is not None:
            tuned.fit_codebook(codebook_bits)
        return True

    try:
        settings = replace(config, weight_decay=0.0)
        result = train(
            tuned, dataset, settings, generator, after_epoch=after_epoch, criterion=criterion
        )
        if result.curve:
            keep(result.curve[-1])
    except TrainingDivergedError:
        pass
    if best is None:
        return start
    before, after = (error_rate(model, dataset.validation) for model in (start, best[1]))
    return best[1] if after < before else start
