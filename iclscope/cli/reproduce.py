"""``iclscope reproduce``: a paper's figures and verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from iclscope.claims.paper import requested_papers
from iclscope.core.environment import DEVICES
from iclscope.core.files import user_path
from iclscope.study.experiment import PRESETS
from iclscope.study.index import check_index, write_index
from iclscope.study.pages.claims_table import print_claims
from iclscope.study.progress import progress_bars
from iclscope.study.reproduce import (
    IncompleteReproduction,
    InterruptedReproduction,
    Reproduction,
    planned,
    reproduce,
)

FAILED = 1
"""Exit status where figures failed."""


def reproduce_command(
    papers: Annotated[list[str], typer.Argument(metavar="PAPER", help="Short names (see iclscope list), or all.")],
    figure: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this figure (repeatable).")] = None,
    preset: Annotated[str, typer.Option(metavar="|".join(PRESETS), help="Compute budget.")] = "quick",
    seeds: Annotated[
        int | None, typer.Option(metavar="N", help="Seeds per point; at least 2, for garg2022 at least 1.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="|".join(DEVICES), help="Device to train on.")] = "auto",
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Results folder; default: results/PAPER.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Recompute everything, even over results of other settings.")
    ] = False,
    redraw: Annotated[bool, typer.Option("--redraw", help="Measure and draw again from the trained models.")] = False,
) -> None:
    """Train a paper's models, redraw its figures and judge every claim.

    What DIR already holds is kept: an interrupted command, run again, does only what is missing.
    """
    console = Console()
    out = None if out is None else user_path(out, "--out")
    names = requested_papers(papers)
    beside = (out or Path("results")) if len(names) > 1 else None
    if beside is not None:
        check_index(beside)
    folders = {name: (out / name if out is not None and len(names) > 1 else out) for name in names}
    for name in names:  # all of them, before the first one computes anything
        planned(name, figures=figure or (), preset=preset, seeds=seeds, device=device, out=folders[name], force=force)
    has_failed = False
    for name in names:
        try:
            with progress_bars(console) as progress:
                done = reproduce(
                    name,
                    figures=figure or (),
                    preset=preset,
                    seeds=seeds,
                    device=device,
                    out=folders[name],
                    force=force,
                    redraw=redraw,
                    progress=progress,
                )
        except InterruptedReproduction as interrupted:
            _tell(console, interrupted.reproduction)
            _print_index(console, beside)
            console.print("Interrupted. What is finished is kept; the same command goes on from there.")
            raise
        except IncompleteReproduction as incomplete:
            done, has_failed = incomplete.reproduction, True
        _tell(console, done)
    _print_index(console, beside)
    if has_failed:
        typer.echo("iclscope: what did not fail is finished; the same command makes only the rest again.", err=True)
        raise typer.Exit(FAILED)


def _print_index(console: Console, folder: Path | None) -> None:
    """Write the page of all papers, where there are several, and say where it is."""
    if folder is not None:
        console.print(f"All papers: {write_index(folder)}", soft_wrap=True, highlight=False)


def _tell(console: Console, done: Reproduction) -> None:
    """Print the verdicts and where the report is."""
    print_claims(done.claims, console)
    if done.claims:
        console.print("In brackets: 95 % intervals. The report says what was measured, and what each verdict means.")
    for name, reason in done.failed.items():
        where = done.folder / "trained" / f"failed-{name}.txt"
        typer.echo(f"failed: {name}: {reason} (where: {where})", err=True)
    if done.missing:
        console.print(f"Not made yet: {', '.join(done.missing)}", soft_wrap=True)
    console.print(f"Report: {done.report}", soft_wrap=True, highlight=False)
