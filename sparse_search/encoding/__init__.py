"""How the int8 weights of one layer are stored in flash: the encoding with the fewest bytes.

An encoding has two parts that are chosen apart: which weights are stored (``positions``) and how
(``values``). Its name joins theirs, such as "gaps4_codebook3"; "dense" is every weight, one byte
each. A pruned weight counts only if the bytes go down: a layer that is hardly sparse stays dense.
Layers whose weights take the same few values can share the table of their codebooks (``sharing``).
"""

from .choice import Layer, Option, choose, code_bytes, measured_options, predicted_options
from .costs import kernel_code_bytes
from .encoded import EncodedWeights, encode_as
from .encodings import ALL_ENCODINGS, DENSE_ONLY, ENCODINGS, allowed_encodings
from .policy import EncodingPolicy
from .sharing import common_values, joint_table

__all__ = [
    "ALL_ENCODINGS",
    "DENSE_ONLY",
    "ENCODINGS",
    "EncodedWeights",
    "EncodingPolicy",
    "Layer",
    "Option",
    "allowed_encodings",
    "choose",
    "code_bytes",
    "common_values",
    "encode_as",
    "joint_table",
    "kernel_code_bytes",
    "measured_options",
    "predicted_options",
]
