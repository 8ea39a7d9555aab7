"""How large things may be."""

from pydantic import BaseModel, Field


class Limits(BaseModel):
    """Bounds on what a user may send; passing one is refused by name, never truncated."""

    max_body_bytes: int = Field(default=10_000_000, ge=1_000, description="Largest request body, in bytes.")
    max_json_depth: int = Field(default=100, ge=10, le=500, description="Deepest nesting of JSON accepted anywhere.")
    max_spec_bytes: int = Field(default=2_000_000, ge=1_000, description="Largest workflow specification, in bytes of JSON.")
    max_spec_nodes: int = Field(default=2_000, ge=1, description="Most nodes in one specification.")
    max_spec_edges: int = Field(default=10_000, ge=1, description="Most edges in one specification.")
    max_spec_depth: int = Field(default=50, ge=5, le=500, description="Deepest nesting inside a specification.")
    max_template_bytes: int = Field(default=65_536, ge=100, description="Longest template or expression, in bytes.")
    max_loop_iterations: int = Field(default=1_000, ge=1, description="Largest `max_iterations` a loop edge may declare.")
    max_map_items: int = Field(default=10_000, ge=1, description="Most items one `map` node may run over.")
    max_run_steps: int = Field(default=100_000, ge=1, description="Most node executions in one run.")
    max_value_bytes: int = Field(default=10_000_000, ge=1_000, description="Largest output of one node, in bytes of JSON.")
    expression_fuel: int = Field(default=100_000, ge=1_000, description="Most steps one expression or template may take.")
