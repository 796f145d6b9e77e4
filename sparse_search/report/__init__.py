"""Report: tables, the front's CSV file and pictures of a study and of a memory plan."""

from .front import FRONT_COLUMNS, front_frame, summary, write_front_csv
from .front_plot import draw_front, front_figure
from .health import HealthCard, health_cards, health_table
from .outcomes import describe_stage, history_lines
from .plan_plot import draw_plan, plan_figure
from .tables import boards_table, front_table, layers_table, plan_table

__all__ = [
    "FRONT_COLUMNS",
    "HealthCard",
    "boards_table",
    "describe_stage",
    "draw_front",
    "draw_plan",
    "front_figure",
    "front_frame",
    "front_table",
    "health_cards",
    "health_table",
    "history_lines",
    "layers_table",
    "plan_figure",
    "plan_table",
    "summary",
    "write_front_csv",
]
