"""`python -m keras_anogan_cli`."""

from keras_anogan_cli.main import main

main()
