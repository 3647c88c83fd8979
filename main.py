"""The visual demo: ``python main.py --learned``; ``python main.py --help`` lists the choices."""

from goodharts_lib.demo import main
from goodharts_lib.errors import run_command

if __name__ == "__main__":
    run_command(main)
