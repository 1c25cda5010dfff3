"""python -m gantrain."""

from gantrain.cli import main

if __name__ == "__main__":
    main()
