"""What `sparse-search plan` is asked about: the graph of an architecture, or a model."""

from dataclasses import dataclass
from pathlib import Path

from ..architecture import Architecture
from ..builder import build_graph
from ..deploy.manifest import MANIFEST_NAME, read_manifest, read_model
from ..encoding import EncodingPolicy
from ..errors import ArchitectureError
from ..graph import Graph
from ..quantized import QuantizedModel


@dataclass(frozen=True, slots=True)
class Subject:
    """What is planned.

    Attributes:
        planned: A model, or a graph.
        policy: By which an export's encodings were chosen; the default one otherwise.
    """

    planned: Graph | QuantizedModel
    policy: EncodingPolicy

    @property
    def graph(self) -> Graph:
        """The operators."""
        return self.planned if isinstance(self.planned, Graph) else self.planned.graph


def read_subject(path: Path, input_shape: str | None, classes: int) -> Subject:
    """Reads an exported folder, its manifest, the file of a model, or an architecture.

    Args:
        path: An exported folder, its manifest, a model's .safetensors, or an architecture as JSON.
        input_shape: Of an architecture, such as "28x28x1".
        classes: Of an architecture.

    Raises:
        ArchitectureError: The file is no architecture, or its input shape is not given.
        ExportError: The export is damaged.
        QuantizationError: The model's file is.
    """
    if path.is_file() and path.suffix == ".safetensors":
        return Subject(QuantizedModel.load(path), EncodingPolicy())
    if path.is_dir() or path.name == MANIFEST_NAME:
        folder = path if path.is_dir() else path.parent
        manifest = read_manifest(folder)
        recorded = manifest.memory_plan.get("policy")
        policy = EncodingPolicy() if recorded is None else EncodingPolicy.from_dict(recorded)
        return Subject(read_model(folder, manifest), policy)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ArchitectureError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ArchitectureError(
            f"expected an architecture as JSON, got {path}, which is no text; give an exported "
            "folder, the .safetensors of a model, or the file of an architecture"
        ) from None
    architecture = Architecture.from_json(text)
    parts = (input_shape or "").lower().split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise ArchitectureError(
            f"expected --input as height x width x channels, such as 28x28x1, got {input_shape}"
        )
    shape = (int(parts[0]), int(parts[1]), int(parts[2]))
    return Subject(build_graph(architecture, shape, classes), EncodingPolicy())
