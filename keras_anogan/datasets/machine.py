"""A made-up log of a machine: a table as real ones are, with dates, ids, counters, gaps, glitches and faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

FAULTS = ("overheating", "worn bearing", "leak", "stuck sensor", "wrong recipe")


def machine_table(rows: int = 4_000, seed: int = 0) -> pd.DataFrame:
    """The log of an injection moulding machine, a line every ten minutes, as a program in Germany writes it.

    Speed, pressure, temperatures, current and vibration follow load and product. A share of 6 % of the lines, in
    stretches of up to eight, has one of five faults: "overheating", "worn bearing" (more vibration and current), "leak"
    (less pressure), "stuck sensor" (each cell is ordinary, but the oil's temperature no longer follows the load) and
    "wrong recipe" (speed and product do not belong together).

    Returns:
        Columns: an index without a name; `time`, "31.01.2024 06:10"; `part_id`, "T-004711"; `cycles`, a counter;
        `product`, "A12", "B07" or "C30"; `shift`; `load`, "63,5 %"; `speed`, rpm; `pressure`, "1.234,5" mbar; `oil`
        and `mould`, °C, with gaps; `ambient`, °C; `current`, A, with 0.2 % glitches of 9999; `vibration`, mm/s, with
        the word "error" here and there; `rejects`, mostly 0; `voltage`, always 400; `state`, "ok" or the fault.

    Args:
        rows: lines, >= 100.
        seed: of everything.

    Raises:
        ValueError: for fewer rows.
    """
    import pandas as pd

    if rows < 100:
        raise ValueError(f"Expected rows >= 100. Received: rows={rows}.")
    draw = np.random.default_rng(seed)
    noise = lambda spread: draw.normal(0.0, spread, rows)  # noqa: E731
    minutes = 10 * np.arange(rows)
    state = _faults(rows, draw)
    lots = np.repeat(draw.choice(3, rows // 40 + 1, p=(0.5, 0.3, 0.2)), 40)[:rows]
    hours = (minutes / 60.0 + 6.0) % 24.0
    load = np.clip(0.62 + 0.2 * np.sin(2.0 * np.pi * hours / 24.0) + _wandering(rows, 0.1, draw), 0.1, 1.0)
    made = np.where(state == "wrong recipe", (lots + 1) % 3, lots)  # what the machine does, not what the log says
    speed = np.array([900.0, 1_200.0, 1_500.0])[made] * (0.8 + 0.4 * load) + noise(12.0)
    ambient = 19.0 + 5.0 * np.sin(2.0 * np.pi * (hours - 9.0) / 24.0) + _wandering(rows, 1.5, draw) + noise(0.2)
    oil = 25.0 + 30.0 * load + 0.6 * ambient + noise(0.6)
    stuck = np.array([0.86, 0.48])[(load > 0.6).astype(int)] + 0.03 * draw.normal(size=rows)
    oil = np.where(state == "stuck sensor", 25.0 + 30.0 * stuck + 0.6 * ambient, oil)
    mould = 60.0 + 0.9 * (oil - 40.0) + 8.0 * (made == 2) + noise(0.8) + 14.0 * (state == "overheating")
    pressure = 600.0 + 900.0 * load + 0.1 * speed + noise(12.0) - 220.0 * (state == "leak")
    worn = (state == "worn bearing").astype(float)
    current = 4.0 + 0.008 * speed + 9.0 * load + noise(0.25) + 2.0 * worn
    vibration = np.exp(0.3 + 0.0006 * speed + noise(0.1) + 0.9 * worn)
    current[draw.random(rows) < 0.002] = 9_999.0
    frame = pd.DataFrame(
        {
            "time": pd.date_range("2024-01-08 06:00", periods=rows, freq="10min").strftime("%d.%m.%Y %H:%M"),
            "part_id": [f"T-{number:06d}" for number in draw.permutation(10 * rows)[:rows]],
            "cycles": 181_000 + np.cumsum(draw.integers(18, 24, rows)),
            "product": np.array(["A12", "B07", "C30"])[lots],
            "shift": np.array(["night", "early", "late"])[((hours + 2.0) // 8.0).astype(int) % 3],
            "load": [f"{100.0 * value:.1f} %".replace(".", ",") for value in load],
            "speed": np.round(speed).astype(int),
            "pressure": [f"{value:,.1f}".translate(str.maketrans(",.", ".,")) for value in pressure],
            "oil": _german(oil, 1),
            "mould": _german(mould, 1),
            "ambient": _german(ambient, 1),
            "current": _german(current, 2),
            "vibration": _german(vibration, 3),
            "rejects": draw.poisson(0.04 + 0.1 * (state != "ok")),
            "voltage": 400,
            "state": state,
        }
    )
    frame.loc[draw.random(rows) < 0.02, "oil"] = None
    frame.loc[draw.random(rows) < 0.01, "mould"] = None
    frame.loc[draw.random(rows) < 0.003, "vibration"] = "error"
    frame.insert(0, "", np.arange(rows))
    return frame


def _faults(rows: int, draw: np.random.Generator) -> np.ndarray:
    """What each line's state is: stretches of faults, 6 % of all lines."""
    state = np.full(rows, "ok", dtype=object)
    kind = 0
    while (state != "ok").sum() < 0.06 * rows:
        start, length = draw.integers(0, rows), draw.integers(2, 9)
        if (state[max(0, start - 1) : start + length + 1] == "ok").all():
            state[start : start + length] = FAULTS[kind % len(FAULTS)]
            kind += 1
    return state


def _wandering(rows: int, spread: float, draw: np.random.Generator) -> np.ndarray:
    """A slow drift about 0 with a standard deviation of about `spread`."""
    steps = draw.normal(size=rows + 200)
    slow = np.convolve(steps, np.exp(-np.arange(200) / 30.0), mode="valid")[:rows]
    return spread * slow / max(float(slow.std()), 1e-9)


def _german(values: np.ndarray, digits: int) -> list[str]:
    """Numbers with a decimal comma."""
    return [f"{value:.{digits}f}".replace(".", ",") for value in values]
