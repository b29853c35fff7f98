"""Commands whose help ends with examples and exit codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

__all__ = ["ExplainedCommand"]


class ExplainedCommand(click.Command):
    """A command that shows how it is typed, and what its exit codes mean."""

    def __init__(
        self, *arguments: Any, examples: Sequence[str], exit_codes: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        """A command as click makes it.

        Args:
            arguments: of click's.
            examples: whole lines.
            exit_codes: what each means; None: the usual ones.
            options: of click's.
        """
        super().__init__(*arguments, **options)
        self.examples = tuple(examples)
        self.exit_codes = dict(exit_codes) if exit_codes is not None else {}

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes both behind the options."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
        if self.exit_codes:
            with formatter.section("Exit codes"):
                formatter.write_dl(list(self.exit_codes.items()))
