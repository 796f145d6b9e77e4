"""Report: tables, the front's CSV file, pictures and pages of a study, and studies compared."""

from .certificates import certificate_table
from .comparison import Comparison, compare, comparison_table
from .comparison_plot import comparison_figure
from .figures import run_figures
from .files import save_figure
from .front import FRONT_COLUMNS, front_frame, summary, write_front_csv
from .front_plot import draw_front, front_figure
from .health import HealthCard, health_cards, health_table
from .layers_plot import draw_layers, layers_figure
from .outcomes import describe_stage, history_lines
from .path_plot import draw_paths, paths_figure
from .plan_plot import draw_plan, plan_figure
from .pruning import PruningGains, pruning_gains, pruning_table
from .tables import boards_table, front_table, layers_table, plan_table

__all__ = [
    "FRONT_COLUMNS",
    "Comparison",
    "HealthCard",
    "PruningGains",
    "boards_table",
    "certificate_table",
    "compare",
    "comparison_figure",
    "comparison_table",
    "describe_stage",
    "draw_front",
    "draw_layers",
    "draw_paths",
    "draw_plan",
    "front_figure",
    "front_frame",
    "front_table",
    "health_cards",
    "health_table",
    "history_lines",
    "layers_figure",
    "layers_table",
    "paths_figure",
    "plan_figure",
    "plan_table",
    "pruning_gains",
    "pruning_table",
    "run_figures",
    "save_figure",
    "summary",
    "write_front_csv",
]
