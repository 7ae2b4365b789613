"""More and more open pages: what one costs must not grow."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from statistics import median

from .clients import allow_files
from .contenders import RAW, REDIS, Contender
from .echo import STAYING
from .pages import Cost, make_machines, measure, print_head, print_row, yardstick_of

# Ever more pages, and where they are drawn.
_SIZES = (1000, 2500, 5000, 10_000)
_PLOT = Path(__file__).parent / "growth.svg"


def main() -> None:
    """Print the table, and draw the plot of README.md."""
    allow_files(_SIZES[-1] + STAYING)
    lines: dict[tuple[Contender, bool], list[Cost]] = {
        (RAW, False): [],
        (REDIS, True): [],
    }
    with ExitStack() as stack:
        machines = make_machines(stack)
        for count in _SIZES:
            print_head(count)
            with yardstick_of(RAW, count) as yardstick:
                for (contender, deflate), costs in lines.items():
                    cost = measure(contender, count, deflate, machines, yardstick)
                    costs.append(cost)
                    print_row(contender, deflate, cost, lines[RAW, False][-1])
    _plot(
        {
            f"{contender.name}, {'with' if deflate else 'without'} compression offered": costs
            for (contender, deflate), costs in lines.items()
        }
    )


def _plot(lines: dict[str, list[Cost]]) -> None:
    from matplotlib import pyplot

    figure, (memory, cpu) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for (name, costs), style in zip(lines.items(), ("o--", "D-"), strict=True):
        memory.plot(
            _SIZES,
            [cost.memory * count / 1024 for cost, count in zip(costs, _SIZES, strict=True)],
            style,
            label=name,
        )
        raw = [median(cost.ratio) for cost in next(iter(lines.values()))]
        ratios = [[r / base for r in c.ratio] for c, base in zip(costs, raw, strict=True)]
        middle = [median(parts) for parts in ratios]
        spread = [
            [m - min(parts) for m, parts in zip(middle, ratios, strict=True)],
            [max(parts) - m for m, parts in zip(middle, ratios, strict=True)],
        ]
        cpu.errorbar(_SIZES, middle, spread, fmt=style, capsize=3, label=name)
    memory.set(xlabel="open pages", ylabel="memory, MB", ylim=0, xlim=0)
    cpu.set(xlabel="open pages", ylabel="CPU for a ping, to the raw echo's", ylim=0, xlim=0)
    memory.legend()
    for axes in (memory, cpu):
        axes.grid(alpha=0.3)
    figure.savefig(_PLOT, metadata={"Date": None})
    print(f"\n{_PLOT.name} drawn")
