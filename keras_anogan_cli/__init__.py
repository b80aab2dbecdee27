"""The command line: `keras-anogan demo | train | score | export | prepare | train-video | ... | reproduce`.

It stands outside the package because importing the package imports TensorFlow, and here the environment is set first
(oneDNN kernels on, start-up chatter off), and `--help` and a mistyped option answer at once.
"""

from keras_anogan_cli.main import main, run

__all__ = ["main", "run"]
