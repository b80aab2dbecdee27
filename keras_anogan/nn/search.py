"""The search for a latent code: argmin over z of a per-row objective, by Adam in a graph loop, all rows at once.

Every row has its own moments and its own best value, and the gradient is that of the sum over the rows, so a row's
result does not depend on its neighbours (a mean would divide the rate by their number).
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Sequence

import tensorflow as tf

Objective = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Found:
    """Where a search stands.

    Attributes:
        z: the best code that each row has met, float32 (rows, latent_dim).
        value: the objective there, float32 (rows,).
        steps: Adam steps that each row has taken, int32 (rows,).
    """

    z: tf.Tensor
    value: tf.Tensor
    steps: tf.Tensor


def latent_search(
    objective: Objective,
    z0: tf.Tensor,
    steps: int = 500,
    learning_rate: float = 0.1,
    restarts: int = 1,
    patience: int | None = None,
    tolerance: float = 1e-4,
) -> Found:
    """Minimise `objective` over z, each row for itself, from `z0`.

    Adam (Kingma and Ba 2015; beta_1 0.9, beta_2 0.999) whose rate falls to zero along half a cosine, so that the last
    steps settle. What is not finite counts for nothing: a value is no best one, an entry of the gradient is zero.

    Args:
        objective: z (rows, latent_dim) -> values (rows,); a row's value may depend on its own z only.
        z0: where to begin, float32 (rows, latent_dim).
        steps: Adam steps, >= 0.
        learning_rate: of the first step, in the unit of z.
        restarts: this many consecutive rows belong to one query: the best of them is returned, and `rows` shrinks to
            rows / restarts.
        patience: a row stops when so many steps in a row have not lowered its best value by a share `tolerance`; None
            takes all steps. The loop ends when every row has stopped.
        tolerance: see there.

    Returns:
        A `Found`.

    Raises:
        ValueError: for steps < 0, learning_rate <= 0, restarts < 1, patience < 1, tolerance < 0, or rows that restarts
            does not divide.
    """
    return search_path(objective, z0, (steps,), learning_rate, restarts, patience, tolerance)[-1]


def search_path(
    objective: Objective,
    z0: tf.Tensor,
    at: Sequence[int],
    learning_rate: float = 0.1,
    restarts: int = 1,
    patience: int | None = None,
    tolerance: float = 1e-4,
) -> list[Found]:
    """`latent_search` of `at[-1]` steps, and where it stood after each number of steps in `at`, in ascending order.

    Takes and raises what `latent_search` does; also ValueError where `at` does not ascend.
    """
    at = tuple(at)
    check_search(at[-1] if at else -1, learning_rate, restarts, patience, tolerance)
    if not all(_is_whole(steps) and steps >= 0 for steps in at) or list(at) != sorted(set(at)):
        raise ValueError(f"Expected ascending whole numbers of steps >= 0. Received: {at}.")
    at = tuple(int(steps) for steps in at)
    z0 = tf.cast(z0, "float32")
    if z0.shape[0] is not None and z0.shape[0] % restarts:
        raise ValueError(f"Expected rows of z0 that restarts={restarts} divides. Received: {z0.shape[0]} rows.")
    state = _begun(z0)

    def running(state: dict) -> tf.Tensor:
        return tf.ones_like(state["since"], "bool") if patience is None else state["since"] < patience

    def step(state: dict) -> dict:
        with tf.GradientTape() as tape:
            tape.watch(state["z"])
            value = tf.cast(objective(state["z"]), "float32")  # (rows,)
            total = tf.reduce_sum(value)
        gradient = tape.gradient(total, state["z"])
        state = _judge(state, value, tolerance)
        fine = tf.math.is_finite(gradient) & tf.math.is_finite(value)[:, None]
        gradient = tf.where(fine, gradient, 0.0)
        count = tf.cast(state["step"] + 1, "float32")
        m = 0.9 * state["m"] + 0.1 * gradient
        v = 0.999 * state["v"] + 0.001 * tf.square(gradient)
        rate = 0.5 * learning_rate * (1.0 + tf.cos(math.pi * tf.cast(state["step"], "float32") / max(at[-1], 1)))
        move = rate * (m / (1.0 - 0.9**count)) / (tf.sqrt(v / (1.0 - 0.999**count)) + 1e-8)
        goes_on = running(state)
        moved = tf.where(goes_on[:, None], state["z"] - move, state["z"])
        taken = state["taken"] + tf.cast(goes_on, "int32")
        return state | {"step": state["step"] + 1, "z": moved, "m": m, "v": v, "taken": taken}

    found = []
    for goal in at:
        state = tf.while_loop(
            lambda state, goal=goal: (state["step"] < goal) & tf.reduce_any(running(state)),
            lambda state: (step(state),),
            (state,),
            shape_invariants=({key: value.shape for key, value in state.items()},),
        )[0]
        judged = _judge(state, tf.cast(objective(state["z"]), "float32"), tolerance)  # the last step's z too
        found.append(_best_of(Found(judged["best_z"], judged["best"], judged["taken"]), restarts))
    return found


def _begun(z0: tf.Tensor) -> dict[str, tf.Tensor]:
    """The state before the first step."""
    rows, zeros = tf.shape(z0)[0], tf.zeros_like(z0)
    return {
        "step": tf.constant(0),
        "z": z0,
        "m": zeros,
        "v": zeros,
        "best_z": z0,
        "best": tf.fill((rows,), math.inf),
        "taken": tf.zeros((rows,), "int32"),
        "since": tf.zeros((rows,), "int32"),  # steps since the best value fell by a share `tolerance`
        "mark": tf.fill((rows,), math.inf),  # the value that it fell from
    }


def check_search(steps: int, learning_rate: float, restarts: int, patience: int | None, tolerance: float) -> None:
    """Refuse what `latent_search` can't do.

    Raises:
        ValueError: naming what was found.
    """
    for name, value, least in (("steps", steps, 0), ("restarts", restarts, 1), ("patience", patience, 1)):
        if value is not None and not (_is_whole(value) and value >= least):
            raise ValueError(f"Expected {name} to be an integer >= {least}. Received: {name}={value!r}.")
    if not learning_rate > 0.0:
        raise ValueError(f"Expected learning_rate > 0. Received: learning_rate={learning_rate!r}.")
    if not tolerance >= 0.0:
        raise ValueError(f"Expected tolerance >= 0. Received: tolerance={tolerance!r}.")


def _is_whole(value: object) -> bool:
    return isinstance(value, numbers.Integral) or (isinstance(value, float) and value.is_integer())


def _judge(state: dict, value: tf.Tensor, tolerance: float) -> dict:
    """The state after its z was found to have these values."""
    better = value < state["best"]  # never for NaN
    best = tf.where(better, value, state["best"])
    best_z = tf.where(better[:, None], state["z"], state["best_z"])
    fell = best < state["mark"] - tolerance * tf.abs(tf.where(tf.math.is_finite(state["mark"]), state["mark"], 0.0))
    mark = tf.where(fell, best, state["mark"])
    since = tf.where(fell, 0, state["since"] + 1)
    return state | {"best": best, "best_z": best_z, "mark": mark, "since": since}


def _best_of(found: Found, restarts: int) -> Found:
    """The best of each `restarts` consecutive rows."""
    if restarts == 1:
        return found
    values = tf.reshape(found.value, (-1, restarts))
    chosen = tf.argmin(values, axis=1, output_type="int32") + restarts * tf.range(tf.shape(values)[0])
    return Found(*(tf.gather(tensor, chosen) for tensor in (found.z, found.value, found.steps)))
